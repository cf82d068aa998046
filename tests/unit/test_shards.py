"""Pairs with their baseline, sums by cluster, and combinations with fewer samples than others."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from planted import planted_definition, planted_evidence, planted_shard

from blocksieve.choosing import choose
from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evidence import Evidence
from blocksieve.merging import merge_shards
from blocksieve.shards import SumsByCluster, by_cluster, chunks, paired
from blocksieve.statistics import clustered_mean, clustered_relative_drop

NUM_SAMPLES = 40
# Three samples per image; the prefix cuts an image in two.
CLUSTERS = [f"image {number // 3:02d}" for number in range(NUM_SAMPLES)]
PREFIX = 19
RNG = np.random.default_rng(0)
SCORES = {
    text: (RNG.random(NUM_SAMPLES) < mean).astype(float)
    for text, mean in (("none", 0.9), ("0", 0.6), ("1", 0.5), ("2", 0.3))
}
ZERO, ONE, TWO = (Combination.of([block]) for block in range(3))


def raced_shard() -> pl.DataFrame:
    """A shard in which block 2 answered only a prefix of the draw order."""
    in_prefix = pl.col("sample_id").is_in([f"sample {number}" for number in range(PREFIX)])
    return planted_shard(SCORES, CLUSTERS).filter((pl.col("combination") != "2") | in_prefix)


@pytest.fixture
def raced(tmp_path: Path) -> Evidence:
    path = tmp_path / "a.parquet"
    raced_shard().write_parquet(path)
    evaluations = merge_shards({"a": planted_definition()}, [path], seed=0)
    return planted_evidence(evaluations, "points", sums={"a": by_cluster([path]).lazy()})


def test_every_pair_stands_beside_its_baseline_once(tmp_path: Path) -> None:
    shard = planted_shard(SCORES, CLUSTERS)
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    shard.write_parquet(paths[0])
    shard.filter(pl.col("combination") == "0").write_parquet(paths[1])
    pairs = paired(paths).collect().sort("combination", "sample_id")
    assert len(pairs) == len(shard)
    zero = pairs.filter(combination="0").with_columns(
        number=pl.col("sample_id").str.strip_prefix("sample ").cast(pl.Int64)
    )
    expected = (SCORES["none"] - SCORES["0"])[zero["number"].to_numpy()]
    assert zero["drop"].to_list() == expected.tolist()
    assert pairs.filter(combination="none")["drop"].abs().max() == 0


def test_sums_of_datasets_are_those_of_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / "a/single.0.parquet", tmp_path / "b/single.0.parquet"]
    for path in paths:
        path.parent.mkdir()
        planted_shard(SCORES, CLUSTERS).write_parquet(path)
    sums = SumsByCluster(paths)
    assert list(sums) == ["a", "b"]
    assert "c" not in sums
    paths[1].unlink()  # read when it is asked for
    assert sums["a"].collect().equals(by_cluster(paths[:1]))


def test_two_scores_of_a_pair_and_a_lacking_baseline_are_refused(tmp_path: Path) -> None:
    shard = planted_shard(SCORES, CLUSTERS)
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    shard.write_parquet(paths[0])
    shard.filter(combination="0").with_columns(
        pl.lit(0.5, pl.Float32).alias("score")
    ).write_parquet(paths[1])
    with pytest.raises(DataError, match="combination 0 has two scores for sample"):
        list(chunks(paths))
    shard.filter(pl.col("combination") != "none").write_parquet(paths[0])
    with pytest.raises(DataError, match="samples without a baseline score"):
        list(chunks(paths[:1]))


def test_samples_are_counted_for_every_combination(raced: Evidence) -> None:
    assert raced.sample_counts == {
        ZERO: {"a": NUM_SAMPLES},
        ONE: {"a": NUM_SAMPLES},
        TWO: {"a": PREFIX},
    }
    assert list(raced.coverage) == raced.with_full_coverage() == [ZERO, ONE]
    assert raced.table["n"].to_list() == [NUM_SAMPLES, NUM_SAMPLES, PREFIX]


def test_comparisons_use_the_samples_that_both_have(raced: Evidence) -> None:
    both, raced_out = raced.average([{ONE: 1.0, ZERO: -1.0}, {TWO: 1.0, ZERO: -1.0}])
    assert both.mean == pytest.approx(100 * (SCORES["0"] - SCORES["1"]).mean())
    difference = (SCORES["0"] - SCORES["2"])[:PREFIX]
    expected = clustered_mean(100 * difference, CLUSTERS[:PREFIX])
    assert raced_out.mean == pytest.approx(expected.mean)
    # What bounded scores add to the variance widens it, so that it is no smaller than plain.
    assert raced_out.se is not None
    assert raced_out.se >= expected.se


def test_a_drop_on_fewer_samples_has_the_interval_of_those(raced: Evidence) -> None:
    mean = raced.average([{TWO: 1.0}])[0]
    row = raced.table.filter(combination="2").row(0, named=True)
    assert (mean.mean, mean.low) == pytest.approx((row["drop"], row["low"]))


def test_relative_drops_take_the_baseline_of_the_common_samples(raced: Evidence) -> None:
    relative = planted_evidence(raced.evaluations, "relative", sums=raced.sums)
    drops = (SCORES["none"] - SCORES["2"])[:PREFIX]
    expected = clustered_relative_drop(drops, SCORES["none"][:PREFIX], CLUSTERS[:PREFIX], 1)
    assert relative.average([{TWO: 1.0}])[0].mean == pytest.approx(100 * expected.mean)


def test_who_was_raced_out_is_never_chosen(raced: Evidence) -> None:
    assert TWO not in {choice.combination for choice in choose(raced)}


def test_samples_that_are_no_prefix_are_refused(tmp_path: Path) -> None:
    shard = raced_shard()
    lacking = (pl.col("combination") == "1") & (pl.col("sample_id") == "sample 3")
    shard.filter(~lacking).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="was not evaluated on the same samples as others"):
        by_cluster([tmp_path / "a.parquet"])
