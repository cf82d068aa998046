"""A value is what its file shows, whatever the file's format and the other rows hold."""

import datetime
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from blocksieve.datasets.prompts import LETTERS, render_prompt
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.datasets.sources import read_samples
from blocksieve.errors import ConfigError, DataError
from blocksieve.metrics import Target, load_metric

Row = dict[str, Any]


def read(folder: Path, rows: list[Row] | pa.Table | Dataset | str, **keys: Any) -> list[Any]:
    """Return what is read of rows in JSON Lines, of a table in Parquet, or of CSV text."""
    if isinstance(rows, str):
        name = "t.csv"
        (folder / name).write_text(rows)
    elif isinstance(rows, list):
        name = "t.jsonl"
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        name = "t.parquet"
        if isinstance(rows, Dataset):
            rows.to_parquet(folder / name)
        else:
            pyarrow.parquet.write_table(rows, folder / name)
    source: Any = {"kind": "columns", "path": str(folder), "files": {"train": name}}
    source |= {"question": "{q}", "references": "a"} | keys
    return list(read_samples(source, ["train"]))


def answers(samples: list[Any]) -> list[Any]:
    """Return each sample's references, or why it cannot be used."""
    return [
        sample.reason if isinstance(sample, Unusable) else sample.references for sample in samples
    ]


MIXED = ["red", 3, "3", 2.5, "007", "1.50", "null", "true", "[1]", "NaN", "1e5", "2020-01-01"]
SHOWN = ["red", "3", "3", "2.5", "007", "1.50", "null", "true", "[1]", "NaN", "1e5", "2020-01-01"]


@pytest.mark.parametrize("key", ["a", "q", "c", "w"])
def test_texts_and_numbers_in_one_column(tmp_path: Path, key: str) -> None:
    """In every place that a column may have: no quotes, and no text becomes a number."""
    rows = []
    for value in MIXED:
        row = {"q": "q?", "a": "x", "c": ["x", "y"], "w": "x"}
        row[key] = [value, "x"] if key == "c" else value
        rows.append(row)
    if key == "w":
        for value, shown in zip(MIXED, SHOWN, strict=True):
            kept = read(tmp_path, rows, where={"w": value}, question="{w}")
            assert {sample.question for sample in kept} == {shown}
        return
    samples = read(tmp_path, rows, **({"choices": "c"} if key == "c" else {}))
    assert all(isinstance(sample, Sample) for sample in samples)
    read_values = {
        "a": [sample.references[0] for sample in samples],
        "q": [sample.question for sample in samples],
        "c": [sample.choices[0] for sample in samples if sample.choices],
    }
    assert read_values[key] == SHOWN


def test_lists_texts_and_structs_in_one_column(tmp_path: Path) -> None:
    rows = [
        {"q": "1?", "a": ["stop", "STOP"], "e": [{"k": "x"}]},
        {"q": "2?", "a": "go", "e": {"k": "y"}},
        {"q": "3?", "a": 7, "e": [{"k": 1}, {"k": "z"}]},
        {"q": "4?", "a": {"text": "no"}, "e": None},
    ]
    samples = read(tmp_path, rows)
    assert answers(samples)[:3] == [("stop", "STOP"), ("go",), ("7",)]
    assert "column 'a' holds a struct" in samples[3].reason
    each = read(tmp_path, rows, each="e", references="k")
    assert answers(each) == [("x",), ("y",), ("1",), ("z",)]


def test_a_value_of_another_type_far_behind(tmp_path: Path) -> None:
    """Beyond what is read at once, and a column that the first rows lack."""
    rows: list[Row] = [{"q": f"{n} {'x' * 3000}", "a": n} for n in range(4000)]
    rows[3].pop("a")
    rows += [{"q": "last", "a": "red", "late": 1}]
    samples = read(tmp_path, rows)
    assert samples[2].references == ("2",)
    assert samples[3].reason == "no answer"
    assert samples[-1].references == ("red",)


