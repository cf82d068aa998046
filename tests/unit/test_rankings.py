"""The rankings on planted drops: order, coverage, scales, intervals."""

import numpy as np
import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence, planted_samples
from scipy import stats

from blocksieve.analysis import consistency_analysis, rankings_by_num_removed
from blocksieve.analysis.rankings_by_num_removed import SCHEMA, rank
from blocksieve.choices import tie_breaker
from blocksieve.combination import Combination
from blocksieve.errors import DataError

BASELINES = {"vqa": 0.5, "caption": 1.2, "count": 0.8}
DROPS = {
    "vqa": {(0,): 0.25, (1,): 0.05, (2,): -0.01, (1, 2): 0.1, (1, 10): 0.02},
    "caption": {(0,): 0.6, (1,): 0.12, (2,): 0.0, (1, 2): 0.24},
    "count": {(0,): 0.4, (1,): 0.0, (2,): 0.008, (1, 2): 0.16},
}
EVALUATIONS = planted_evaluations(DROPS, BASELINES, unbounded=["caption"])


def row(ranking: pl.DataFrame, combination: str) -> dict:
    return ranking.row(by_predicate=pl.col("combination") == combination, named=True)


def test_ranks_by_the_planted_relative_drops_and_leaves_out_the_baseline():
    ranking = rank(EVALUATIONS, "relative")
    assert ranking.schema == SCHEMA
    assert ranking["combination"].to_list() == ["2", "1", "0", "1-2", "1-10"]
    assert ranking["rank"].to_list() == [1, 2, 3, 1, None]
    assert ranking["relative_mean"].to_list() == pytest.approx([-1 / 3, 20 / 3, 50, 20, 4])


def test_points_average_over_the_bounded_datasets_only():
    pair = row(rank(EVALUATIONS, "points"), "1-2")
    assert pair["points_mean"] == pytest.approx(13)
    assert (pair["points_datasets"], pair["relative_datasets"], pair["coverage"]) == (2, 3, 3)


def test_interval_of_the_mean_and_spread_are_two_things():
    pair = row(rank(EVALUATIONS, "points"), "1-2")
    assert pair["points_se"] == pytest.approx(2**0.5 / 2)
    assert pair["points_ci_high"] - 13 == pytest.approx(2**0.5)
    # Standard errors of 1 point are part of how far the drops differ.
    assert pair["points_spread"] == pytest.approx((18 - 1) ** 0.5)


def test_datasets_of_this_kind_have_an_interval_of_their_own():
    pair = row(rank(EVALUATIONS, "relative"), "0")
    assert pair["relative_mean"] == 50
    assert (pair["relative_kind_low"], pair["relative_kind_high"]) == pytest.approx(
        (pair["relative_ci_low"], pair["relative_ci_high"])
    )
    pair = row(rank(EVALUATIONS, "relative"), "1")
    expected = stats.ttest_1samp([10, 10, 0], 0).confidence_interval()
    assert (pair["relative_kind_low"], pair["relative_kind_high"]) == pytest.approx(
        (expected.low, expected.high)
    )


def test_where_samples_are_known_rankings_and_consistency_give_one_spread():
    rng = np.random.default_rng(1)
    world = {}
    for dataset, cost in (("vqa", 0.1), ("count", 0.3), ("doc", 0.5)):
        right = rng.random(200) < 0.8
        scores = {name: right & (rng.random(200) > cost) for name in ("0", "1")}
        world[dataset] = scores | {"none": right}
    for scale in ("relative", "points"):
        evidence = planted_samples(world, scale)
        ranking = rankings_by_num_removed.analyse(evidence).sort("combination")
        spreads = consistency_analysis.analyse(evidence).sort("combination")["spread"]
        assert ranking[f"{scale}_spread"].to_list() == pytest.approx(spreads.to_list())
        other = "points" if scale == "relative" else "relative"
        assert ranking[f"{other}_spread"].null_count() == 0


def test_relative_interval_takes_student_t_over_the_clusters():
    alone = planted_evaluations({"vqa": {(1,): 0.1}}, {"vqa": 0.5}, n=12)
    single = row(rank(alone, "relative"), "1")
    assert single["relative_ci_high"] == pytest.approx(20 + 2 * stats.t.ppf(0.975, 11))
    assert single["relative_spread"] is None


def test_partial_coverage_stays_without_a_rank_however_small_its_drop():
    partial = row(rank(EVALUATIONS, "relative"), "1-10")
    assert partial["rank"] is None
    assert partial["full"] is False
    assert (partial["coverage"], partial["num_datasets"]) == (1, 3)
    assert (partial["datasets"], partial["n_min"], partial["n_total"]) == (["vqa"], 100, 100)


