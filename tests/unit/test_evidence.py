"""What analyses are made from: averages of contrasts from sums by cluster of real shards."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from planted import (
    LIMITS,
    planted_definition,
    planted_evaluations,
    planted_evidence,
    planted_shard,
)

from blocksieve.analysis import (
    pruning_recommendations,
    rankings_by_num_removed,
    task_type_comparison,
)
from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evidence import read_evidence
from blocksieve.importance import importance_scores
from blocksieve.merging import merge_shards
from blocksieve.report.evaluations import sections as evaluation_sections
from blocksieve.report.findings import task_types
from blocksieve.shards import by_cluster, chunks
from blocksieve.specs import AnalysisSpec
from blocksieve.statistics import clustered_mean, clustered_relative_drop

RNG = np.random.default_rng(0)
CLUSTERS = [f"image {number // 3}" for number in range(60)]
SCORES = {
    name: np.clip(RNG.normal(mean, 0.3, 60), 0, 1).astype(np.float32).astype(float)
    for name, mean in (("none", 0.7), ("0", 0.3), ("1", 0.6), ("0-1", 0.2))
}
ZERO, ONE, BOTH = (Combination.parse(text) for text in ("0", "1", "0-1"))
DEFINITION = {"first": planted_definition()}


@pytest.fixture
def evidence(tmp_path):
    """Of one dataset, through files."""
    shard = planted_shard(SCORES, CLUSTERS, dataset="first")
    shard.filter(pl.col("size") < 2).write_parquet(tmp_path / "one.parquet")
    shard.filter(pl.col("size") != 1).write_parquet(
        tmp_path / "two.parquet"
    )  # the baseline stands in both
    files = sorted(tmp_path.glob("*.parquet"))
    return planted_evidence(
        merge_shards(DEFINITION, files, 0), sums={"first": by_cluster(files).lazy()}
    )


def test_shards_are_merged_and_summed_piece_by_piece(evidence, tmp_path, monkeypatch):
    monkeypatch.setattr("blocksieve.shards.ROWS_PER_CHUNK", 70)
    files = sorted(tmp_path.glob("*.parquet"))
    assert len(list(chunks(files))) > 1
    assert merge_shards(DEFINITION, files, 0).equals(evidence.evaluations)
    assert by_cluster(files).equals(evidence.sums["first"].collect())


def test_sums_of_clusters_hold_every_sample_once(evidence):
    sums = evidence.sums_of("first")
    assert sums.group_by("combination").agg(pl.sum("n")).sort("combination").rows() == [
        ("0", 60),
        ("0-1", 60),
        ("1", 60),
    ]
    found = sums.filter(combination="0", cluster="image 0")
    assert found["drop"].item() == pytest.approx((SCORES["none"] - SCORES["0"])[:3].sum())


def test_a_single_drop_has_the_interval_of_the_table(evidence):
    mean = evidence.average([{ZERO: 1.0}])[0]
    expected = clustered_relative_drop(
        SCORES["none"] - SCORES["0"], SCORES["none"], CLUSTERS, max_change=1
    )
    assert (mean.mean, mean.se) == pytest.approx((100 * expected.mean, 100 * expected.se))
    assert (mean.low, mean.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert mean.low == pytest.approx(evidence.table.filter(combination="0")["low"].item())


def test_a_contrast_is_the_mean_of_the_paired_differences(evidence):
    points = planted_evidence(evidence.evaluations, "points", sums=evidence.sums)
    mean = points.average([{BOTH: 1.0, ZERO: -1.0, ONE: -1.0}])[0]
    paired = SCORES["0"] + SCORES["1"] - SCORES["0-1"] - SCORES["none"]
    plain = clustered_mean(100 * paired, CLUSTERS)
    assert mean.mean == pytest.approx(plain.mean)
    drops = [100 * (SCORES["none"] - SCORES[name]) for name in ("0", "1", "0-1")]
    # What `bounded` adds to the variance of every drop.
    widened = sum(
        (100 * clustered_mean(drop / 100, CLUSTERS, max_change=1).se) ** 2
        - clustered_mean(drop, CLUSTERS).se ** 2
        for drop in drops
    )
    assert mean.se**2 == pytest.approx(plain.se**2 + widened)


def test_without_samples_drops_count_as_independent():
    evaluations = planted_evaluations({"vqa": {(0,): 0.1, (1,): 0.2}}, {"vqa": 0.5}, se=0.01)
    mean = planted_evidence(evaluations).average([{ONE: 1.0, ZERO: -1.0}])[0]
    assert (mean.mean, mean.se) == pytest.approx((20, 2 * 2**0.5))


def test_without_samples_what_is_added_up_counts_as_fully_correlated():
    drops = {(0,): 0.1, (1,): 0.2, (0, 1): 0.2}
    evaluations = planted_evaluations({"vqa": drops, "doc": drops}, {"vqa": 0.5, "doc": 0.5})
    alone = planted_evidence(evaluations)
    mean, interaction = alone.average(
        [{ONE: 0.5, ZERO: 0.5}, {BOTH: 1.0, ONE: -1.0, ZERO: -1.0}], ["vqa"]
    )
    # Every drop has an error of 2 %: the mean of two as much, a sum of two twice as much.
    assert (mean.mean, mean.se) == pytest.approx((30, 2))
    assert (interaction.mean, interaction.se) == pytest.approx((-20, 20**0.5))
    # Two datasets have samples of their own.
    over_both = alone.average([{ONE: 0.5, ZERO: 0.5}])[0]
    assert over_both.se == pytest.approx(2 / 2**0.5)


def test_without_samples_like_task_types_are_told_apart_in_5_percent_at_most():
    rng = np.random.default_rng(5)
    blocks = [(block,) for block in range(8)]
    num_false = 0
    for _ in range(20):
        # One set of samples answers all combinations, so that their errors are much the same.
        drops = {}
        for dataset in ("a", "b", "c"):
            shared = rng.normal(0, 0.01)
            drops[dataset] = {block: 0.1 + shared + rng.normal(0, 0.002) for block in blocks}
        table = planted_evaluations(drops, dict.fromkeys(drops, 1.0), roles=["search"], se=0.0102)
        (sentence,) = task_types(task_type_comparison.analyse(planted_evidence(table)), "%")
        num_false += "loses more than" in sentence
    assert num_false <= 3


def test_combinations_on_other_samples_are_refused(evidence):
    lacking = evidence.sums["first"].filter(
        ~((pl.col("combination") == "1") & (pl.col("cluster") == "image 0"))
    )
    short = planted_evidence(evidence.evaluations, sums={"first": lacking})
    with pytest.raises(DataError, match="combination 1 was not evaluated on the same samples"):
        short.average([{ONE: 1.0}])


def test_depth_is_the_models_or_what_the_combinations_show():
    evaluations = planted_evaluations({"vqa": {(0,): 0.1, (11,): 0.2}}, {"vqa": 0.5})
    assert planted_evidence(evaluations).depth == 12
    assert planted_evidence(evaluations, num_blocks=16).depth == 16


def seven_datasets_and_a_weak_one() -> pl.DataFrame:
    drops = {f"dataset {number}": {(0,): 0.01, (1,): 0.02} for number in range(7)}
    baselines = dict.fromkeys(drops, 0.8)
    # 2 of 100 samples right: half of that lost is one sample.
    return planted_evaluations(
        drops | {"hard": {(0,): 0.01, (1,): -0.01}}, baselines | {"hard": 0.02}
    )


def test_a_weak_baseline_is_left_out_of_means_and_named():
    evidence = planted_evidence(seven_datasets_and_a_weak_one())
    assert evidence.weak == evidence.left_out == ["hard"]
    assert evidence.average([{ZERO: 1.0}])[0].mean == pytest.approx(1.25)
    assert evidence.mean_drops([ZERO, ONE], evidence.datasets) == pytest.approx([1.25, 2.5])
    assert evidence.spread(ZERO, evidence.datasets) == 0
    # Alone, and on the other scale, it stands.
    assert evidence.average([{ZERO: 1.0}], ["hard"])[0].mean == pytest.approx(50)
    points = planted_evidence(evidence.evaluations, "points")
    assert points.left_out == []
    assert points.average([{ZERO: 1.0}])[0].mean == pytest.approx(1)
    ranking = rankings_by_num_removed.analyse(evidence)
    assert ranking["relative_mean"].to_list() == pytest.approx([1.25, 2.5])
    assert ranking["relative_datasets"].to_list() == [7, 7]
    assert pruning_recommendations.analyse(evidence)["left_out"] == ["hard"]
    scores = dict(importance_scores(evidence))
    assert scores["generic"].left_out == ("hard",)
    assert scores["hard"].left_out == ()
    (baselines, _) = evaluation_sections(evidence.evaluations, {})
    (sentence,) = baselines.below
    assert "Baseline 0.02 on hard has a standard error of 0.014" in sentence
    assert "means over datasets in % leave it out" in sentence


def test_baselines_are_weak_below_5_standard_errors_by_their_samples():
    table = seven_datasets_and_a_weak_one()
    for error, is_weak in ((0.0041, True), (0.0039, False)):
        with_error = table.with_columns(baseline_se=pl.lit(error))
        assert planted_evidence(with_error).weak == (["hard"] if is_weak else [])
    only_weak = planted_evidence(table.filter(dataset="hard"))
    assert only_weak.left_out == []
    assert only_weak.average([{ZERO: 1.0}])[0].mean == pytest.approx(50)


def test_datasets_count_by_their_weights():
    drops = {"vqa": {(0,): 0.1, (1,): 0.0}, "doc": {(0,): 0.0, (1,): 0.05}}
    table = planted_evaluations(drops, {"vqa": 1.0, "doc": 1.0}, se=0.002)
    evidence = planted_evidence(table, weights={"doc": 3})
    means = evidence.average([{ZERO: 1.0}, {ONE: 1.0}])
    assert [mean.mean for mean in means] == pytest.approx([2.5, 3.75])
    assert means[0].se == pytest.approx(0.2 * np.hypot(1, 3) / 4)
    by_dataset = evidence.average_of({"vqa": {ZERO: 1.0}, "doc": {ONE: 1.0}}, {"vqa": 2, "doc": 0})
    assert by_dataset.mean == pytest.approx((12 + 3 * 5) / 4)
    ranking = rankings_by_num_removed.analyse(evidence)
    assert ranking["combination"].to_list() == ["0", "1"]
    assert ranking["relative_mean"].to_list() == pytest.approx([2.5, 3.75])
    assert ranking["tied"].to_list() == [True, False]
    equal = rankings_by_num_removed.analyse(planted_evidence(table))
    assert equal["combination"].to_list() == ["1", "0"]
    assert pruning_recommendations.analyse(evidence)["sizes"][0]["combination"] == "0"
    scores = dict(importance_scores(evidence))["generic"]
    assert scores.removal_order == (0, 1)
    assert dict(zip(scores.datasets, scores.weights, strict=True)) == {"vqa": 1, "doc": 3}


def test_a_weight_of_no_dataset_is_refused(tmp_path):
    path = tmp_path / "evaluations.parquet"
    planted_evaluations({"vqa": {(0,): 0.1}}, {"vqa": 0.5}).write_parquet(path)
    files = SimpleNamespace(evaluations=str(path), clusters=[], beams=[], model=[], finalists=[])
    settings = AnalysisSpec("relative", LIMITS, {"vqaa": 2})
    with pytest.raises(DataError, match=r"analysis.weights: no dataset 'vqaa' .* known: vqa"):
        read_evidence(files, settings)
