"""The analyses on planted truth: what was put in comes back."""

import itertools
import json
from importlib import resources

import jsonschema
import numpy as np
import polars as pl
import pytest
from planted import (
    LIMITS,
    all_analyses,
    planted_evaluations,
    planted_evidence,
    planted_halves,
    planted_samples,
    planted_shard,
)
from scipy import stats

from blocksieve.analysis import (
    ANALYSES,
    block_position_analysis,
    combination_vs_individual,
    consistency_analysis,
    dataset_pairwise_comparison,
    dataset_responses,
    drop_distributions,
    importance_heatmap,
    pairwise_dataset_stats,
    power,
    pruning_recommendations,
    rankings_by_num_removed,
    search_tree,
    split_agreement,
    task_type_comparison,
    task_type_detailed_comparison,
)
from blocksieve.analysis.block_position_analysis import bounds, position_of
from blocksieve.combination import Combination
from blocksieve.shards import by_cluster

# Two datasets of type 0 and 1 (see planted), baseline 1: drops in % are 100 x these. Block 0 is
# vital; 1 and 2 are synergistic, 1 and 3 antagonistic; the second dataset feels everything twice as
# much.
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
DROPS_ALIKE = {"a": {(block,): 0.01 * block for block in range(9)}}
DROPS_ALIKE["b"] = DROPS_ALIKE["a"]
TWICE = {blocks: 2 * drop for blocks, drop in DROPS.items()}
EVALUATIONS = planted_evaluations({"a": DROPS, "b": TWICE}, {"a": 1.0, "b": 1.0}, se=0.002)
EVIDENCE = planted_evidence(EVALUATIONS, num_blocks=6)
OF_HALVES = {"0a": 0.1, "0m": 0.02, "1a": 0.03, "1": 0.2, "0m-1a": 0.1, "0-1": 0.3}
HALVES = planted_halves({"a": OF_HALVES, "b": OF_HALVES})
DOCUMENTS = [name for name, analysis in ANALYSES.items() if analysis.output == "json"]
SCHEMAS = {
    name: json.loads(
        resources.files("blocksieve.analysis").joinpath(f"{name}.schema.json").read_text()
    )
    for name in DOCUMENTS
}


def row(table: pl.DataFrame, **key) -> dict:
    return table.row(
        by_predicate=pl.all_horizontal(pl.col(name) == value for name, value in key.items()),
        named=True,
    )


def test_interactions_have_the_planted_size_sign_and_label():
    table = combination_vs_individual.analyse(EVIDENCE)
    labels = dict(table.select("combination", "label").iter_rows())
    assert labels == {"0-3": "none", "1-2": "synergy", "1-3": "antagonism", "2-3": "none"}
    pair = row(table, combination="1-2")
    # Blocks that spoil answers independently: 1 - 0.95 x 0.96 on a, 1 - 0.9 x 0.92 on b.
    assert pair["measured"] == pytest.approx(3)
    assert pair["expected"] == pytest.approx((8.8 + 17.2) / 2)
    assert pair["interaction"] == pytest.approx(-10)
    assert pair["summed"] == pytest.approx(13.5)
    assert pair["beyond_sum"] == pytest.approx(-10.5)
    # By the delta method, all errors 0.2 %: on a 1, 0.96, 0.95; on b 1, 0.92, 0.9.
    variance = 0.2**2 * (1 + 0.96**2 + 0.95**2 + 1 + 0.92**2 + 0.9**2) / 4
    # Without samples, what is added up counts as fully correlated.
    added_up = 0.2**2 * (2 * 0.96 * 0.95 + 2 * 0.92 * 0.9) / 4
    assert pair["se"] ** 2 == pytest.approx(variance + added_up)


def test_interactions_in_points_are_shares_of_the_baseline_too():
    drops = {"a": {(0,): 0.2, (1,): 0.1, (0, 1): 0.25}}
    evidence = planted_evidence(planted_evaluations(drops, {"a": 0.5}), "points")
    pair = combination_vs_individual.analyse(evidence).row(0, named=True)
    assert pair["expected"] == pytest.approx(50 * (1 - 0.6 * 0.8))
    assert pair["interaction"] == pytest.approx(25 - 26)
    assert pair["beyond_sum"] == pytest.approx(25 - 30)