def test_partly_covered_combinations_stand_by_coverage_before_their_drop():
    drops = {"a": {(1,): 0.0, (2,): 0.2, (3,): 0.1}, "b": {(2,): 0.2, (3,): 0.1}, "c": {(4,): 0.1}}
    ranking = rank(planted_evaluations(drops, dict.fromkeys(drops, 0.5)), "relative")
    assert ranking["combination"].to_list() == ["3", "2", "1", "4"]
    assert ranking["rank"].null_count() == 4


def test_equal_drops_rank_by_the_rule_for_ties():
    ties = planted_evaluations(
        {"vqa": {(10,): 0.1, (2,): 0.1, (2, 10): 0.1, (2, 3): 0.1}}, {"vqa": 0.5}
    )
    ranked = rank(ties, "relative")["combination"].to_list()
    # Smaller sizes come first whatever the rule says.
    singles = by_tie_breaker("2", "10")
    pairs = by_tie_breaker("2-3", "2-10")
    assert ranked == [*singles, *pairs]


def by_tie_breaker(*names):
    return sorted(names, key=lambda name: tie_breaker(Combination.parse(name)))


def test_order_of_the_rows_does_not_matter():
    shuffled = EVALUATIONS.sample(fraction=1, shuffle=True, seed=1)
    assert rank(shuffled, "relative").equals(rank(EVALUATIONS, "relative"))


def test_zero_baseline_is_left_out_of_the_relative_mean_and_counted():
    drops = {"vqa": {(1,): 0.05}, "hard": {(1,): -0.1}}
    evaluations = planted_evaluations(drops, {"vqa": 0.5, "hard": 0.0})
    single = row(rank(evaluations, "relative"), "1")
    assert single["relative_mean"] == pytest.approx(10)
    assert (single["relative_datasets"], single["coverage"], single["full"]) == (1, 2, True)
    assert single["points_mean"] == pytest.approx(-2.5)


def test_unknown_error_leaves_the_mean_with_no_interval():
    one_cluster = EVALUATIONS.with_columns(
        pl.lit(float("nan")).alias(name) for name in ("se", "ci_low", "ci_high")
    )
    pair = row(rank(one_cluster, "points"), "1-2")
    assert pair["points_mean"] == pytest.approx(13)
    assert pair["points_se"] is None
    assert pair["points_ci_low"] is None


def test_roles_are_ranked_apart():
    better = pl.when(role="holdout", combination="0").then(-1.0).otherwise("relative")
    evaluations = EVALUATIONS.with_columns(relative=better)
    on_holdout = rank(evaluations, "relative", "holdout").filter(pl.col("size") == 1)
    on_search = rank(evaluations, "relative").filter(pl.col("size") == 1)
    assert on_holdout["combination"].to_list() == ["0", "2", "1"]
    assert on_search["combination"].to_list() == ["2", "1", "0"]


def test_baseline_only_gives_an_empty_ranking():
    assert rank(planted_evaluations({}, BASELINES), "relative").is_empty()


@pytest.mark.parametrize(
    ("evaluations", "message"),
    [
        (EVALUATIONS.drop("bounded"), "columns missing: bounded"),
        (EVALUATIONS.filter(pl.col("role") == "holdout"), "no row has role search"),
        (pl.concat([EVALUATIONS, EVALUATIONS]), "two rows"),
        (EVALUATIONS.with_columns(pl.lit(None, pl.Float64).alias("drop")), "no drop"),
        (
            EVALUATIONS.with_columns(pl.lit(None, pl.Float64).alias("relative")),
            "choose the other scale",
        ),
    ],
)
def test_unusable_tables_are_refused(evaluations, message):
    with pytest.raises(DataError, match=message):
        rank(evaluations, "relative")


def test_holdout_means_stand_beside_the_search_ones_over_the_same_datasets() -> None:
    drops = {"a": {(0,): 0.1, (1,): 0.05}, "b": {(0,): 0.2, (1,): 0.1}}
    held_out = {"a": {(0,): 0.3, (1,): 0.02}, "b": {(0,): 0.1}}
    baselines = {"a": 0.5, "b": 0.8}
    search = planted_evaluations(drops, baselines, roles=["search"])
    holdout = planted_evaluations(held_out, baselines, roles=["holdout"])
    ranking = rankings_by_num_removed.analyse(planted_evidence(pl.concat([search, holdout])))
    means = dict(ranking.select("combination", "points_holdout_mean").iter_rows())
    assert dict(ranking.select("combination", "points_mean").iter_rows())["0"] == pytest.approx(15)
    assert means["0"] == pytest.approx(20)
    assert means["1"] is None