def test_labels_dates_and_short_floats(tmp_path: Path) -> None:
    features = Features(
        {
            "q": Value("string"),
            "a": ClassLabel(names=["cat", "dog"]),
            "several": List(ClassLabel(names=["red", "blue"])),
            "f": Value("float32"),
            "h": Value("float16"),
        }
    )
    rows = [
        {"q": "1?", "a": 1, "several": [0, 1], "f": 0.1, "h": 0.1},
        {"q": "2?", "a": -1, "several": [1], "f": 3.0, "h": None},
    ]
    table = Dataset.from_list(rows, features)
    assert answers(read(tmp_path, table)) == [("dog",), "no answer"]
    assert answers(read(tmp_path, table, references="several")) == [("red", "blue"), ("blue",)]
    assert answers(read(tmp_path, table, references="f")) == [("0.1",), ("3",)]
    assert answers(read(tmp_path, table, references="h")) == [("0.1",), "no answer"]
    assert len(read(tmp_path, table, where={"a": "dog"})) == 1
    assert len(read(tmp_path, table, where={"f": 0.1})) == 1
    days = {"q": ["1?"], "a": [datetime.date(2020, 1, 2)], "d": [Decimal("1.50")]}
    assert answers(read(tmp_path, pa.table(days))) == [("2020-01-02",)]
    assert answers(read(tmp_path, pa.table(days), references="d")) == [("1.50",)]


@pytest.mark.parametrize("day", ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01 12:30:00"])
def test_dates_in_json_are_their_text(tmp_path: Path, day: str) -> None:
    rows = [{"q": f"{n}?", "a": day, "c": [day, "never"]} for n in range(2)]
    assert answers(read(tmp_path, rows)) == [(day,), (day,)]
    assert read(tmp_path, rows, choices="c")[0].choices == (day, "never")


def test_a_list_of_objects_and_csv(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[\n{"q": "1?", "a": "2020-01-01"},\n{"q": "2?", "a": 3}]')
    source: Any = {"kind": "columns", "path": str(tmp_path), "question": "{q}", "references": "a"}
    assert answers(list(read_samples(source, ["train"]))) == [("2020-01-01",), ("3",)]
    (tmp_path / "t.json").unlink()
    text = "q,a\nwho?,007\nwhat?,NA\nwhen?,2020-01-01\nhow?,1.50\nnone?,\n"
    expected = [("007",), ("NA",), ("2020-01-01",), ("1.50",), "no answer"]
    assert answers(read(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("q,a,a\nwho?,x,y\n", "two columns are named 'a'"),
        ("q,a\nwho?,x\nwhat is it, a cat?,cat\n", "line 3 has 3 cells, the header 2"),
        ('q,a\n"who?,x\nwhat?,y\n', "line 3: unexpected end of data"),
        ('q,a\n"who" is it?,x\n', "line 2: ',' expected after '\"'"),
    ],
)
def test_csv_that_would_be_read_as_something_else_is_refused(
    tmp_path: Path, text: str, fault: str
) -> None:
    with pytest.raises(DataError, match=re.escape(fault)) as error:
        read(tmp_path, text)
    assert f"source columns: split 'train': {tmp_path}/t.csv: " in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "q,a,\nwho?,x,\n",  # a separator after the last cell
        "q,a,,\nwho?,x,,\n",
        "q,a\nwho?,x,\n",
        "\n\nq,a\n\nwho?,x\n",
        '"q","a"\n"who?","x"\n',
        "q,a\r\nwho?,x\r\n",
    ],
)
def test_csv_as_programs_write_it(tmp_path: Path, text: str) -> None:
    (sample,) = read(tmp_path, text)
    assert (sample.question, sample.references) == ("who?", ("x",))


def test_a_line_end_in_quotes_ends_no_row(tmp_path: Path) -> None:
    (sample,) = read(tmp_path, 'q,a\n"who,\nor ""what""?",x\n')
    assert sample.question == 'who,\nor "what"?'


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes("q,a\nwhere is Köln?,x\n".encode(encoding))
    source: Any = {"kind": "columns", "path": str(tmp_path), "files": {"train": "t.csv"}}
    source |= {"question": "{q}", "references": "a"}
    with pytest.raises(DataError, match=r"t\.csv: not UTF-8 text \(.*\); save it as that"):
        list(read_samples(source, ["train"]))