def test_no_interaction_is_found_on_samples_that_chose_the_blocks():
    searched = EVALUATIONS.filter(role="search")
    table = combination_vs_individual.analyse(planted_evidence(searched, num_blocks=6))
    assert table["untested"].to_list() == ["chosen"] * 4
    assert table["role"].unique().to_list() == ["search"]
    assert table["interaction"].null_count() == 0
    assert (table["p"].null_count(), table["label"].to_list()) == (4, ["none"] * 4)
    # All three pairs of three blocks: none was chosen.
    pairs = {(0,): 0.05, (1,): 0.05, (2,): 0.05, (0, 1): 0.01, (0, 2): 0.1, (1, 2): 0.1}
    exhaustive = planted_evaluations({"a": pairs}, {"a": 1.0}, roles=["search"], se=0.002)
    table = combination_vs_individual.analyse(planted_evidence(exhaustive, num_blocks=3))
    assert table["untested"].null_count() == 3
    assert table["label"].to_list() == ["synergy", "none", "none"]
    lacking = exhaustive.filter(pl.col("combination") != "1-2")
    table = combination_vs_individual.analyse(planted_evidence(lacking, num_blocks=3))
    assert table["untested"].to_list() == ["chosen"] * 2


def test_no_interaction_is_found_where_the_blocks_alone_lose_more_than_everything():
    drops = {(0,): 0.7, (1,): 0.4, (0, 1): 0.2}
    other = {(0,): 0.1, (1,): 0.1, (0, 1): 0.1}
    evaluations = planted_evaluations({"a": drops, "b": other}, {"a": 1.0, "b": 1.0}, se=0.002)
    pair = combination_vs_individual.analyse(planted_evidence(evaluations)).row(0, named=True)
    assert (pair["untested"], pair["p"], pair["label"]) == ("over 100 %", None, "none")
    assert pair["summed"] == pytest.approx(65)


def test_interactions_leave_out_datasets_in_which_guesses_score():
    """Two blocks that each make 40 % of the answers a guess among two: the truth is no synergy."""
    spoiled = 0.4
    chance, baseline = 0.5, 0.9
    alone = spoiled * (baseline - chance)
    together = (1 - (1 - spoiled) ** 2) * (baseline - chance)
    guessed = {(0,): alone, (1,): alone, (0, 1): together}
    free = {(0,): 0.1, (1,): 0.1, (0, 1): 0.19}
    evaluations = planted_evaluations(
        {"a": guessed, "b": free}, {"a": baseline, "b": 1.0}, se=0.002
    )
    is_choice = pl.col("dataset") == "a"
    task_type = pl.when(is_choice).then(pl.lit("Multiple Choice")).otherwise("task_type")
    evaluations = evaluations.with_columns(task_type=task_type)
    pair = combination_vs_individual.analyse(planted_evidence(evaluations)).row(0, named=True)
    assert (pair["left_out"], pair["coverage"], pair["full"]) == (["a"], 1, True)
    assert pair["interaction"] == pytest.approx(0)
    choices = planted_evidence(evaluations.filter(is_choice))
    pair = combination_vs_individual.analyse(choices).row(0, named=True)
    assert (pair["untested"], pair["left_out"], pair["label"]) == ("guessed", [], "none")
    above_chance = evaluations.filter(is_choice).with_columns(max_change=pl.lit(2.0))
    pair = combination_vs_individual.analyse(planted_evidence(above_chance)).row(0, named=True)
    assert (pair["untested"], pair["left_out"]) == (None, [])


def independent_world(rng, num_samples: int, planted: dict, num_datasets: int = 8):
    """Return the scores of datasets whose six blocks spoil answers independently, but for pairs.

    `planted`: the share of answers that a pair spoils besides, or below 0 saves.
    """
    costs = rng.uniform(0.05, 0.25, 6)
    blocks = range(6)
    world = {}
    for number in range(num_datasets):
        right = rng.random(num_samples) < 0.8
        spoiled = rng.random((6, num_samples)) < costs[:, None]
        scores = {"none": right}
        for block in blocks:
            scores[str(block)] = right & ~spoiled[block]
        for first, second in itertools.combinations(blocks, 2):
            lost = spoiled[first] | spoiled[second]
            share = planted.get((first, second), 0.0)
            more = rng.random(num_samples) < abs(share)
            # Saved answers are drawn among the spoiled ones.
            lost = lost | more if share > 0 else lost & ~more
            scores[f"{first}-{second}"] = right & ~lost
        world[f"dataset {number}"] = scores
    return world


