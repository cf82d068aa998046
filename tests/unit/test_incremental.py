"""After each change exactly what is new is evaluated: pairs are counted in the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from blocksieve.combination import Combination
from blocksieve.search import task as module
from blocksieve.search.evaluate import evaluate
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec

BEFORE = ("none", "0", "7")
SAMPLES = 4
Changes = Callable[[Task, pl.DataFrame, Path], tuple[Task, pl.DataFrame, Path]]


def defined(**changes: Any) -> Changes:
    return lambda task, samples, cache: (
        replace(task, definition=replace(task.definition, **changes)),
        samples,
        cache,
    )


def evaluated(**changes: Any) -> Changes:
    return lambda task, samples, cache: (
        replace(task, evaluation=replace(task.evaluation, **changes)),
        samples,
        cache,
    )


# What is changed, the combinations then, and how many pairs of those before and of all are new.
MATRIX: dict[str, tuple[Changes, tuple[str, ...], int]] = {
    "nothing": (lambda *all: all, BEFORE, 0),
    "a wider beam": (lambda *all: all, (*BEFORE, "3", "9"), 2 * SAMPLES),
    "a deeper search": (lambda *all: all, (*BEFORE, "0-7"), SAMPLES),
    "a narrower beam": (lambda *all: all, BEFORE[:2], 0),
    "fewer samples": (lambda task, samples, cache: (task, samples[:2], cache), BEFORE, 0),
    "another metric": (defined(metric="exact_match"), BEFORE, 0),
    "another task type": (defined(task_type="Exact Match"), BEFORE, 0),
    "another dataset's name": (
        lambda task, *rest: (replace(task, dataset="other"), *rest),
        BEFORE,
        0,
    ),
    "another batch size": (evaluated(batch_size=1), BEFORE, 0),
    "another engine": (evaluated(engine="reference"), BEFORE, 0),
    "another prompt": (defined(prompt="{question} Answer:"), BEFORE, 3 * SAMPLES),
    "longer answers": (defined(max_new_tokens=2), BEFORE, 3 * SAMPLES),
    "another dtype": (
        lambda task, *rest: (replace(task, model=replace(task.model, dtype="bfloat16")), *rest),
        BEFORE,
        3 * SAMPLES,
    ),
    "another checkpoint": (
        lambda task, *rest: (replace(task, model_fingerprint="other"), *rest),
        BEFORE,
        3 * SAMPLES,
    ),
    "another run": (
        lambda task, samples, cache: (task, samples, cache.parent / "renamed"),
        BEFORE,
        3 * SAMPLES,
    ),
}


@pytest.fixture(scope="module")
def before(demo_samples, demo_model_config, tmp_path_factory) -> tuple[Task, pl.DataFrame, Path]:
    """What was evaluated first, and its cache."""
    samples, definition = demo_samples("demo_vqa", SAMPLES)
    evaluation = EvaluationSpec("shared", 4, 3600)
    task = Task("demo_vqa", definition, demo_model_config, "fingerprint", evaluation)
    cache = tmp_path_factory.mktemp("incremental") / "cache"
    evaluate(task, samples, samples, [Combination.parse(text) for text in BEFORE], cache)
    return task, samples, cache


def pairs(folder: Path) -> pl.DataFrame:
    """A row a pair that was ever evaluated, with its context."""
    parts = sorted(folder.rglob("*.parquet"))
    columns = [
        pl.read_parquet(p).select("combination", "sample_id", context=pl.lit(p.parent.name))
        for p in parts
    ]
    return pl.concat(columns)


def newly(
    before: tuple[Task, pl.DataFrame, Path], change: Changes, combinations: tuple[str, ...]
) -> pl.DataFrame:
    """The pairs that a change has evaluated; none of them twice, none of those before again."""
    task, samples, cache = change(*before)
    old = pairs(before[2])
    evaluate(task, samples, samples, [Combination.parse(text) for text in combinations], cache)
    found = pairs(before[2])
    if cache != before[2]:  # a folder of its own, in which the same pairs may stand
        return pairs(cache)
    assert len(found) == found.n_unique()
    return found.join(old, on=found.columns, how="anti")


@pytest.mark.parametrize("name", MATRIX)
def test_a_change_evaluates_exactly_what_is_new(
    before: tuple[Task, pl.DataFrame, Path], name: str
) -> None:
    change, combinations, expected = MATRIX[name]
    found = newly(before, change, combinations)
    assert len(found) == expected
    assert set(found["combination"]) <= set(combinations)
    assert set(found["sample_id"]) <= set(before[1]["sample_id"])


def test_more_samples_evaluate_only_those(
    before: tuple[Task, pl.DataFrame, Path], demo_samples
) -> None:
    more, _ = demo_samples("demo_vqa", SAMPLES + 2)
    found = newly(before, lambda task, samples, cache: (task, more, cache), BEFORE)
    assert len(found) == 2 * len(BEFORE)
    assert set(found["sample_id"]) == set(more["sample_id"]) - set(before[1]["sample_id"])


def test_an_engine_that_answers_otherwise_evaluates_all(
    before: tuple[Task, pl.DataFrame, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PREDICTION_VERSION", -1)
    assert len(newly(before, lambda *all: all, BEFORE)) == 3 * SAMPLES
