"""The ready definitions, read from local files of each dataset's own format: same columns, nesting and splits."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pillow

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.report import Report
from blocksieve.datasets.sample import Sample
from blocksieve.datasets.sources import read_samples
from blocksieve.metrics import Target, load_metric

ROOT = Path(__file__).parents[2]
TEXT, NUMBER, TEXTS = Value("string"), Value("int64"), List(Value("string"))
PICTURES = 24  # a split; each has two questions where the dataset has several a picture


def picture(number: int, form: str = "JPEG") -> dict[str, Any]:
    """Encode a picture as hub datasets store one: bytes and a name."""
    data = io.BytesIO()
    Pillow.new("RGB", (24, 16), (number * 9 % 256, number, 90)).save(data, form)
    return {"bytes": data.getvalue(), "path": f"{number}.{form.lower()}"}


def vqav2(n: int) -> dict[str, Any]:
    answers = [
        {"answer": "yes" if k < 7 else "no", "answer_confidence": "yes", "answer_id": k + 1}
        for k in range(10)
    ]
    return {
        **{
            "question_type": "is the",
            "multiple_choice_answer": "yes",
            "answers": answers,
            "image_id": n // 2,
        },
        **{
            "answer_type": "yes/no",
            "question_id": n,
            "question": f"Is the cat {n}?",
            "image": picture(n // 2),
        },
    }


def textvqa(n: int) -> dict[str, Any]:
    return {
        **{
            "image_id": f"{n // 2:016x}",
            "question_id": n,
            "question": f"what is brand {n}?",
            "question_tokens": ["w"],
        },
        **{
            "image": picture(n // 2),
            "image_width": 24,
            "image_height": 16,
            "flickr_original_url": "https://f.com/1",
        },
        **{
            "flickr_300k_url": "https://f.com/2",
            "answers": ["dakota"] * 10,
            "image_classes": ["Camera"],
        },
        **{"set_name": "train", "ocr_tokens": ["DAKOTA"]},
    }


def okvqa(n: int) -> dict[str, Any]:
    return {
        **{"question_id": str(n), "image": picture(n), "question": f"What sport {n}?"},
        **{
            "answers": ["surf"] * 6 + ["surfing"] * 4,
            "question_type": "four",
            "answer_type": "other",
        },
    }


def scienceqa(n: int) -> dict[str, Any]:
    return {
        **{
            "image": picture(n, "PNG"),
            "question": f"Which is it {n}?",
            "choices": ["north", "south"],
            "answer": n % 2,
        },
        **{"hint": "Look at the map." if n % 3 else "", "task": "closed choice", "grade": "grade2"},
        **dict.fromkeys(
            ("subject", "topic", "category", "skill", "lecture", "solution"), "geography"
        ),
    }


def stvqa(n: int) -> dict[str, Any]:
    return {
        **{
            "path": f"coco-text/{n // 2}.jpg",
            "question": f"What does it say {n}?",
            "dictionary": ["stop", "go"],
        },
        **{"answer": ["stop"] if n % 2 else ["stop", "STOP sign"], "image": picture(n // 2)},
    }


def docvqa(n: int) -> dict[str, Any]:
    return {
        **{
            "questionId": str(n),
            "question": f"What is the date {n}?",
            "question_types": ["handwritten"],
        },
        **{"image": picture(n // 2, "PNG"), "docId": n // 2, "ucsf_document_id": f"doc{n // 2}"},
        **{"ucsf_document_page_no": "1", "answers": ["1/8/93", "1 8 93"], "data_split": "train"},
    }


def tallyqa(n: int) -> dict[str, Any]:
    questions = [
        {
            "answer": str(k),
            "data_source": "amt",
            "is_simple": k == 0,
            "question": f"How many {k} in {n}?",
        }
        for k in range(2)
    ]
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
        **{
            "question_id": name,
            "image": picture(n),
            "question": "Please carefully observe the image.",
            "answer": captions,
        },
        **{
            "id": n,
            "license": 1,
            "file_name": name,
            "coco_url": "http://images.cocodataset.org/1",
            "height": 16,
        },
        **{"width": 24, "date_captured": "2013-11-14"},
    }


def mmmu(n: int) -> dict[str, Any]:
    pictures = {
        f"image_{k}": picture(10 * n + k, "PNG") if k <= 1 + n % 2 else None for k in range(1, 8)
    }
    kind = "open" if n % 8 == 7 else "multiple-choice"
    return {
        **{
            "id": f"validation_Art_{n}",
            "question": f"<image 1> Who {n}?",
            "options": "['it\\'s Dali', 'Klee', 'Miro']",
        },
        **{
            "explanation": "",
            **pictures,
            "img_type": "['Paintings']",
            "answer": "B",
            "topic_difficulty": "Easy",
        },
        **{"question_type": kind, "subfield": "Art"},
    }


# Of each dataset: a row by its number, its columns that hold other things than text, and the best answer to row 0.
FORMATS: dict[str, tuple[Callable[[int], dict[str, Any]], dict[str, Any], str]] = {
    "coco_2014_vqa": (
        vqav2,
        {
            "answers": List({"answer": TEXT, "answer_confidence": TEXT, "answer_id": NUMBER}),
            **{"image_id": NUMBER, "question_id": NUMBER},
        },
        "Yes.",
    ),
    "text_vqa": (
        textvqa,
        {
            **{
                "question_id": Value("int32"),
                "image_width": Value("int32"),
                "image_height": Value("int32"),
            },
            **dict.fromkeys(("question_tokens", "answers", "image_classes", "ocr_tokens"), TEXTS),
        },
        "Dakota",
    ),
    "okvqa": (okvqa, {"answers": TEXTS}, "Surf"),
    "science_qa_img": (scienceqa, {"choices": TEXTS, "answer": Value("int8")}, "A"),
    "st_qa": (stvqa, {"dictionary": TEXTS, "answer": TEXTS}, "stop"),
    "doc_qa": (docvqa, {"question_types": TEXTS, "docId": NUMBER, "answers": TEXTS}, "1/8/93"),
    "tally_qa": (
        tallyqa,
        {
            "qa": List(
                {"answer": TEXT, "data_source": TEXT, "is_simple": Value("bool"), "question": TEXT}
            )
        },
        "zero",
    ),
    "coco_caption": (
        coco,
        {
            "answer": TEXTS,
            "id": NUMBER,
            "license": Value("int8"),
            "height": Value("int32"),
            "width": Value("int32"),
        },
        "a red cat number 0 on a mat",
    ),
    "mmmu": (mmmu, {f"image_{k}": Image() for k in range(1, 8)}, "(B) Klee"),
}
READY = sorted(
    path.stem
    for path in (ROOT / "config/datasets").glob("*.yaml")
    if "kind: columns" in path.read_text()
)


def definition_on(folder: Path, name: str) -> dict[str, Any]:
    """The ready definition with its data in a folder: a dataset's repository as the hub has it, card and all."""
    definition: dict[str, Any] = yaml.safe_load((ROOT / f"config/datasets/{name}.yaml").read_text())
    row, columns, _ = FORMATS[name]
    patterns = []
    for number, split in enumerate(definition.splits):
        rows = [row(number * 2 * PICTURES + n) for n in range(2 * PICTURES)]
        types = {
            column: columns.get(column, Image() if column == "image" else TEXT)
            for column in rows[0]
        }
        (folder / "data").mkdir(exist_ok=True)
        Dataset.from_list(rows, Features(types)).to_parquet(
            folder / f"data/{split}-00000-of-00001.parquet"
        )
        patterns.append({"split": split, "path": f"data/{split}-*"})
    card = {
        "configs": [
            {"config_name": definition.source.get("name", "default"), "data_files": patterns}
        ]
    }
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n")
    definition.source = {
        key: value for key, value in definition.source.items() if key != "revision"
    }
    definition.source["path"] = str(folder)
    return definition


