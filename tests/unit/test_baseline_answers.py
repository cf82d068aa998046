"""The page of the whole model's answers, and baselines from which no drop can be measured."""

from pathlib import Path

import polars as pl
import pytest

from blocksieve.baseline_answers import (
    baseline_rows,
    first_answers,
    page,
    refuse_weak_baselines,
    weakness,
)
from blocksieve.datasets.table import SCHEMA
from blocksieve.errors import DataError


def rows_of(scores: list[float | None], choices: list[str]) -> pl.DataFrame:
    count = len(scores)
    columns = {
        "sample_id": [str(number) for number in range(count)],
        "prediction": [f"answer {number}" for number in range(count)],
        "score": scores,
        "question": [f"Question {number}?" for number in range(count)],
        "choices": [choices] * count,
        "references": [["yes", "*yes*"]] * count,
        "images": [[b""]] * count,
    }
    types = {"score": pl.Float32, "choices": pl.List(pl.String)}
    return pl.DataFrame(columns, schema_overrides=types)


def test_the_page_shows_prompt_answer_references_and_score_of_five_samples() -> None:
    rows = rows_of([1.0, 0.5, 0.0, None, 1.0, 1.0, 1.0], ["red", "", "blue"])
    answers = first_answers(rows, "{question}\n{choices}")
    assert [answer.sample_id for answer in answers] == ["0", "1", "2", "3", "4"]
    text = page("mine", rows, answers)
    assert "Mean score 0.6429 of 7 search samples. The first 5:" in text
    assert text.count("## Sample") == 5
    assert "    Question 1?\n    A. red\n    C. blue\n" in text
    assert "Answer:\n\n    answer 1\n" in text
    assert "References:\n\n    yes\n    *yes*\n" in text
    assert "Score: 0.5\n" in text
    assert "Score: none\n" in text


def test_only_the_baselines_rows_are_read(tmp_path: Path) -> None:
    shard = {
        "dataset": ["mine", "mine", "mine", "yours"],
        "combination": ["none", "0", "none", "none"],
        "sample_id": ["b", "b", "a", "a"],
        "prediction": ["x", "y", "z", "w"],
        "score": [1.0, 0.0, 0.5, 0.0],
    }
    pl.DataFrame(shard).write_parquet(tmp_path / "shard.parquet")
    values = {"a": "A?", "b": "B?"}
    table = [
        {
            "sample_id": name,
            "question": question,
            "choices": [],
            "references": [],
            "images": [],
            "cluster": "",
            "split": "",
            "role": "search",
        }
        for name, question in values.items()
    ]
    pl.DataFrame(table, schema=SCHEMA).write_parquet(tmp_path / "samples.parquet")
    rows = baseline_rows("mine", [tmp_path / "shard.parquet"], tmp_path / "samples.parquet")
    assert rows["question"].to_list() == ["B?", "A?"]
    assert rows["score"].to_list() == [1.0, 0.5]


CHOICES = ["a", "b", "c", "", " ", "d"]


@pytest.mark.parametrize(
    ("scores", "metric", "message"),
    [
        ([0.0] * 9, "vqa", "every baseline score is 0"),
        ([0.0] * 8 + [None], "cider", "every baseline score is 0"),
        ([0.0] * 99 + [0.01], "vqa", None),
        ([1.0] * 25 + [0.0] * 75, "multiple_choice", "the baseline score 0.25 is what guessing"),
        ([1.0] * 20 + [0.0] * 80, "multiple_choice", "the baseline score 0.2 is what guessing"),
        ([1.0] * 28 + [0.0] * 72, "multiple_choice", "gives (0.25 +- 0.043)"),
        ([1.0] * 30 + [0.0] * 70, "multiple_choice", None),
        ([1.0] * 25 + [0.0] * 75, "exact_match", None),
    ],
)
def test_a_baseline_of_zero_or_of_guessing_stops_the_dataset_in_one_line(
    scores: list[float | None], metric: str, message: str | None
) -> None:
    rows = rows_of(scores, CHOICES)
    if message is None:
        assert weakness(rows, metric) is None
        refuse_weak_baselines({"mine": None}, Path("answers"))
        return
    with pytest.raises(DataError) as raised:
        refuse_weak_baselines({"good": None, "mine": weakness(rows, metric)}, Path("answers"))
    told = str(raised.value)
    assert told.startswith("dataset mine: ")
    assert message in told
    assert "look at the answers in answers" in told
    assert "search.weak_baseline to go_on" in told
    assert "\n" not in told


@pytest.mark.parametrize(("right", "is_weak"), [(25, True), (28, True), (30, False)])
def test_guessing_is_0_where_scores_are_above_chance(right: int, is_weak: bool) -> None:
    scores: list[float | None] = [1.0] * right + [-1 / 3] * (100 - right)
    reason = weakness(rows_of(scores, CHOICES), "multiple_choice", above_chance=True)
    assert (reason is not None) == is_weak
