"""One list for all or one per task, the winner's curse, stability.

What was planted comes back, and noise shows nothing.
"""

import importlib
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from planted import drawn_evaluations, planted_evidence, planted_run

from blocksieve.analysis import (
    held_out,
    pruning_recommendations,
    stability,
    task_specific_vs_generic,
    transfer_matrix,
)
from blocksieve.choices import Method
from blocksieve.combination import Combination
from blocksieve.report.findings import FINDINGS, findings

TYPES = {"a": "VQA", "b": "VQA", "c": "Captioning", "d": "Captioning"}
FREE, DEAR = 0.0, 0.4


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """VQA can lose blocks 0 and 1, captioning 2 and 3; nobody the others."""
    costs = {
        name: [FREE, FREE, DEAR, DEAR] if TYPES[name] == "VQA" else [DEAR, DEAR, FREE, FREE]
        for name in TYPES
    }
    return planted_run(tmp_path_factory.mktemp("apart"), costs, TYPES)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """All datasets can lose block 1 alone, and 1 and 3 together."""
    return planted_run(
        tmp_path_factory.mktemp("alike"),
        {name: [DEAR, FREE, DEAR, 0.1] for name in TYPES},
        TYPES,
        seed=1,
    )


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Twelve blocks and eight datasets, and no block matters."""
    names = {f"dataset {number}": f"type {number % 4}" for number in range(8)}
    return planted_run(
        tmp_path_factory.mktemp("noise"), {name: [0.1] * 12 for name in names}, names, n=100, seed=2
    )


@pytest.fixture(scope="module")
def stability_of():
    """Return what other data choose, computed once for each run of this module."""
    documents = {}

    def of(evidence):
        if id(evidence) not in documents:
            documents[id(evidence)] = stability.analyse(evidence)
        return documents[id(evidence)]

    return of


def test_task_types_that_want_different_blocks_pay_for_one_list(apart):
    document = task_specific_vs_generic.analyse(apart)
    means = {(row["method"], row["list"], row["size"]): row for row in document["mean_regret"]}
    for method in (Method.POOLED, Method.BEAM, Method.SCORES):
        for size in (1, 2):
            assert means[method, "generic", size]["verdict"] == "costs more"
    assert means["beam", "task_type", 2]["verdict"] == "same list"
    covered = []
    for row in document["rows"]:
        free = {0, 1} if row["task_type"] == "VQA" else {2, 3}
        assert set(Combination.parse(row["own"]).blocks) <= free
        # Of right answers the share DEAR is lost for each block that is too dear.
        too_dear = set(Combination.parse(row["combination"]).blocks) - free
        truth = 100 * DEAR * len(too_dear)
        covered.append(row["regret_low"] <= truth <= row["regret_high"])
    assert len(covered) == 96
    assert np.mean(covered) > 0.9


def test_match_rates_count_equal_sets_over_datasets_and_sizes(apart, alike):
    for evidence, least, most in ((apart, 0, 4), (alike, 8, 8)):
        rates = {
            (rate["list"], rate["size"]): (rate["matches"], rate["configurations"])
            for rate in task_specific_vs_generic.analyse(evidence)["match_rates"]
            if rate["method"] == "scores"
        }
        assert least <= rates["generic", None][0] <= most
        assert rates["generic", None] == tuple(np.add(rates["generic", 1], rates["generic", 2]))
        assert rates["generic", None][1] == 8


def test_match_rates_stand_beside_those_of_noise_alone_and_up_to_ties(
    apart, alike, noise, stability_of
):
    def generic(evidence, method):
        document = task_specific_vs_generic.analyse(evidence, stability=stability_of(evidence))
        (rate,) = [
            rate
            for rate in document["match_rates"]
            if (rate["method"], rate["list"], rate["size"]) == (method, "generic", 2)
        ]
        return rate

    clear = generic(alike, "beam")
    assert clear["rate"] == clear["noise_rate"] == clear["tied_rate"] == 1
    # Own lists of noise differ from the generic one, but no more than those of two halves do, and
    # all are tied.
    luck = generic(noise, "beam")
    assert luck["rate"] < 0.5
    assert luck["noise_rate"] < 0.5
    assert luck["tied_rate"] > 0.5
    assert luck["noise_tied_rate"] > 0.8
    # Where task types want different lists, it is not noise that keeps them apart.
    differ = generic(apart, "beam")
    assert differ["tied_rate"] <= 0.5
    assert differ["noise_tied_rate"] == 1


def test_without_samples_the_rate_of_noise_is_not_known(alike):
    table = replace(alike, sums={})
    document = task_specific_vs_generic.analyse(table, stability=stability.analyse(table))
    rates = document["match_rates"]
    assert {rate["noise_rate"] for rate in rates} == {None}
    assert all(rate["tied"] >= rate["matches"] for rate in rates)


def test_transfer_is_dear_across_task_types_and_free_within(apart):
    table = transfer_matrix.analyse(apart).filter(method="beam", size=2)
    same = pl.col("source_type") == pl.col("target_type")
    assert set(table.filter(same)["verdict"]) == {"same list"}
    across = table.filter(~same)
    assert set(across["verdict"]) == {"costs more"}
    assert ((across["regret_low"] < 200 * DEAR) & (across["regret_high"] > 100 * DEAR)).all()
    places = dict(table.select("source", "source_place").iter_rows())
    assert abs(places["a"] - places["b"]) == abs(places["c"] - places["d"]) == 1


def test_few_share_a_list_that_costs_more_than_the_limit():
    """Lists of other datasets cost 1.8 % more at a limit of 1.5 %: "can share" is wrong."""
    datasets = range(8)
    losses = {
        f"d{dataset}": {(block,): 0.01 if block == dataset else 0.028 for block in datasets}
        for dataset in datasets
    }
    runs_with_errors = 0
    for seed in range(12):
        evidence = planted_evidence(drawn_evaluations(losses, 1500, np.random.default_rng(seed)))
        table = transfer_matrix.analyse(evidence).filter(method="beam", size=1)
        has_best_list = pl.col("own") == pl.col("target").str.slice(1)
        runs_with_errors += "can share" in table.filter(has_best_list)["verdict"]
    assert runs_with_errors <= 1


def test_lists_that_cost_the_same_can_be_shared():
    """The limit is 1.5 %; with 20,000 samples that is beyond noise."""
    losses = {name: {(block,): 0.02 for block in range(6)} for name in "abc"}
    evidence = planted_evidence(drawn_evaluations(losses, 20_000, np.random.default_rng(3)))
    table = transfer_matrix.analyse(evidence).filter(method="beam", size=1)
    assert set(table["verdict"]) == {"same list", "can share"}


def test_means_of_transfers_leave_out_what_other_means_do(apart):
    """The weight of a dataset counts, and a weak one has none."""
    weighted = replace(apart, weights={"a": 3.0})
    weights = dict(transfer_matrix.analyse(weighted).select("target", "weight").iter_rows())
    assert weights == {"a": 3.0, "b": 1.0, "c": 1.0, "d": 1.0}


def results_of(evidence):
    """Return the analyses that findings are made from."""
    names = {name for name, _ in FINDINGS}
    modules = {name: importlib.import_module(f"blocksieve.analysis.{name}") for name in names}
    return {name: module.analyse(evidence) for name, module in modules.items()}


def test_lists_of_their_own_are_said_to_pay_only_where_they_do(apart, alike, noise):
    sentences = " ".join(findings(results_of(apart), "%"))
    assert "Lists of their own pay" in sentences
    assert "One list is enough" not in sentences
    for evidence in (alike, noise):
        sentences = " ".join(findings(results_of(evidence), "%"))
        assert "One list is enough" in sentences
        assert "Lists of their own pay" not in sentences


def test_noise_shows_the_winners_curse_and_no_better_list(noise):
    by_size = held_out.analyse(noise)["by_size"]
    winners = [row for row in by_size if (row["method"], row["scope"]) == ("beam", "dataset")]
    assert all(row["optimism_low"] > 0 for row in winners)
    assert all(row["holdout_low"] < 100 * 0.1 * row["size"] for row in winners)
    regrets = task_specific_vs_generic.analyse(noise)
    assert {row["verdict"] for row in regrets["rows"]} <= {"same list", "not shown to differ"}
    known_task = pruning_recommendations.analyse(noise)["scenarios"]["known_task"]
    assert {row["generic"]["costs"]["verdict"] for row in known_task} <= {
        "same list",
        "not shown to differ",
    }


def test_what_does_not_win_by_luck_shows_no_curse(alike):
    for row in held_out.analyse(alike)["by_size"]:
        assert row["optimism_low"] < 0 < row["optimism_high"]
        assert row["still_tied"] == row["winners"]


def test_every_choice_stays_where_all_holdout_scores_are_scrambled(apart):
    rng = np.random.default_rng(1)
    sums = {}
    for dataset, lazy in apart.sums.items():
        shuffled = pl.Series(rng.permutation(lazy.collect()["drop"].to_numpy()))
        sums[dataset] = lazy.with_columns(
            drop=pl.when(role="holdout").then(shuffled).otherwise("drop")
        )
    scrambled = replace(apart, sums=sums)
    assert held_out.analyse(scrambled) != held_out.analyse(apart)
    for module in (task_specific_vs_generic, pruning_recommendations, stability):
        before, after = module.analyse(apart), module.analyse(scrambled)
        # How far a strategy goes is what holdout samples decide.
        for document in (before, after):
            document.pop("strategies", None)
        assert chosen(after) == chosen(before)


def chosen(content):
    """Return all lists of a document, in its order."""
    if isinstance(content, dict):
        lists = [content[key] for key in ("combination", "own", "top") if key in content]
        parts = list(content.values())
    else:
        lists = []
        parts = content if isinstance(content, list) else []
    for part in parts:
        lists += chosen(part)
    return lists


def test_a_clear_choice_is_stable_and_luck_is_not(alike, noise, stability_of):
    def again(evidence, size):
        rows = stability_of(evidence)["rows"]
        return {
            row["scheme"]: row
            for row in rows
            if (row["method"], row["scope"], row["size"]) == ("pooled", "generic", size)
        }

    clear, luck = again(alike, 2), again(noise, 2)
    assert set(clear) == {"samples", "datasets", "halves", "splits train/validation"}
    assert all(row["same"] == 1 and row["removed"] == {"1": 1, "3": 1} for row in clear.values())
    assert all(row["tied"] == 1 for row in clear.values())
    assert luck["samples"]["same"] < 0.7
    # Of combinations that cost alike few are shown to be worse, whoever comes first.
    assert luck["halves"]["tied"] > 0.5
    assert luck["halves"]["same"] < 0.3
    assert luck["halves"]["distinct"] > 5
    assert sum(luck["samples"]["removed"].values()) == pytest.approx(2)


def test_repeats_to_the_last_digit(alike, stability_of):
    assert stability.analyse(alike) == stability_of(alike)