def test_independent_blocks_have_no_synergy_and_planted_interactions_are_found():
    rng = np.random.default_rng(11)
    planted = {(0, 1): 0.05, (2, 3): 0.05, (0, 4): -0.3, (1, 5): -0.3}
    found, false = 0, 0
    z = []
    world = independent_world(rng, 1000, planted)
    table = combination_vs_individual.analyse(planted_samples(world))
    columns = ("combination", "label", "interaction", "se")
    for name, label, interaction, se in table.select(columns).iter_rows():
        pair = tuple(map(int, name.split("-")))
        if pair in planted:
            found += label == ("antagonism" if planted[pair] > 0 else "synergy")
        else:
            false += label != "none"
            z.append(interaction / se)
    assert found / len(planted) >= 0.7
    assert false <= 1
    assert abs(np.mean(z)) <= 3 / np.sqrt(len(z))
    assert 0.6 <= np.std(z) <= 1.4


def test_interaction_uses_only_datasets_that_have_all_its_parts():
    partly = EVALUATIONS.filter(~((pl.col("dataset") == "b") & (pl.col("combination") == "2")))
    table = combination_vs_individual.analyse(planted_evidence(partly))
    pair = row(table, combination="1-2")
    assert (pair["coverage"], pair["full"]) == (1, False)
    assert pair["interaction"] == pytest.approx(-6.8)
    assert row(table, combination="1-3")["coverage"] == 2


def test_task_types_use_their_own_datasets_and_the_same_combinations():
    more = {**TWICE, (4,): 0.9}
    evaluations = planted_evaluations({"a": DROPS, "b": more}, {"a": 1.0, "b": 1.0})
    table = task_type_comparison.analyse(planted_evidence(evaluations))
    drops = np.array(list(DROPS.values())) * 100
    first, second = table.to_dicts()
    assert (first["mean"], second["mean"]) == pytest.approx((drops.mean(), 2 * drops.mean()))
    assert first["std"] == pytest.approx(drops.std(ddof=1))
    assert first["median"] == pytest.approx(np.median(drops))
    assert (first["min"], first["max"]) == pytest.approx((0, 40))
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
    first_middle, first_late = ends
    spans = {
        "early": (0, first_middle - 1),
        "middle": (first_middle, first_late - 1),
        "late": (first_late, depth - 1),
    }
    for position, blocks in spans.items():
        assert [position_of([block], depth) for block in blocks] == [position, position]
    assert position_of([0, depth - 1], depth) == "mixed"


def test_position_means_are_those_of_their_blocks():
    table = block_position_analysis.analyse(EVIDENCE)
    early = row(table, level="position", position="early", size=1)
    assert early["mean"] == pytest.approx(1.5 * 22.5)
    assert (early["combinations"], early["blocks"]) == (2, "0-1")
    assert row(table, level="combination", combination="1")["drops"] == pytest.approx([5, 10])


def test_variation_is_the_planted_one_and_null_where_the_mean_is_not_above_0():
    table = consistency_analysis.analyse(EVIDENCE)
    # Without the noise, of a standard error of 0.2 %.
    spread = np.sqrt(np.var([40, 80], ddof=1) - 0.2**2)
    vital = row(table, combination="0")
    assert vital["spread"] == pytest.approx(spread)
    assert vital["cv"] == pytest.approx(spread / 60)
    assert (vital["kind_low"], vital["kind_high"]) == pytest.approx(
        (60 - 20 * stats.t.ppf(0.975, 1), 60 + 20 * stats.t.ppf(0.975, 1))
    )
    assert row(table, combination="3")["cv"] is None
    assert table["cv"].is_finite().sum() == len(table) - 1


