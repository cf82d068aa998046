"""Choices: what is removed is what was planted as cheapest on the datasets concerned."""

import json
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from planted import SETTINGS, planted_evaluations, planted_evidence

from blocksieve.analysis import held_out, pruning_recommendations, rankings_by_num_removed
from blocksieve.choices import Choice, Method, Scope, best_first, tie_breaker
from blocksieve.choosing import choices_of, choose
from blocksieve.combination import Combination
from blocksieve.evidence import read_evidence
from blocksieve.search.finalists import finalists

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


def test_ties_are_broken_by_the_next_drop_and_then_by_a_hash_alone():
    singles = [parse(str(block)) for block in range(20)]
    zeros = np.zeros(20)
    by_hash = best_first(singles, zeros)
    assert by_hash == sorted(range(20), key=lambda place: tie_breaker(singles[place]))
    assert by_hash != list(range(20))
    falling = np.arange(20.0)[::-1]
    assert best_first(singles, zeros, falling) == list(range(20))[::-1]
    rounding = 1e-12 * falling
    assert best_first(singles, rounding) == by_hash
    unknown = np.where(np.arange(20) == by_hash[0], np.nan, 0.0)
    assert best_first(singles, unknown) == [*by_hash[1:], by_hash[0]]


def test_a_report_names_one_list_for_one_thing_where_combinations_are_tied():
    tied = {(block,): 0.1 for block in range(6)}
    tied |= {(first, second): 0.2 for first in range(6) for second in range(first)}
    tied = {tuple(sorted(blocks)): drop for blocks, drop in tied.items()}
    evaluations = planted_evaluations(dict.fromkeys("abc", tied), dict.fromkeys("abc", 1.0))
    evidence = planted_evidence(evaluations)
    choices = chosen(evidence, "pooled")
    document = pruning_recommendations.analyse(evidence)
    ranking = rankings_by_num_removed.analyse(evidence).filter(rank=1)
    for entry in document["sizes"]:
        generic = choices["generic", "generic", entry["size"]]
        assert entry["combination"] == generic
        assert entry["tied"][0] == generic
        assert ranking.filter(size=entry["size"])["combination"].to_list() == [generic]
    assert document["path"][0]["combination"] == document["sizes"][0]["combination"]
    unknown_task = document["scenarios"]["unknown_task"]
    assert [row["combination"] for row in unknown_task] == [
        entry["combination"] for entry in document["sizes"]
    ]
    winners = held_out.analyse(evidence)["winners"]
    pooled = [row for row in winners if row["method"] == "pooled"]
    assert all(row["holdout_best"] == row["combination"] for row in pooled)


def test_what_a_run_chose_stays_its_list_where_others_look_better_afterwards():
    run_choice = Choice(Method.POOLED, Scope.GENERIC, "generic", 2, parse("1-2"))
    evidence = planted_evidence(EVALUATIONS, choices=[run_choice])
    by_size = {entry["size"]: entry for entry in pruning_recommendations.analyse(evidence)["sizes"]}
    assert by_size[2]["combination"] == "1-2"
    assert by_size[2]["tied"][0] == "0-2"
    assert by_size[1]["combination"] == "1"  # of this size it chose none


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
