"""The analyses on planted truth: what was put in comes back."""

import json
from importlib import resources

import jsonschema
import numpy as np
import polars as pl
import pytest
from planted import all_analyses, planted_evaluations, planted_evidence, planted_shard
from scipy import stats

from blocksieve.analysis import (
    DOCUMENTS,
    block_position_analysis,
    combination_vs_individual,
    consistency_analysis,
    dataset_pairwise_comparison,
    dataset_responses,
    drop_distributions,
    importance_heatmap,
    power,
    pruning_recommendations,
    rankings_by_num_removed,
    search_tree,
    split_agreement,
    task_type_comparison,
    task_type_detailed_comparison,
)
from blocksieve.analysis.block_position_analysis import bounds, position_of
from blocksieve.evidence import sum_clusters

# Two datasets of type 0 and 1 (see planted), baseline 1: drops in % are 100 x these. Block 0 vital; 1 and 2
# synergistic, 1 and 3 antagonistic; the second dataset feels everything twice as much.
DROPS = {
    (0,): 0.4,
    (1,): 0.05,
    (2,): 0.04,
    (3,): 0.0,
    (1, 2): 0.02,
    (1, 3): 0.15,
    (2, 3): 0.04,
    (0, 3): 0.4,
}
TWICE = {blocks: 2 * drop for blocks, drop in DROPS.items()}
EVALUATIONS = planted_evaluations({"a": DROPS, "b": TWICE}, {"a": 1.0, "b": 1.0}, se=0.002)
EVIDENCE = planted_evidence(EVALUATIONS, num_blocks=6)


def row(table: pl.DataFrame, **key) -> dict:
    return table.row(
        by_predicate=pl.all_horizontal(pl.col(name) == value for name, value in key.items()),
        named=True,
    )


def test_interactions_have_the_planted_size_sign_and_label():
    table = combination_vs_individual.analyse(EVIDENCE)
    labels = dict(table.select("combination", "label").iter_rows())
    assert labels == {"0-3": "none", "1-2": "synergy", "1-3": "antagonism", "2-3": "none"}
    found = row(table, combination="1-2")
    assert (found["measured"], found["summed"], found["interaction"]) == pytest.approx(
        (3, 13.5, -10.5)
    )


def test_interaction_uses_only_datasets_that_have_all_its_parts():
    partly = EVALUATIONS.filter(~((pl.col("dataset") == "b") & (pl.col("combination") == "2")))
    table = combination_vs_individual.analyse(planted_evidence(partly))
    found = row(table, combination="1-2")
    assert (found["coverage"], found["full"], found["interaction"]) == (1, False, pytest.approx(-7))
    assert row(table, combination="1-3")["coverage"] == 2


def test_task_types_use_their_own_datasets_and_the_same_combinations():
    more = {**TWICE, (4,): 0.9}
    evaluations = planted_evaluations({"a": DROPS, "b": more}, {"a": 1.0, "b": 1.0})
    table = task_type_comparison.analyse(planted_evidence(evaluations))
    drops = np.array(list(DROPS.values())) * 100
    first, second = table.to_dicts()
    assert (first["mean"], second["mean"]) == pytest.approx((drops.mean(), 2 * drops.mean()))
    assert (first["std"], first["median"], first["min"], first["max"]) == pytest.approx(
        (drops.std(ddof=1), np.median(drops), 0, 40)
    )
    assert (first["combinations"], first["evaluated"], second["evaluated"]) == (8, 8, 9)


def test_task_types_by_size():
    table = task_type_detailed_comparison.analyse(EVIDENCE)
    assert table.select("size", "task_type").rows() == [
        (1, "type 0"),
        (1, "type 1"),
        (2, "type 0"),
        (2, "type 1"),
    ]
    assert row(table, size=1, task_type="type 1")["mean"] == pytest.approx(
        2 * np.mean([40, 5, 4, 0])
    )