def test_responses_and_distributions_describe_the_planted_drops():
    responses = dataset_responses.analyse(EVIDENCE)
    drops = np.array(list(DROPS.values())) * 100
    assert responses["mean"].to_list() == pytest.approx([drops.mean(), 2 * drops.mean()])
    assert row(responses, dataset="a")["upper_quartile"] == pytest.approx(np.quantile(drops, 0.75))
    gains = planted_evaluations({"a": {(0,): -0.1, (1,): 0.1, (2,): 0.3, (3,): -0.2}}, {"a": 1.0})
    distribution = drop_distributions.analyse(planted_evidence(gains)).row(0, named=True)
    assert distribution["negative"] == 0.5
    assert distribution["mean"] == pytest.approx(2.5)
    assert distribution["drops"] == pytest.approx([-20, -10, 10, 30])


def test_correlations_are_those_of_scipy_over_the_common_combinations():
    rng = np.random.default_rng(1)
    first = {(block,): value for block, value in enumerate(rng.normal(0.1, 0.05, 40))}
    second = {(block,): 0.5 * first[block,] + rng.normal(0, 0.02) for block in range(5, 40)}
    evaluations = planted_evaluations({"a": first, "b": second}, {"a": 1.0, "b": 1.0})
    pair = dataset_pairwise_comparison.analyse(planted_evidence(evaluations)).row(0, named=True)
    x = [first[block,] for block in range(5, 40)]
    y = [second[block,] for block in range(5, 40)]
    expected = stats.pearsonr(x, y)
    low, high = expected.confidence_interval()
    assert pair["blocks"] == 35
    assert pair["pearson"] == pytest.approx(expected.statistic)
    assert (pair["pearson_low"], pair["pearson_high"]) == pytest.approx((low, high))
    assert pair["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert pair["mean_difference"] == pytest.approx(100 * np.abs(np.subtract(x, y)).mean())


def test_correlations_take_single_blocks_and_cover_the_truth():
    rng = np.random.default_rng(2)
    truth = 0.5
    covered = []
    for _ in range(25):
        costs = rng.multivariate_normal(
            [0.1, 0.1], 0.02**2 * np.array([[1, truth], [truth, 1]]), 16
        )
        singles = {(block,): costs[block] for block in range(16)}
        pairs = {
            pair: costs[list(pair)].sum(axis=0) for pair in itertools.combinations(range(16), 2)
        }
        drops = singles | pairs
        first = {blocks: drop[0] for blocks, drop in drops.items()}
        second = {blocks: drop[1] for blocks, drop in drops.items()}
        both = {"a": first, "b": second}
        table = planted_evaluations(both, {"a": 1.0, "b": 1.0}, roles=["search"])
        pair = dataset_pairwise_comparison.analyse(planted_evidence(table)).row(0, named=True)
        assert pair["blocks"] == 16
        covered.append(pair["pearson_low"] <= truth <= pair["pearson_high"])
    # 120 pairs that share 16 blocks, taken as 120, cover about half.
    assert np.mean(covered) >= 0.84


def test_a_block_that_dominates_pearson_is_named_and_spearman_leads():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.02, 0.01, (2, 16))
    first[4], second[4] = 0.9, 0.8
    drops = {
        "a": {(block,): first[block] for block in range(16)},
        "b": {(block,): second[block] for block in range(16)},
        "c": {(block,): -first[block] for block in range(16)},
    }
    evidence = planted_evidence(planted_evaluations(drops, dict.fromkeys(drops, 1.0)))
    pair = dataset_pairwise_comparison.analyse(evidence).row(0, named=True)
    assert pair["pearson"] > 0.99
    assert pair["dominant_site"] == "4"
    assert pair["spearman"] == pytest.approx(stats.spearmanr(first, second).statistic)
    document = pairwise_dataset_stats.analyse(evidence)
    assert document["least_correlated"][0] == ["a", "c"]
    quiet = planted_evaluations(DROPS_ALIKE, dict.fromkeys(DROPS_ALIKE, 1.0))
    (pair,) = dataset_pairwise_comparison.analyse(planted_evidence(quiet)).to_dicts()
    assert pair["dominant_site"] is None


