"""Local files whose columns are mapped in YAML, and samples that cannot be used."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from datasets import Dataset
from PIL import Image

from blocksieve.datasets.quality import ReadReport
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.datasets.sources import read_samples
from blocksieve.errors import BlocksieveError, ConfigError, DataError

Source = dict[str, Any]


def png(number: int = 0) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 8), (number, 0, 0)).save(data, "PNG")
    return data.getvalue()


def jpeg() -> bytes:
    data = io.BytesIO()
    Image.radial_gradient("L").save(data, "JPEG")
    return data.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A file of a few bytes that claims many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


def write_lines(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(source: Source, *splits: str) -> list[Sample | Unusable]:
    return list(read_samples({"kind": "columns", **source}, list(splits or ("train",))))


def read_all(source: Source, *splits: str) -> list[Sample]:
    samples = read(source, *splits)
    assert all(isinstance(sample, Sample) for sample in samples), samples
    return [sample for sample in samples if isinstance(sample, Sample)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two splits of JSON lines and their pictures."""
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        (tmp_path / f"pictures/{number}.png").write_bytes(png(number))
    rows = [
        {"q": f"what {n}?", "file": f"{n}.png", "more": ["0.png", "2.png"], "a": n, "right": 1}
        for n in range(3)
    ]
    write_lines(tmp_path, "one.jsonl", [row | {"A": "red", "B": "blue", "C": None} for row in rows])
    write_lines(
        tmp_path, "two.jsonl", [row | {"q": "else?", "A": "x", "B": "y", "C": "z"} for row in rows]
    )
    return tmp_path


def json_lines(folder: Path, **keys: Any) -> Source:
    files = {"train": "one.jsonl", "validation": ["two.jsonl"]}
    source = {"path": str(folder), "files": files, "question": "{q}", "references": "a"}
    return source | {"image_folder": str(folder / "pictures"), "images": "file"} | keys


def test_json_lines_with_a_folder_of_pictures(folder: Path) -> None:
    """Splits together or apart, paths of pictures, numbers as answers, clusters of both kinds."""
    both = read_all(json_lines(folder), "train", "validation")
    assert [sample.split for sample in both] == ["train"] * 3 + ["validation"] * 3
    assert both[:3] == read_all(json_lines(folder), "train")
    assert [sample.references for sample in both[:3]] == [("0",), ("1",), ("2",)]
    assert both[1].images == (png(1),)
    assert both[1].cluster == both[4].cluster != both[0].cluster
    assert both[1].row == "1"
    named = read_all(json_lines(folder, cluster="a"), "train")
    assert [sample.cluster for sample in named] == ["0", "1", "2"]


def test_several_columns_of_pictures_and_of_choices(folder: Path) -> None:
    """Columns may be listed; an index is the letter of a choice; null is no value."""
    source = json_lines(
        folder, images=["file", "more"], choices=["A", "B", "C"], references="right"
    )
    first, *_, last = read_all(source, "train", "validation")
    assert first.images == (png(0), png(0), png(2))
    assert first.choices == ("red", "blue")
    assert last.choices == ("x", "y", "z")
    assert first.references == ("B",)


def test_text_only_with_a_template_and_a_filter(folder: Path) -> None:
    """Without `images` there are none; the template has two columns; `where` leaves rows out."""
    source = json_lines(folder, question="Given {a}:\n{q}", where={"a": 2})
    (only,) = read_all({key: value for key, value in source.items() if key != "images"})
    assert only.question == "Given 2:\nwhat 2?"
    assert not only.images
    assert only.row == "2"