@pytest.mark.parametrize(
    ("depth", "ends"), [(16, (5, 11)), (6, (2, 4)), (80, (27, 53)), (32, (11, 21))]
)
def test_positions_are_thirds_of_any_decoder(depth, ends):
    assert bounds(depth) == ends
    first, last = ends
    assert [
        position_of([block], depth) for block in (0, first - 1, first, last - 1, last, depth - 1)
    ] == [*("early", "early", "middle", "middle", "late", "late")]
    assert position_of([0, depth - 1], depth) == "mixed"


def test_position_means_are_those_of_their_blocks():
    table = block_position_analysis.analyse(EVIDENCE)
    early = row(table, level="position", position="early", size=1)
    assert (early["mean"], early["combinations"], early["blocks"]) == (
        pytest.approx(1.5 * 22.5),
        2,
        "0-1",
    )
    assert row(table, level="combination", combination="1")["drops"] == pytest.approx([5, 10])


def test_variation_is_the_planted_one_and_null_where_the_mean_is_not_above_0():
    table = consistency_analysis.analyse(EVIDENCE)
    assert row(table, combination="0")["cv"] == pytest.approx(np.std([40, 80], ddof=1) / 60)
    assert row(table, combination="3")["cv"] is None
    assert table["cv"].is_finite().sum() == len(table) - 1


def test_responses_and_distributions_describe_the_planted_drops():
    responses = dataset_responses.analyse(EVIDENCE)
    drops = np.array(list(DROPS.values())) * 100
    assert responses["mean"].to_list() == pytest.approx([drops.mean(), 2 * drops.mean()])
    assert row(responses, dataset="a")["upper_quartile"] == pytest.approx(np.quantile(drops, 0.75))
    gains = planted_evaluations({"a": {(0,): -0.1, (1,): 0.1, (2,): 0.3, (3,): -0.2}}, {"a": 1.0})
    found = drop_distributions.analyse(planted_evidence(gains)).row(0, named=True)
    assert (found["negative"], found["mean"], found["drops"]) == (
        0.5,
        pytest.approx(2.5),
        pytest.approx([-20, -10, 10, 30]),
    )