def test_heatmap_marks_the_drops_that_are_there():
    table = importance_heatmap.analyse(EVIDENCE)
    significant = table.filter("significant")
    assert significant.filter(dataset="a")["site"].to_list() == ["0", "1", "2"]
    assert significant.filter(dataset="b")["site"].to_list() == ["0", "1", "2"]
    assert significant["dataset"].to_list() == ["a"] * 3 + ["b"] * 3


def test_heatmap_counts_wins_and_losses():
    counted = EVALUATIONS.with_columns(wins=pl.lit(2, pl.UInt32), losses=pl.lit(9, pl.UInt32))
    first = importance_heatmap.analyse(planted_evidence(counted)).row(0, named=True)
    assert (first["wins"], first["losses"]) == (2, 9)
    assert first["mcnemar"] == pytest.approx(stats.binomtest(2, 11).pvalue)


def test_an_unknown_error_stays_with_its_combination():
    unknown = pl.when(combination="1").then(None).otherwise("relative_se").alias("relative_se")
    table = combination_vs_individual.analyse(planted_evidence(EVALUATIONS.with_columns(unknown)))
    unknown_errors = table.filter(pl.col("se").is_null())["combination"].to_list()
    assert table["combination"].to_list() == ["0-3", "1-2", "1-3", "2-3"]
    assert unknown_errors == ["1-2", "1-3"]
    assert row(table, combination="1-3")["label"] == "none"


def test_nothing_is_significant_where_nothing_changes():
    still = planted_evidence(planted_evaluations({"a": {(0,): 0.0, (1,): 0.0}}, {"a": 1.0}, se=0.0))
    assert not importance_heatmap.analyse(still)["significant"].any()
    assert rankings_by_num_removed.analyse(still)["tied"].all()


def sampled(scores: dict, splits: list[str], tmp_path):
    """Evidence of one dataset from samples."""
    clusters = [f"image {number}" for number in range(len(splits))]
    path = tmp_path / "shard.parquet"
    planted_shard(scores, clusters, splits).write_parquet(path)
    baseline = np.mean(scores["none"])
    drops = {
        Combination.parse(name).blocks: baseline - np.mean(values)
        for name, values in scores.items()
        if name != "none"
    }
    evaluations = planted_evaluations(
        {"a": drops}, {"a": baseline}, roles=["search"], n=len(splits)
    )
    return planted_evidence(evaluations, sums={"a": by_cluster([path]).lazy()})


def test_splits_are_measured_apart(tmp_path):
    splits = ["train"] * 50 + ["validation"] * 50
    losses = {
        "0": (1.0, 0.5),
        "1": (0.5, 0.25),
        "2": (0.25, 0.125),
        "3": (0.125, 1.0),
        "4": (0.0, 0.0),
    }
    scores = {"none": [1.0] * 100}
    for name, (train_loss, validation_loss) in losses.items():
        scores[name] = [1 - train_loss] * 50 + [1 - validation_loss] * 50
    table = split_agreement.analyse(sampled(scores, splits, tmp_path))
    assert table["drop_a"].to_list() == pytest.approx([100, 50, 25, 12.5, 0])
    assert table["drop_b"].to_list() == pytest.approx([50, 25, 12.5, 100, 0])
    assert table["spearman"][0] == pytest.approx(
        stats.spearmanr(*zip(*losses.values(), strict=True)).statistic
    )
    assert table.select("samples_a", "samples_b").row(0) == (50, 50)
    # Whatever samples are dealt to either part, the order of blocks is much the same.
    assert table["noise_spearman"][0] > 0.9
    assert table["q"].max() <= 0.01


def test_splits_of_one_distribution_agree_as_far_as_noise_lets_them(tmp_path):
    rng = np.random.default_rng(5)
    splits = ["train"] * 60 + ["validation"] * 60
    scores = {"none": [1.0] * 120}
    for block in range(8):
        scores[str(block)] = (rng.random(120) > 0.05 * (1 + block)).astype(float).tolist()
    table = split_agreement.analyse(sampled(scores, splits, tmp_path))
    assert table["spearman"][0] < 1
    assert abs(table["spearman"][0] - table["noise_spearman"][0]) < 0.3
    assert table["q"].min() > 0.05


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
    tied = dict(ranking.select("combination", "tied").iter_rows())
    assert tied == {"0": True, "1": True, "2": False}