def test_every_ready_definition_is_tested() -> None:
    assert sorted(FORMATS) == READY


@pytest.mark.parametrize("name", READY)
def test_a_ready_definition_reads_its_dataset(name: str, tmp_path: Path) -> None:
    """Every sample is read and usable, roles share no picture, and the best answer gets the full score."""
    definition = definition_on(tmp_path, name)
    report, splits = Report(), definition.splits
    usable = list(report.usable(read_samples(definition.source, splits), definition.metric, 0.0))
    assert not report.bad
    drawn = draw_samples(usable, {"search": 8, "holdout": 8}, splits, 0)
    assert len({sample.sample_id for _, sample in drawn}) == 16
    pictures = {
        role: {image for other, sample in drawn if other == role for image in sample.images}
        for role, _ in drawn
    }
    assert all(len(sample.images) >= 1 for _, sample in drawn)
    assert not pictures["search"] & pictures["holdout"]
    targets = [Target(sample.references, sample.choices) for sample in usable]
    best = load_metric(definition.metric).prepare(targets)(FORMATS[name][2], targets[0])
    assert best >= 1.0
    assert {sample.split for sample in usable} == set(splits)


def first(name: str, folder: Path) -> Sample:
    definition = definition_on(folder, name)
    found = next(read_samples(definition.source, definition.splits))
    assert isinstance(found, Sample)
    return found


def test_what_the_mappings_give(tmp_path: Path) -> None:
    """Nested answers, indices of choices, a list as text, several pictures, a constant question, many samples a row."""
    samples = {}
    for name in READY:
        (tmp_path / name).mkdir()
        samples[name] = first(name, tmp_path / name)
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