@pytest.mark.parametrize("form", ["parquet", "parquet of the library", "arrow", "json"])
def test_every_format_gives_the_same_samples(form: str, tmp_path: Path) -> None:
    """Structs of bytes and lists of structs, with or without the library's own metadata."""
    rows = [
        {
            "id": n,
            "image": {"bytes": png(n), "path": None},
            "q": f"{n}?",
            "answers": [{"answer": "a"}, {"answer": "b"}],
        }
        for n in range(4)
    ]
    (tmp_path / "0.png").write_bytes(png(0))
    if form == "parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    elif form == "parquet of the library":
        Dataset.from_list(rows).to_parquet(tmp_path / "x.parquet")
    elif form == "arrow":
        with pa.ipc.new_stream(
            str(tmp_path / "x.arrow"), pa.Table.from_pylist(rows).schema
        ) as stream:
            stream.write_table(pa.Table.from_pylist(rows))
    else:
        for n in range(4):
            (tmp_path / f"{n}.png").write_bytes(png(n))
        write_lines(
            tmp_path,
            "x.json",
            [row | {"image": {"bytes": None, "path": f"{row['id']}.png"}} for row in rows],
        )
    source = {
        "path": str(tmp_path),
        "files": {"train": "x.*"},
        "question": "{q}",
        "images": "image",
    }
    samples = read_all(source | {"references": "answers.answer", "cluster": "id"})
    assert [sample.question for sample in samples] == ["0?", "1?", "2?", "3?"]
    assert samples[3].references == ("a", "b")
    assert [sample.images for sample in samples] == [(png(n),) for n in range(4)]


def test_the_librarys_cache_may_be_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`streaming: false` gives the same samples."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    assert read_all(json_lines(folder, streaming=False)) == read_all(json_lines(folder))


BROKEN = [
    (png()[:-30], "q?", "a", "broken picture: "),
    (jpeg()[:900], "q?", "a", "broken picture: image file is truncated"),
    (b"", "q?", "a", "not a picture of a format that Pillow reads"),
    (
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "q?",
        "a",
        "not a picture of a format that Pillow reads",
    ),
    (huge_png(10_000, 10_000), "q?", "a", "exceeds limit of 89478485 pixels"),
    (huge_png(60_000, 60_000), "q?", "a", "exceeds limit of"),
    (None, "q?", "a", "no picture"),
    (png(), " ", "a", "no question"),
    (png(), None, "a", "no question"),
    (png(), "q?", None, "no answer"),
    (png(), "q?", "", "no answer"),
]


def test_every_unusable_sample_is_counted_and_named(tmp_path: Path) -> None:
    """Its split, row and reason; above the limit the reading fails in one line."""
    good = [{"image": {"bytes": png(n), "path": "x.png"}, "q": f"{n}?", "a": "a"} for n in range(9)]
    bad = [
        {"image": data if data is None else {"bytes": data}, "q": q, "a": a}
        for data, q, a, _ in BROKEN
    ]
    pyarrow.parquet.write_table(pa.Table.from_pylist(good + bad), tmp_path / "x.parquet")
    source = {
        "kind": "columns",
        "path": str(tmp_path),
        "question": "{q}",
        "images": "image",
        "references": "a",
    }
    report = ReadReport()
    usable = list(report.usable(read_samples(source, ["train"]), "exact_match", 1.0))
    assert len(usable) == len(good)
    content = report.content(drawn=4)
    assert (content["read"], content["drawn"], content["bad"]) == (20, 4, 11)
    for number, (entry, (_, _, _, reason)) in enumerate(
        zip(content["bad_samples"], BROKEN, strict=True)
    ):
        assert (entry["split"], entry["row"]) == ("train", str(len(good) + number))
        assert reason in entry["reason"]
        assert "0x" not in entry["reason"]  # no address: the report of two readings is the same
    with pytest.raises(DataError) as raised:
        list(ReadReport().usable(read_samples(source, ["train"]), "exact_match", 0.5))
    assert str(raised.value).startswith(
        "11 of 20 samples (55.0%) cannot be used, more than samples.max_bad_samples (50.0%)"
    )
    assert "train row 9: broken picture" in str(raised.value)
    assert "and 8 more" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_target_that_the_metric_refuses_is_unusable(folder: Path) -> None:
    """An answer that is no choice, or a single one where the metric compares several."""
    source = {"kind": "columns", **json_lines(folder, choices=["A", "B"], references="q")}
    report = ReadReport()
    assert not list(report.usable(read_samples(source, ["train"]), "multiple_choice", 1.0))
    assert "does not name one of the choices" in report.bad[0].reason
    report = ReadReport()
    assert not list(report.usable(read_samples(source, ["train"]), "vqa", 1.0))
    assert "several references" in report.bad[0].reason


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../one.jsonl", "lies outside of"),
        ("/etc/passwd", "lies outside of"),
        ("gone.png", "no file 'gone.png' in"),
        ("", "no file '' in"),
    ],
)
def test_a_path_that_is_no_picture_of_the_folder(folder: Path, path: str, reason: str) -> None:
    write_lines(folder, "one.jsonl", [{"q": "?", "file": path, "a": "a"}])
    (unusable,) = read(json_lines(folder))
    assert isinstance(unusable, Unusable)
    assert reason in unusable.reason