def combinations(*texts: str) -> list[Combination]:
    return [Combination.parse(text) for text in texts]


def test_search_tree_knows_parents_and_kept():
    beams = {
        "a": {1: combinations("3", "2"), 2: combinations("1-2")},
        "generic": {1: combinations("3"), 2: combinations("2-3")},
    }
    table = search_tree.analyse(planted_evidence(EVALUATIONS, beams=beams))
    candidates = table.filter(scope="a", size=2)
    kept = dict(candidates.select("combination", "kept").iter_rows())
    assert kept == {"0-3": False, "1-2": True, "1-3": False, "2-3": False}
    assert row(candidates, combination="2-3")["parents"] == ["3", "2"]
    generic = table.filter(scope="generic")
    assert row(generic, combination="2-3")["drop"] == pytest.approx(6)
    assert "1-2" not in generic["combination"]


def test_the_resolution_is_that_of_the_mean_over_datasets():
    document = pruning_recommendations.analyse(EVIDENCE)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    se = 0.2 / np.sqrt(2)
    expected = {
        "role": "holdout",
        "datasets": 2,
        "samples": 200,
        "width": 2 * stats.t.ppf(0.975, 99) * se,
        "detectable": z * se,
        # How a given table's errors fall with more samples is not known.
        "smaller": None,
        "samples_for_smaller": None,
    }
    assert document["resolution"] == pytest.approx(expected)


def test_the_samples_for_a_smaller_drop_are_those_of_the_mean_over_datasets():
    evidence = planted_samples(ONE_LOST_OF_100)
    document = pruning_recommendations.analyse(evidence)["resolution"]
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert document["smaller"] == LIMITS.conservative
    _, unseen = variances_of_one_lost()
    # A drop of 1.5 % changes at least 1.5 % of the samples, more than these show.
    seen = 100**2 * 0.015 * 0.985 / 100
    # Both datasets have half a share, so that the mean has half of the variance of either.
    assert document["samples_for_smaller"] == pytest.approx(
        200 / ratio(seen / 2, unseen / 2, LIMITS.conservative / z), abs=1
    )


def test_power_is_the_closed_form():
    first = power.analyse(EVIDENCE).row(0, named=True)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert first["se"] == pytest.approx(0.2)
    assert first["detectable"] == pytest.approx(z * 0.2)
    # What part of a given table's error falls how fast is not known.
    assert first["n_for_1_pp"] is None


ONE_LOST_OF_100 = {
    dataset: {"none": np.ones(100), "0": np.arange(100) > 0} for dataset in ("a", "b")
}


def variances_of_one_lost():
    """Return what 100 samples of which one is lost show, and what is added as not seen, in pp^2."""
    residuals = np.where(np.arange(100) > 0, -0.01, 0.99)
    correction = 100 / 99
    seen = correction * (residuals**2).sum()
    unseen = correction * 2 * (1 + 0.99**2) / (1 + 1)
    return seen, unseen


def ratio(seen, unseen, error):
    """Return by how much the samples must be divided so that the error is this one."""
    return (-seen + np.sqrt(seen**2 + 4 * unseen * error**2)) / (2 * unseen)


def test_the_samples_that_a_drop_needs_are_the_closed_form():
    first = power.analyse(planted_samples(ONE_LOST_OF_100)).row(0, named=True)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    seen, unseen = variances_of_one_lost()
    assert first["n_for_0.5_pp"] == pytest.approx(100 / ratio(seen, unseen, 0.5 / z), abs=1)
    # A drop of 2 points changes at least 2 % of the samples, more than these show.
    least = 100**2 * 0.02 * 0.98 / 100
    assert first["n_for_2_pp"] == pytest.approx(100 / ratio(least, unseen, 2 / z), abs=1)


