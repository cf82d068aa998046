"""The ready definitions, read from local files of each dataset's format.

The files have the same columns, nesting and splits as the dataset has.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pillow

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.quality import ReadReport
from blocksieve.datasets.sample import Sample
from blocksieve.datasets.sources import read_samples
from blocksieve.metrics import Target, load_metric
from blocksieve.specs import DatasetSpec

ROOT = Path(__file__).parents[2]
TEXT, NUMBER, TEXTS = Value("string"), Value("int64"), List(Value("string"))
# Per split; each has two questions if the dataset has more than one per picture.
PICTURES = 24


def picture(number: int, form: str = "JPEG") -> dict[str, Any]:
    """Encode a picture as hub datasets store one: bytes and a name."""
    data = io.BytesIO()
    Pillow.new("RGB", (24, 16), (number * 9 % 256, number, 90)).save(data, form)
    return {"bytes": data.getvalue(), "path": f"{number}.{form.lower()}"}


def vqav2(n: int) -> dict[str, Any]:
    answers = []
    for annotator in range(1, 11):
        answer = "yes" if annotator <= 7 else "no"
        answers.append({"answer": answer, "answer_confidence": "yes", "answer_id": annotator})
    return {
        "question_type": "is the",
        "multiple_choice_answer": "yes",
        "answers": answers,
        "image_id": n // 2,
        "answer_type": "yes/no",
        "question_id": n,
        "question": f"Is the cat {n}?",
        "image": picture(n // 2),
    }


def textvqa(n: int) -> dict[str, Any]:
    return {
        "image_id": f"{n // 2:016x}",
        "question_id": n,
        "question": f"what is brand {n}?",
        "question_tokens": ["w"],
        "image": picture(n // 2),
        "image_width": 24,
        "image_height": 16,
        "flickr_original_url": "https://f.com/1",
        "flickr_300k_url": "https://f.com/2",
        "answers": ["dakota"] * 10,
        "image_classes": ["Camera"],
        "set_name": "train",
        "ocr_tokens": ["DAKOTA"],
    }


def okvqa(n: int) -> dict[str, Any]:
    return {
        "question_id": str(n),
        "image": picture(n),
        "question": f"What sport {n}?",
        "answers": ["surf"] * 6 + ["surfing"] * 4,
        "question_type": "four",
        "answer_type": "other",
    }


def scienceqa(n: int) -> dict[str, Any]:
    return {
        "image": picture(n, "PNG"),
        "question": f"Which is it {n}?",
        "choices": ["north", "south"],
        "answer": n % 2,
        "hint": "Look at the map." if n % 3 else "",
        "task": "closed choice",
        "grade": "grade2",
        "subject": "geography",
        "topic": "geography",
        "category": "geography",
        "skill": "geography",
        "lecture": "geography",
        "solution": "geography",
    }


def stvqa(n: int) -> dict[str, Any]:
    return {
        "path": f"coco-text/{n // 2}.jpg",
        "question": f"What does it say {n}?",
        "dictionary": ["stop", "go"],
        "answer": ["stop"] if n % 2 else ["stop", "STOP sign"],
        "image": picture(n // 2),
    }


def docvqa(n: int) -> dict[str, Any]:
    return {
        "questionId": str(n),
        "question": f"What is the date {n}?",
        "question_types": ["handwritten"],
        "image": picture(n // 2, "PNG"),
        "docId": n // 2,
        "ucsf_document_id": f"doc{n // 2}",
        "ucsf_document_page_no": "1",
        "answers": ["1/8/93", "1 8 93"],
        "data_split": "train",
    }


def tallyqa(n: int) -> dict[str, Any]:
    questions = []
    for k in range(2):
        questions.append(
            {
                "answer": str(k),
                "data_source": "amt",
                "is_simple": k == 0,
                "question": f"How many {k} in {n}?",
            }
        )
    return {"image": picture(n), "qa": questions}


def coco(n: int) -> dict[str, Any]:
    name = f"COCO_val2014_{n:012d}.jpg"
    captions = [
        f"a red cat number {n} on a mat",
        "a cat lies there",
        "one cat",
        "the cat is red",
        "cat on a mat",
    ]
    return {
        "question_id": name,
        "image": picture(n),
        "question": "Please carefully observe the image.",
        "answer": captions,
        "id": n,
        "license": 1,
        "file_name": name,
        "coco_url": "http://images.cocodataset.org/1",
        "height": 16,
        "width": 24,
        "date_captured": "2013-11-14",
    }


def mmmu(n: int) -> dict[str, Any]:
    num_pictures = 1 + n % 2
    pictures: dict[str, dict[str, Any] | None] = {}
    for k in range(1, 8):
        pictures[f"image_{k}"] = picture(10 * n + k, "PNG") if k <= num_pictures else None
    return {
        "id": f"validation_Art_{n}",
        "question": f"<image 1> Who {n}?",
        "options": "['it\\'s Dali', 'Klee', 'Miro']",
        "explanation": "",
        **pictures,
        "img_type": "['Paintings']",
        "answer": "B",
        "topic_difficulty": "Easy",
        "question_type": "open" if n % 8 == 7 else "multiple-choice",
        "subfield": "Art",
    }


@dataclass(frozen=True)
class Format:
    """How a dataset stores its rows, and the best answer to the first one.

    `types` are those of columns that hold other things than text, or a picture called `image`.
    """

    row: Callable[[int], dict[str, Any]]
    best_answer: str
    types: dict[str, Any] = field(default_factory=dict)


SMALL = Value("int32")
FORMATS = {
    "coco_2014_vqa": Format(
        row=vqav2,
        best_answer="Yes.",
        types={
            "answers": List({"answer": TEXT, "answer_confidence": TEXT, "answer_id": NUMBER}),
            "image_id": NUMBER,
            "question_id": NUMBER,
        },
    ),
    "text_vqa": Format(
        row=textvqa,
        best_answer="Dakota",
        types={
            "question_id": SMALL,
            "image_width": SMALL,
            "image_height": SMALL,
            "question_tokens": TEXTS,
            "answers": TEXTS,
            "image_classes": TEXTS,
            "ocr_tokens": TEXTS,
        },
    ),
    "okvqa": Format(row=okvqa, best_answer="Surf", types={"answers": TEXTS}),
    "science_qa_img": Format(
        row=scienceqa, best_answer="A", types={"choices": TEXTS, "answer": Value("int8")}
    ),
    "st_qa": Format(row=stvqa, best_answer="stop", types={"dictionary": TEXTS, "answer": TEXTS}),
    "doc_qa": Format(
        row=docvqa,
        best_answer="1/8/93",
        types={"question_types": TEXTS, "docId": NUMBER, "answers": TEXTS},
    ),
    "tally_qa": Format(
        row=tallyqa,
        best_answer="zero",
        types={
            "qa": List(
                {"answer": TEXT, "data_source": TEXT, "is_simple": Value("bool"), "question": TEXT}
            )
        },
    ),
    "coco_caption": Format(
        row=coco,
        best_answer="a red cat number 0 on a mat",
        types={
            "answer": TEXTS,
            "id": NUMBER,
            "license": Value("int8"),
            "height": SMALL,
            "width": SMALL,
        },
    ),
    "mmmu": Format(
        row=mmmu,
        best_answer="(B) Klee",
        types={f"image_{k}": Image() for k in range(1, 8)},
    ),
}
READY = sorted(
    path.stem
    for path in (ROOT / "config/datasets").glob("*.yaml")
    if "kind: columns" in path.read_text()
)


def read_definition(name: str) -> DatasetSpec:
    content = yaml.safe_load((ROOT / f"config/datasets/{name}.yaml").read_text())
    return DatasetSpec(**content)


def definition_on(folder: Path, name: str) -> DatasetSpec:
    """Return the ready definition, its data in a folder as the hub has a dataset's repository.

    The folder has a Parquet file per split, and a card.
    """
    definition = read_definition(name)
    source = definition.source
    patterns = []
    (folder / "data").mkdir(exist_ok=True)
    for number, split in enumerate(definition.splits):
        write_split(folder / f"data/{split}-00000-of-00001.parquet", FORMATS[name], number)
        patterns.append({"split": split, "path": f"data/{split}-*"})
    configuration = {"config_name": source.get("name", "default"), "data_files": patterns}
    card = yaml.safe_dump({"configs": [configuration]})
    (folder / "README.md").write_text(f"---\n{card}---\n")
    local = {key: value for key, value in source.items() if key != "revision"}
    return replace(definition, source=local | {"path": str(folder)})


def write_split(path: Path, format: Format, number: int) -> None:
    first = number * 2 * PICTURES
    rows = [format.row(first + n) for n in range(2 * PICTURES)]
    types = {}
    for column in rows[0]:
        types[column] = Image() if column == "image" else format.types.get(column, TEXT)
    Dataset.from_list(rows, Features(types)).to_parquet(path)


def test_every_ready_definition_is_tested() -> None:
    assert sorted(FORMATS) == READY


@pytest.mark.parametrize("name", READY)
def test_a_ready_definition_reads_its_dataset(name: str, tmp_path: Path) -> None:
    """All samples are usable, roles share no picture, and the best answer gets the full score."""
    definition = definition_on(tmp_path, name)
    splits = definition.splits
    report = ReadReport()
    samples = read_samples(definition.source, splits)
    usable = list(report.usable(samples, definition.metric, max_bad_samples=0.0))
    assert not report.bad
    drawn = draw_samples(usable, {"search": 8, "holdout": 8}, splits, 0)
    assert len({sample.sample_id for _, sample in drawn}) == 16
    pictures: dict[str, set[bytes]] = {"search": set(), "holdout": set()}
    for role, sample in drawn:
        assert len(sample.images) >= 1
        pictures[role].update(sample.images)
    assert not pictures["search"] & pictures["holdout"]
    targets = [Target(sample.references, sample.choices) for sample in usable]
    scorer = load_metric(definition.metric).prepare(targets)
    assert scorer(FORMATS[name].best_answer, targets[0]) >= 1.0
    assert {sample.split for sample in usable} == set(splits)


def first_sample(name: str, folder: Path) -> Sample:
    definition = definition_on(folder, name)
    sample = next(read_samples(definition.source, definition.splits))
    assert isinstance(sample, Sample)
    return sample


def test_what_the_mappings_give(tmp_path: Path) -> None:
    """Nested answers, indices of choices, a list as text, a constant question, samples in a row."""
    samples = {}
    for name in READY:
        (tmp_path / name).mkdir()
        samples[name] = first_sample(name, tmp_path / name)
    assert samples["coco_2014_vqa"].references == ("yes",) * 7 + ("no",) * 3
    assert samples["coco_2014_vqa"].cluster == "0"
    assert samples["coco_2014_vqa"].images == (picture(0)["bytes"],)
    assert samples["science_qa_img"].question == "Which is it 0?"
    assert samples["science_qa_img"].choices == ("north", "south")
    assert samples["science_qa_img"].references == ("A",)
    assert samples["st_qa"].references == ("stop", "STOP sign")
    assert samples["doc_qa"].cluster == "doc0"
    assert samples["tally_qa"].question == "How many 0 in 0?"
    assert samples["tally_qa"].row == "0.0"
    assert (
        samples["coco_caption"].question == "Provide a one-sentence caption for the provided image."
    )
    assert samples["mmmu"].choices == ("it's Dali", "Klee", "Miro")
    assert len(samples["mmmu"].images) == 1