@pytest.mark.parametrize(
    ("index", "choices", "reason"),
    [
        (5, ["red", "blue"], "answer 5 is not the index of one of 2 choices"),
        (0, ["red"], "1 choices; 2 to 26 are possible"),
        (0, "['red', 'blue'", "choices that are no list"),
        (0, "__import__('os').getcwd()", "choices that are no list"),
        (0, [str(n) for n in range(27)], "27 choices; 2 to 26 are possible"),
    ],
)
def test_choices_that_cannot_be(folder: Path, index: int, choices: Any, reason: str) -> None:
    write_lines(folder, "one.jsonl", [{"q": "?", "file": "0.png", "a": index, "options": choices}])
    (unusable,) = read(json_lines(folder, choices="options"))
    assert isinstance(unusable, Unusable)
    assert reason in unusable.reason


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"question": "{qq}"},
            ConfigError,
            "no column 'qq'; there are q, file, more, a, right, A, B, C",
        ),
        ({"references": "answers.answer"}, ConfigError, "no column 'answers.answer'"),
        ({"where": {"kind": "x"}}, ConfigError, "no column 'kind'"),
        ({"each": "qa"}, ConfigError, "no column 'qa'"),
        ({"each": "more"}, ConfigError, "column 'more' holds no structs"),
        (
            {"files": {"validation": "two.jsonl"}},
            ConfigError,
            "no files for split 'train'; there are some for validation",
        ),
        ({"files": {"train": "gone.jsonl"}}, DataError, "cannot read split 'train'"),
        ({"path": "/nowhere/at/all"}, DataError, "cannot read split 'train' of '/nowhere/at/all'"),
        ({"name": "other"}, DataError, "cannot read split 'train'"),
    ],
)
def test_what_cannot_be_read_at_all_says_so_in_one_line(
    folder: Path, change: Source, error: type[BlocksieveError], message: str
) -> None:
    with pytest.raises(error) as raised:
        read(json_lines(folder) | change)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", ["http://example.org/1.png", "s3://bucket/1.png"])
def test_urls_are_refused(folder: Path, file: str) -> None:
    """Pictures are not fetched one by one; the line says what to do."""
    write_lines(folder, "one.jsonl", [{"q": "?", "file": file, "a": "a"}])
    with pytest.raises(
        ConfigError, match=r"the pictures are URLs .* download them and name their folder"
    ):
        read(json_lines(folder))


def test_a_table_in_a_folder_of_pictures_is_read_as_text_only(tmp_path: Path) -> None:
    """The library would make numbers of 007 and 1.50; the advice of the error reads them."""
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "0.png").write_bytes(png(0))
    (folder / "metadata.csv").write_text("file_name,q,a\n0.png,what?,007\n")
    keys = {"question": "{q}", "references": "a"}
    with pytest.raises(ConfigError, match=r"007 becomes 7; .* images: file_name"):
        read({"path": str(tmp_path), "images": "image", **keys})
    advised = {"path": str(folder), "files": {"train": "metadata.csv"}, "images": "file_name"}
    (sample,) = read_all(advised | keys)
    assert (sample.references, sample.images) == (("007",), (png(0),))


def test_a_part_of_a_split_of_pictures_is_read(tmp_path: Path) -> None:
    """The library reads such a part where it does not stream."""
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "0.png").write_bytes(png(0))
    source = {"path": str(tmp_path), "streaming": False, "images": "image", "references": "label"}
    samples = read_all(source | {"question": "what?"}, "train[:1]")
    assert [sample.references for sample in samples] == [("cat",)]


def test_json_may_be_one_object_over_several_lines(tmp_path: Path) -> None:
    content = {"data": [{"q": "one?", "a": "1"}, {"q": "two?", "a": "2"}]}
    (tmp_path / "all.json").write_text(json.dumps(content, indent=2))
    source = {"path": str(tmp_path), "files": {"train": "all.json"}, "each": "data"}
    samples = read_all(source | {"question": "{q}", "references": "a"})
    assert [sample.references for sample in samples] == [("1",), ("2",)]


