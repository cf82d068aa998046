"""Verify samples: a third role that measures recommended combinations once, for the headline."""

import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence

from blocksieve.analysis import pruning_recommendations
from blocksieve.report.findings import verified
from blocksieve.specs import SampleSpec

DROPS = {"a": {(0,): 0.0, (1,): 0.3, (0, 1): 0.4}, "b": {(0,): 0.0, (1,): 0.2, (0, 1): 0.4}}
ROLES = ("search", "holdout", "verify")


def evaluations(roles):
    """Plant drops of the block 0 that differ by role: 0, 0.004 and 0.008."""
    table = planted_evaluations(DROPS, dict.fromkeys(DROPS, 1.0), roles=roles, se=0.001)
    by_role = {"search": 0.0, "holdout": 0.004, "verify": 0.008}
    added = pl.col("role").replace_strict(by_role, return_dtype=pl.Float64)
    is_first = pl.col("combination") == "0"
    return table.with_columns(
        pl.when(is_first).then(pl.col(name) + added).otherwise(name).alias(name)
        for name in ("drop", "relative")
    )


def test_strategies_are_measured_once_more_and_head_the_report():
    document = pruning_recommendations.analyse(planted_evidence(evaluations(ROLES)))
    strategy = document["strategies"]["conservative"]
    assert strategy["combination"] == "0"
    assert strategy["holdout"]["drop"] == pytest.approx(0.4)
    measured = document["verified"]["conservative"]
    assert measured["drop"] == pytest.approx(0.8)
    assert measured["low"] < 0.8 < measured["high"]
    sentence = next(iter(verified(document, "%")))
    assert sentence.startswith("Verified: removing 0 (conservative, 1 block) costs +0.80 % [")


def test_datasets_without_verify_samples_are_counted():
    table = evaluations(ROLES)
    is_left_out = (pl.col("role") == "verify") & (pl.col("dataset") == table["dataset"][0])
    document = pruning_recommendations.analyse(planted_evidence(table.filter(~is_left_out)))
    num_datasets = table["dataset"].n_unique()
    sentence = next(iter(verified(document, "%")))
    assert f"over {num_datasets - 1} of {num_datasets} datasets on samples that" in sentence


def test_without_verify_samples_nothing_is_verified():
    document = pruning_recommendations.analyse(planted_evidence(evaluations(ROLES[:2])))
    assert document["verified"] is None
    assert list(verified(document, "%")) == []


def test_verify_samples_have_no_part_in_choices_and_judgements():
    with_verify = pruning_recommendations.analyse(planted_evidence(evaluations(ROLES)))
    without = pruning_recommendations.analyse(planted_evidence(evaluations(ROLES[:2])))
    assert {**with_verify, "verified": None} == without


def test_a_dataset_gets_verify_samples_only_where_a_number_says_so():
    run = SampleSpec(8, 8, 0.01, verify=4, datasets={"b": {"verify": 0}})
    assert run.counts("a") == {"search": 8, "holdout": 8, "verify": 4}
    assert run.counts("b") == {"search": 8, "holdout": 8}
    assert SampleSpec(8, 8, 0.01).counts("a") == {"search": 8, "holdout": 8}