def test_recommendations_follow_their_rules():
    document = pruning_recommendations.analyse(EVIDENCE)
    best = {entry["size"]: entry for entry in document["sizes"]}
    assert (best[1]["combination"], best[2]["combination"]) == ("3", "1-2")
    assert best[1]["tied"] == ["3"]
    assert best[2]["drop"] == pytest.approx(3)
    assert (best[1]["robustness"], best[2]["robustness"]) == (5, 2)
    strategies = document["strategies"]
    assert strategies["conservative"]["combination"] == "3"
    # 1-2 costs 3 %, but its interval reaches further.
    assert strategies["balanced"]["combination"] == "3"
    assert strategies["aggressive"]["combination"] == "1-2"
    assert [strategy["end"] for strategy in strategies.values()] == ["limit", "limit", "search"]
    assert [step["combination"] for step in document["path"]] == ["3", "2-3"]
    assert [step["increment"] for step in document["path"]] == pytest.approx([0, 6])
    assert {step["increment_role"] for step in document["path"]} == {"holdout"}
    searched = planted_evidence(EVALUATIONS.filter(role="search"))
    path = pruning_recommendations.analyse(searched)["path"]
    assert {step["increment_role"] for step in path} == {"search"}


def test_recommendations_quote_the_holdout_and_never_choose_by_it():
    rng = np.random.default_rng(3)
    noise = pl.Series(rng.normal(0.3, 0.2, len(EVALUATIONS)))
    scrambled = EVALUATIONS.with_columns(
        pl.when(role="holdout").then(noise).otherwise(name).alias(name)
        for name in ("relative", "drop")
    )
    before = pruning_recommendations.analyse(planted_evidence(EVALUATIONS))
    after = pruning_recommendations.analyse(planted_evidence(scrambled))
    first = before["sizes"][0]
    assert first["holdout"]["drop"] == pytest.approx(first["drop"])
    assert after["sizes"][0]["holdout"]["drop"] != pytest.approx(first["drop"])
    assert without_measurements(before) == without_measurements(after)


def without_measurements(content):
    """Return a document without what was measured on holdout samples."""
    if isinstance(content, dict):
        measured = ("holdout", "given_up", "costs", "robustness", "resolution", "strategies")
        increments = ("increment", "increment_low", "increment_high")
        skipped = {*measured, *increments}
        kept = {key: value for key, value in content.items() if key not in skipped}
        return {key: without_measurements(value) for key, value in kept.items()}
    if isinstance(content, list):
        return [without_measurements(entry) for entry in content]
    return content


def test_what_holdout_samples_did_not_measure_is_null():
    searched = EVALUATIONS.filter(
        (pl.col("role") == "search") | (pl.col("combination") == "1-2") | (pl.col("size") == 0)
    )
    document = pruning_recommendations.analyse(planted_evidence(searched))
    holdout = {entry["size"]: entry["holdout"] for entry in document["sizes"]}
    assert holdout[1] is None
    assert holdout[2]["drop"] == pytest.approx(3)


def test_mixed_tasks_take_the_routers_lists_and_its_drop():
    drops = {"generic": 9, "task": 4, "hybrid": 6, "gain": 3, "possible": 5}
    numbers = {
        name: {"drop": drop, "low": drop - 1, "high": drop + 1, "changed": 0.5, "q": 0.01}
        for name, drop in drops.items()
    }
    lists = [
        {"size": 1, "name": "generic", "combination": "3"},
        {"size": 1, "name": "VQA", "combination": "1"},
    ]
    routing = {"sizes": [{"size": 1, **numbers}], "lists": lists}
    evidence = planted_evidence(EVALUATIONS)
    document = pruning_recommendations.analyse(evidence, routing=routing)
    (mixed,) = document["scenarios"]["mixed"]
    assert (mixed["generic"], mixed["lists"]) == ("3", {"VQA": "1"})
    assert (mixed["holdout"]["drop"], mixed["gain"]["low"]) == (6, 2)
    jsonschema.validate(document, SCHEMAS["pruning_recommendations"])


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("evaluations", [EVALUATIONS, EVALUATIONS.filter(dataset="a"), HALVES])
def test_documents_keep_their_schemas(name, evaluations):
    schema = SCHEMAS[name]
    result = all_analyses(planted_evidence(evaluations))[name]
    document = json.loads(json.dumps(result, allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    for required in schema["required"]:
        rest = {key: value for key, value in document.items() if key != required}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(rest, schema)