def test_lists_of_structs_that_do_not_fit_are_named_by_their_row(tmp_path: Path) -> None:
    rows = [{"qa": {"q": ["a?", "b?"], "a": ["1"]}}, {"qa": {"q": ["c?"], "a": ["3"]}}]
    write_lines(tmp_path, "one.jsonl", rows)
    source = {"path": str(tmp_path), "files": {"train": "one.jsonl"}, "each": "qa"}
    bad, good = read(source | {"question": "{q}", "references": "a"})
    assert isinstance(bad, Unusable)
    assert (bad.row, bad.reason) == ("0", "column 'qa' holds lists of different lengths")
    assert isinstance(good, Sample)
    assert good.references == ("3",)


def answered(tmp_path: Path, cells: dict[str, Any], **keys: str) -> Sample | Unusable:
    """Return the one sample of a row."""
    write_lines(tmp_path, "one.jsonl", [cells])
    source = {"path": str(tmp_path), "files": {"train": "one.jsonl"}}
    (sample,) = read(source | {"question": "{q}", "references": "a"} | keys)
    return sample


@pytest.mark.parametrize(
    ("answer", "references"),
    [
        ('["12 mm", "12mm"]', ("12 mm", "12mm")),
        ("['a cat', 'cat']", ("a cat", "cat")),
        ("[1, 2]", ("[1, 2]",)),
        ("[sic]", ("[sic]",)),
    ],
)
def test_the_text_of_a_list_of_texts_is_that_list(
    tmp_path: Path, answer: str, references: tuple[str, ...]
) -> None:
    sample = answered(tmp_path, {"q": "?", "a": answer})
    assert isinstance(sample, Sample)
    assert sample.references == references


@pytest.mark.parametrize(
    ("choices", "answer", "meant"),
    [
        ({"1": "u", "2": "v", "3": "w"}, "1", "u"),
        ({"1": "u", "2": "v", "3": "w"}, 1, "u"),
        ({"c": "u", "b": "v", "a": "w"}, "a", "w"),
        ({"(B)": "u", "(A)": "v"}, "B", "u"),
        ({"b": "u", "a": "v", "c": "w"}, "(b)", "u"),
        ({"x1": "u", "x2": "v"}, "X2", "v"),
    ],
)
def test_an_answer_that_is_a_choices_key_means_that_choice(
    tmp_path: Path, choices: dict[str, str], answer: str | int, meant: str
) -> None:
    sample = answered(tmp_path, {"q": "?", "c": choices, "a": answer}, choices="c")
    assert isinstance(sample, Sample)
    (letter,) = sample.references
    assert sample.choices["ABC".index(letter)] == meant


@pytest.mark.parametrize(
    ("choices", "answer"),
    [
        (["1", "2", "3"], "1.0"),
        (["1.0", "2.0", "3.0"], "1"),
        (["01", "02"], "1"),
        ({"1": "2", "2": "1"}, "1"),
    ],
)
def test_a_number_that_may_be_an_index_or_a_choice_is_refused(
    tmp_path: Path, choices: Any, answer: str
) -> None:
    sample = answered(tmp_path, {"q": "?", "c": choices, "a": answer}, choices="c")
    assert isinstance(sample, Unusable)
    assert "may mean" in sample.reason or "the text of another" in sample.reason


def test_rows_with_an_empty_cluster_are_clusters_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("q,a,doc\nx?,1,\ny?,2,\nz?,3,d1\n")
    source = {"path": str(tmp_path), "files": {"train": "one.csv"}, "cluster": "doc"}
    samples = read_all(source | {"question": "{q}", "references": "a"})
    clusters = [sample.cluster for sample in samples]
    assert len(set(clusters)) == 3
    assert clusters[2] == "d1"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("form", ["parquet", "json"])
def test_a_split_without_files_is_named(tmp_path: Path, form: str, streaming: bool) -> None:
    rows = Dataset.from_list([{"q": "?", "a": "a"}])
    getattr(rows, f"to_{form}")(tmp_path / f"validation.{form}")
    source = {"path": str(tmp_path), "streaming": streaming, "question": "{q}", "references": "a"}
    with pytest.raises(ConfigError, match="no split 'train', only validation"):
        read(source)
    assert len(read(source, "validation")) == 1


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DataError, match="cannot read split 'train'"):
        read({"path": str(tmp_path), "question": "{q}", "references": "a"})