@pytest.mark.parametrize("key", ["q", "a", "c", "k"])
def test_half_a_character_makes_a_sample_unusable(tmp_path: Path, key: str) -> None:
    row: Row = {"q": "who?", "a": "x", "c": ["x", "y"], "k": "1"}
    half = "a\ud83d"
    broken = row | {key: ["x", half] if key == "c" else half}
    unusable, sample = read(tmp_path, [broken, row], choices="c", cluster="k")
    assert unusable.reason == f"column {key!r} holds half a character, '\\ud83d', at place 1"
    assert sample.question == "who?"


@pytest.mark.parametrize("line", ['{"q": "who?", "a": "x", "a": "y"}', '{"q": {"b": 1, "b": 2}}'])
@pytest.mark.parametrize("form", ["t.jsonl", "t.json"])
def test_two_values_of_one_name_are_refused(tmp_path: Path, line: str, form: str) -> None:
    (tmp_path / form).write_text(f"[{line}]" if form == "t.json" else line)
    source: Any = {"kind": "columns", "path": str(tmp_path), "files": {"train": form}}
    source |= {"question": "{q}", "references": "a"}
    with pytest.raises(DataError, match=f"{form}: .*an object has two values for"):
        list(read_samples(source, ["train"]))


@pytest.mark.parametrize(
    ("cell", "kind"), [({"k": "x"}, "a struct"), (["x", "y"], "a list"), (b"x", "bytes")]
)
@pytest.mark.parametrize("key", ["q", "c", "a"])
def test_what_has_no_text_is_refused_with_the_columns_name(
    tmp_path: Path, key: str, cell: Any, kind: str
) -> None:
    row = {"q": "q?", "a": "x", "c": ["x", "y"]}
    if (key, kind) == ("c", "a struct"):
        cell = {"A": {"k": "x"}, "B": {"k": "y"}}
    elif key == "c":
        cell = [cell, cell]
    elif (key, kind) == ("a", "a list"):
        cell = [cell]  # a list of texts is several answers
    (unusable,) = read(tmp_path, pa.Table.from_pylist([row | {key: cell}]), choices="c")
    assert f"column {key!r} holds {kind}" in unusable.reason


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
@pytest.mark.parametrize("form", ["columns", "list", "struct"])
def test_letters_never_move_for_an_empty_choice(tmp_path: Path, empty: Any, form: str) -> None:
    cells = {"A": "Six", "B": empty, "C": "One", "D": "Ten", "E": empty}
    rows: list[Row] = [
        {"q": "q?", "a": "C", **cells, "list": list(cells.values()), "struct": cells},
        {"q": "r?", "a": 3, **cells, "list": list(cells.values()), "struct": cells},
        {"q": "s?", "a": "B", **cells, "list": list(cells.values()), "struct": cells},
        {"q": "t?", "a": 1, **cells, "list": list(cells.values()), "struct": cells},
    ]
    samples = read(tmp_path, rows, choices=list(cells) if form == "columns" else form)
    assert samples[0].choices == ("Six", "", "One", "Ten")
    assert answers(samples)[:2] == [("C",), ("D",)]
    assert "means an empty choice" in samples[2].reason
    assert "is the index of an empty choice" in samples[3].reason
    prompt = render_prompt("{question}\n{choices}", "q?", samples[0].choices)
    assert prompt == "q?\nA. Six\nC. One\nD. Ten"


def test_a_struct_of_letters_is_read_by_its_letters(tmp_path: Path) -> None:
    rows = [{"q": "q?", "a": "C", "c": {"C": "three", "A": "one"}}]
    assert read(tmp_path, rows, choices="c")[0].choices == ("one", "", "three")


