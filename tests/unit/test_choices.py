"""Choices: what is removed is what was planted as cheapest on the datasets concerned."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from planted import SETTINGS, planted_evaluations, planted_evidence

from blocksieve.choices import Scope
from blocksieve.combination import Combination
from blocksieve.evidence import read_evidence
from blocksieve.search.finalists import choices_of, choose, finalists

parse = Combination.parse
DROPS = {
    "a": {(0,): 0.4, (1,): 0.1, (2,): 0.0, (0, 1): 0.5, (0, 2): 0.4, (1, 2): 0.2},
    "b": {(0,): 0.2, (1,): 0.0, (2,): 0.1, (0, 1): 0.05, (0, 2): 0.3, (1, 2): 0.2},
    "c": {(0,): 0.0, (1,): 0.3, (2,): 0.4, (0, 1): 0.3, (0, 2): 0.1, (1, 2): 0.7},
}
TYPES = {"a": "Document QA", "b": "Document QA", "c": "VQA"}
EVALUATIONS = planted_evaluations(DROPS, dict.fromkeys(DROPS, 1.0)).with_columns(
    task_type=pl.col("dataset").replace_strict(TYPES)
)


def chosen(evidence, method):
    choices = [choice for choice in choose(evidence) if choice.method == method]
    return {(each.scope, each.name, each.size): str(each.combination) for each in choices}


def test_each_scope_takes_the_least_of_its_own_datasets():
    best = chosen(planted_evidence(EVALUATIONS), "beam")
    assert {name: best["dataset", name, 2] for name in "abc"} == {
        "a": "1-2",
        "b": "0-1",
        "c": "0-2",
    }
    assert best["task_type", "Document QA", 2] == "1-2"
    assert best["generic", "generic", 2] == "0-2"
    assert best["left_out_of_choice", "c", 2] == best["task_type", "Document QA", 2]
    assert best["same_type", "a", 2] == best["dataset", "b", 2]
    assert ("same_type", "c", 2) not in best
    assert {scope for scope, _, _ in best} == set(Scope)


def test_scores_take_the_least_important_blocks_whatever_they_cost_together():
    scores = chosen(planted_evidence(EVALUATIONS), "scores")
    assert scores["dataset", "b", 1] == "1"
    assert scores["dataset", "b", 2] == "1-2"
    assert scores["task_type", "Document QA", 2] == "1-2"
    assert scores["generic", "generic", 1] == "1"


def test_a_beam_that_was_kept_comes_before_what_looks_better_afterwards():
    evidence = planted_evidence(
        EVALUATIONS, beams={"a": {2: [parse("0-2"), parse("0-1")]}, "generic": {2: [parse("0-1")]}}
    )
    best = chosen(evidence, "beam")
    assert (best["dataset", "a", 2], best["generic", "generic", 2]) == ("0-2", "0-1")
    assert best["dataset", "b", 2] == "0-1"


def test_the_path_adds_one_block_after_the_other():
    assert list(chosen(planted_evidence(EVALUATIONS), "path").values()) == ["1", "0-1"]


def test_no_choice_looks_at_holdout_samples():
    noise = pl.Series(np.random.default_rng(0).normal(0, 0.5, len(EVALUATIONS)))
    scrambled = EVALUATIONS.with_columns(
        pl.when(role="holdout").then(noise).otherwise(name).alias(name)
        for name in ("relative", "drop")
    )
    assert choose(planted_evidence(scrambled)) == choose(planted_evidence(EVALUATIONS))


def test_no_order_removes_every_block():
    assert all(
        choice.size < 3
        for choice in choose(planted_evidence(EVALUATIONS))
        if choice.method == "scores"
    )


def test_finalists_are_all_choices_and_what_is_named(tmp_path):
    document = finalists(planted_evidence(EVALUATIONS), [parse("0-1-2")])
    assert document["combinations"] == ["0", "0-1", "0-1-2", "0-2", "1", "1-2", "2"]
    assert {choice["combination"] for choice in document["choices"]} <= set(
        document["combinations"]
    )
    path = tmp_path / "finalists.json"
    path.write_text(json.dumps(document))
    EVALUATIONS.write_parquet(tmp_path / "evaluations.parquet")
    files = SimpleNamespace(
        evaluations=str(tmp_path / "evaluations.parquet"),
        clusters=[],
        beams=[],
        model=[],
        finalists=[str(path)],
    )
    evidence = read_evidence(files, SETTINGS)
    assert choices_of(evidence) == choose(evidence)


@pytest.mark.parametrize("only", ["a", "none"])
def test_runs_of_one_dataset_or_without_combinations(only):
    rows = EVALUATIONS.filter(pl.col("dataset") == "a")
    if only == "none":
        rows = rows.filter(pl.col("size") == 0)
    scopes = {choice.scope for choice in choose(planted_evidence(rows))}
    assert scopes == ({"dataset", "task_type", "generic"} if only == "a" else set())