def test_correlations_are_those_of_scipy_over_the_common_combinations():
    rng = np.random.default_rng(1)
    first = {(block,): value for block, value in enumerate(rng.normal(0.1, 0.05, 40))}
    second = {(block,): 0.5 * first[block,] + rng.normal(0, 0.02) for block in range(5, 40)}
    evaluations = planted_evaluations({"a": first, "b": second}, {"a": 1.0, "b": 1.0})
    found = dataset_pairwise_comparison.analyse(planted_evidence(evaluations)).row(0, named=True)
    x, y = ([drops[block,] for block in range(5, 40)] for drops in (first, second))
    expected = stats.pearsonr(x, y)
    assert (found["pearson"], found["combinations"]) == (pytest.approx(expected.statistic), 35)
    assert (found["pearson_low"], found["pearson_high"]) == pytest.approx(
        tuple(expected.confidence_interval())
    )
    assert found["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found["mean_difference"] == pytest.approx(100 * np.abs(np.subtract(x, y)).mean())


def test_heatmap_marks_the_drops_that_are_there():
    table = importance_heatmap.analyse(EVIDENCE)
    assert table.filter("significant").select("dataset", "block").rows() == [
        *(("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2))
    ]


def test_heatmap_counts_wins_and_losses():
    counted = EVALUATIONS.with_columns(wins=pl.lit(2, pl.UInt32), losses=pl.lit(9, pl.UInt32))
    found = importance_heatmap.analyse(planted_evidence(counted)).row(0, named=True)
    assert (found["wins"], found["losses"]) == (2, 9)
    assert found["mcnemar"] == pytest.approx(stats.binomtest(2, 11).pvalue)


def test_an_unknown_error_stays_with_its_combination():
    unknown = pl.when(combination="1").then(None).otherwise("relative_se").alias("relative_se")
    table = combination_vs_individual.analyse(planted_evidence(EVALUATIONS.with_columns(unknown)))
    assert dict(table.select("combination", pl.col("se").is_null()).iter_rows()) == {
        **{"0-3": False, "1-2": True, "1-3": True, "2-3": False}
    }
    assert row(table, combination="1-3")["label"] == "none"


def test_nothing_is_significant_where_nothing_changes():
    still = planted_evidence(planted_evaluations({"a": {(0,): 0.0, (1,): 0.0}}, {"a": 1.0}, se=0.0))
    assert not importance_heatmap.analyse(still)["significant"].any()
    assert rankings_by_num_removed.analyse(still)["tied"].all()


def sampled(scores: dict, splits: list[str], tmp_path):
    """Evidence of one dataset from samples."""
    clusters = [f"image {number}" for number in range(len(splits))]
    planted_shard(scores, clusters, splits).write_parquet(tmp_path / "shard.parquet")
    baseline = np.mean(scores["none"])
    drops = {
        tuple(map(int, name.split("-"))): baseline - np.mean(values)
        for name, values in scores.items()
        if name != "none"
    }
    evaluations = planted_evaluations(
        {"a": drops}, {"a": baseline}, roles=["search"], n=len(splits)
    )
    return planted_evidence(
        evaluations, sums={"a": sum_clusters([tmp_path / "shard.parquet"]).lazy()}
    )


def test_splits_are_measured_apart(tmp_path):
    splits = ["train"] * 50 + ["validation"] * 50
    losses = {
        "0": (1.0, 0.5),
        "1": (0.5, 0.25),
        "2": (0.25, 0.125),
        "3": (0.125, 1.0),
        "4": (0.0, 0.0),
    }
    scores = {"none": [1.0] * 100} | {
        name: [1 - a] * 50 + [1 - b] * 50 for name, (a, b) in losses.items()
    }
    table = split_agreement.analyse(sampled(scores, splits, tmp_path))
    assert table["drop_a"].to_list() == pytest.approx([100, 50, 25, 12.5, 0])
    assert table["drop_b"].to_list() == pytest.approx([50, 25, 12.5, 100, 0])
    assert table["spearman"][0] == pytest.approx(
        stats.spearmanr(*zip(*losses.values(), strict=True)).statistic
    )
    assert table.select("samples_a", "samples_b").row(0) == (50, 50)


def test_identical_combinations_are_tied_and_a_worse_one_is_not(tmp_path):
    rng = np.random.default_rng(2)
    baseline = (rng.random(400) < 0.8).astype(float)
    good, bad = baseline.copy(), baseline.copy()
    good[rng.choice(400, 20, replace=False)] = 0
    bad[rng.choice(400, 120, replace=False)] = 0
    evidence = sampled(
        {"none": baseline, "0": good, "1": good, "2": bad}, ["train"] * 400, tmp_path
    )
    ranking = rankings_by_num_removed.analyse(evidence)
    assert dict(ranking.select("combination", "tied").iter_rows()) == {
        "0": True,
        "1": True,
        "2": False,
    }


def test_search_tree_knows_parents_and_kept():
    beams = {"a": {1: ["3", "2"], 2: ["1-2"]}, "generic": {1: ["3"], 2: ["2-3"]}}
    table = search_tree.analyse(planted_evidence(EVALUATIONS, beams=beams))
    own = table.filter(scope="a", size=2)
    assert dict(own.select("combination", "kept").iter_rows()) == {
        "0-3": False,
        "1-2": True,
        "1-3": False,
        "2-3": False,
    }
    assert row(own, combination="2-3")["parents"] == ["3", "2"]
    generic = table.filter(scope="generic")
    assert row(generic, combination="2-3")["drop"] == pytest.approx(6)
    assert "1-2" not in generic["combination"]


def test_power_is_the_closed_form():
    found = power.analyse(EVIDENCE).row(0, named=True)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert (found["se"], found["detectable"]) == pytest.approx((0.2, z * 0.2))
    assert found["n_for_1_pp"] == np.ceil(100 * (z * 0.2) ** 2)


def test_recommendations_follow_their_rules():
    chosen = pruning_recommendations.analyse(EVIDENCE)
    best = {entry["size"]: entry for entry in chosen["sizes"]}
    assert (best[1]["combination"], best[2]["combination"]) == ("3", "1-2")
    assert best[1]["tied"] == ["3"]
    assert best[2]["drop"] == pytest.approx(3)
    assert best[1]["robustness"] == 4  # two datasets only
    assert chosen["strategies"]["conservative"]["combination"] == "3"
    assert (
        chosen["strategies"]["balanced"]["combination"] == "3"
    )  # 1-2 costs 3 %, its interval reaches further
    assert chosen["strategies"]["aggressive"]["combination"] == "1-2"
    assert [step["combination"] for step in chosen["path"]] == ["3", "2-3"]
    assert [step["increment"] for step in chosen["path"]] == pytest.approx([0, 6])


def test_recommendations_quote_the_holdout_and_never_choose_by_it():
    rng = np.random.default_rng(3)
    noise = pl.Series(rng.normal(0.3, 0.2, len(EVALUATIONS)))
    scrambled = EVALUATIONS.with_columns(
        pl.when(role="holdout").then(noise).otherwise(name).alias(name)
        for name in ("relative", "drop")
    )
    before, after = (
        pruning_recommendations.analyse(planted_evidence(table))
        for table in (EVALUATIONS, scrambled)
    )
    first = before["sizes"][0]
    assert first["holdout"]["drop"] == pytest.approx(first["drop"])
    assert after["sizes"][0]["holdout"]["drop"] != pytest.approx(first["drop"])
    assert without_measurements(before) == without_measurements(after)


def without_measurements(content):
    """A document without what was measured on holdout samples."""
    if isinstance(content, dict):
        measured = ("holdout", "given_up", "costs")
        return {
            key: without_measurements(value)
            for key, value in content.items()
            if key not in measured
        }
    return (
        [without_measurements(entry) for entry in content] if isinstance(content, list) else content
    )


def test_what_holdout_samples_did_not_measure_is_null():
    searched = EVALUATIONS.filter(
        (pl.col("role") == "search") | (pl.col("combination") == "1-2") | (pl.col("size") == 0)
    )
    found = {
        entry["size"]: entry["holdout"]
        for entry in pruning_recommendations.analyse(planted_evidence(searched))["sizes"]
    }
    assert found[1] is None
    assert found[2]["drop"] == pytest.approx(3)


def test_mixed_tasks_take_the_routers_lists_and_its_drop():
    numbers = {name: {"drop": drop, "low": drop - 1, "high": drop + 1, "changed": 0.5, "q": 0.01}
               for name, drop in {"generic": 9, "task": 4, "hybrid": 6, "gain": 3, "possible": 5}.items()}  # fmt: skip
    lists = [
        {"size": 1, "name": name, "combination": one}
        for name, one in {"generic": "3", "VQA": "1"}.items()
    ]
    routing = {"sizes": [{"size": 1, **numbers}], "lists": lists}
    document = pruning_recommendations.analyse(planted_evidence(EVALUATIONS), routing)
    (mixed,) = document["scenarios"]["mixed"]
    assert (mixed["generic"], mixed["lists"]) == ("3", {"VQA": "1"})
    assert (mixed["holdout"]["drop"], mixed["gain"]["low"]) == (6, 2)
    schema = (
        resources.files("blocksieve.analysis")
        .joinpath("pruning_recommendations.schema.json")
        .read_text()
    )
    jsonschema.validate(document, json.loads(schema))


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("evaluations", [EVALUATIONS, EVALUATIONS.filter(pl.col("dataset") == "a")])
def test_documents_keep_their_schemas(name, evaluations):
    schema = json.loads(
        resources.files("blocksieve.analysis").joinpath(f"{name}.schema.json").read_text()
    )
    document = json.loads(
        json.dumps(all_analyses(planted_evidence(evaluations))[name], allow_nan=False)
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    for key in schema["required"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(
                {other: value for other, value in document.items() if other != key}, schema
            )