@pytest.mark.parametrize(("cell", "number"), [(["x", "", None], 1), ({}, 0), ([], 0), (None, 0)])
def test_choices_that_are_too_few_without_the_empty_ones(
    tmp_path: Path, cell: Any, number: int
) -> None:
    (unusable,) = read(tmp_path, [{"q": "q?", "a": "A", "c": cell}], choices="c")
    assert unusable.reason == f"{number} choices; 2 to 26 are possible"


COLOURS = ["red", "blue", "green"]
NUMBERS = ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("choices", "answer", "expected"),
    [
        (COLOURS, 1, "B"),
        (COLOURS, 1.0, "B"),
        (COLOURS, "1", "B"),
        (COLOURS, "1.0", "B"),
        (COLOURS, "blue", "blue"),
        (COLOURS, "B", "B"),
        (COLOURS, 3, "not the index"),
        (COLOURS, -1, "not the index"),
        (COLOURS, 1.5, "not the index"),
        (COLOURS, "3", "not the index"),
        (NUMBERS, 2, "C"),
        (NUMBERS, 2.0, "C"),
        (NUMBERS, "2", "may mean B (2) or C (3)"),
        (NUMBERS, "4", "4"),
        ([2, 3, 4, 5], 3, "may mean B (3) or D (5)"),
        ([7, 8, 9], 8, "8"),
        (["D", "B", "A", "C"], 2, "C. A"),
        (["d", "b", "a", "c"], "2", "C. a"),
        (["D", "B", "A", "C"], 1, "B"),
        (["D", "B", "A", "C"], "C", "may mean C (A) or D (C)"),
        (["D", "B", "A", "C"], "B", "B"),
        (["d", "b", "a", "c"], "c", "may mean C (a) or D (c)"),
        (["A", "B", "C"], "B", "B"),
        (["red", "red"], "red", "may mean A (red) or B (red)"),
        (["yes", "no"], True, "True"),
    ],
)
def test_answers_mean_one_choice_or_are_refused(
    tmp_path: Path, choices: list[Any], answer: Any, expected: str
) -> None:
    (sample,) = read(tmp_path, [{"q": "q?", "a": answer, "c": choices}], choices="c")
    if isinstance(sample, Unusable):
        assert expected in sample.reason
    else:
        assert sample.references == (expected,)


def test_an_index_in_a_column_with_an_empty_cell(tmp_path: Path) -> None:
    table = pa.table({"q": ["1?", "2?"], "c": [NUMBERS] * 2, "a": pa.array([2.0, None])})
    assert answers(read(tmp_path, table, choices="c")) == [("C",), "no answer"]


def test_letters_and_numbers_as_text_in_one_column_are_refused(tmp_path: Path) -> None:
    """Such as ARC's labels, where "1" is the first choice."""
    rows = [{"q": "1?", "a": "B", "c": COLOURS}, {"q": "2?", "a": "1", "c": COLOURS}]
    for order in (rows, rows[::-1]):
        with pytest.raises(ConfigError, match=r"column 'a' holds .*'B'.*nobody can tell") as raised:
            read(tmp_path, order, choices="c")
        assert "\n" not in str(raised.value)


def test_a_filter_that_fits_no_row_says_so(tmp_path: Path) -> None:
    rows = [{"q": "1?", "a": "x", "k": "no"}]
    with pytest.raises(ConfigError, match="none of the 1 rows of split 'train'"):
        read(tmp_path, rows, where={"k": "yes"})


@pytest.mark.parametrize("index", range(4))
def test_the_metric_reads_an_index_of_choices_that_are_letters(tmp_path: Path, index: int) -> None:
    choices = ["D", "B", "A", "C"]
    (sample,) = read(tmp_path, [{"q": "q?", "a": index, "c": choices}], choices="c")
    target = Target(sample.references, sample.choices)
    scorer = load_metric("multiple_choice").prepare([target])
    right = f"{LETTERS[index]}. {choices[index]}"
    assert scorer(right, target) == 1
    wrong = (index + 1) % 4
    assert scorer(f"{LETTERS[wrong]}. {choices[wrong]}", target) == 0
