"""Whether the train and the validation split of a dataset agree on which blocks matter."""

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, clustered_drops
from blocksieve.statistics import Drops, correlation

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "split_a": pl.String,
    "split_b": pl.String,
    "block": pl.UInt8,
    "drop_a": pl.Float64,
    "drop_b": pl.Float64,
    "samples_a": pl.UInt32,
    "samples_b": pl.UInt32,
    "spearman": pl.Float64,
    "spearman_low": pl.Float64,
    "spearman_high": pl.Float64,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Measure every block on either of two source splits, and how the splits' orders agree.

    One row per dataset, pair of splits and block: the drop in % or pp on each split's samples, and
    Spearman's correlation over the dataset's blocks with its interval, the same in all its rows.
    Datasets of one split have no rows, nor has a run without samples (a given table).
    """
    tables = [pl.DataFrame(schema=SCHEMA)]
    for dataset in evidence.task_types:
        if dataset not in evidence.sums:
            continue
        sums = evidence.sums_of(dataset)
        splits = sums["split"].unique().sort()
        for split_a, split_b in combinations(splits, 2):
            tables.append(_agreement(evidence, dataset, sums, split_a, split_b))
    return pl.concat(tables)


def _agreement(
    evidence: Evidence, dataset: str, sums: pl.DataFrame, split_a: str, split_b: str
) -> pl.DataFrame:
    blocks = [combination for combination in evidence.row_index[dataset] if combination.is_single]
    sums_a = sums.filter(pl.col("split") == split_a)
    sums_b = sums.filter(pl.col("split") == split_b)
    drops_a = _drops(evidence, dataset, sums_a, blocks).means
    drops_b = _drops(evidence, dataset, sums_b, blocks).means
    spearman, low, high = correlation(drops_a, drops_b, "spearman")
    table = pl.DataFrame(
        {
            "block": [block.blocks[0] for block in blocks],
            "drop_a": drops_a,
            "drop_b": drops_b,
        }
    ).with_columns(
        dataset=pl.lit(dataset),
        task_type=pl.lit(evidence.task_types[dataset]),
        split_a=pl.lit(split_a),
        split_b=pl.lit(split_b),
        samples_a=pl.lit(_num_samples(sums_a)),
        samples_b=pl.lit(_num_samples(sums_b)),
        spearman=pl.lit(spearman),
        spearman_low=pl.lit(low),
        spearman_high=pl.lit(high),
    )
    return table.fill_nan(None).select(*SCHEMA).cast(pl.Schema(SCHEMA))


def _drops(
    evidence: Evidence, dataset: str, sums: pl.DataFrame, blocks: Sequence[Combination]
) -> Drops:
    return clustered_drops(sums, blocks, evidence.scale, evidence.max_change[dataset])


def _num_samples(sums: pl.DataFrame) -> int:
    """Count the samples of any one combination: all have the same."""
    first = sums["combination"][0]
    clusters = sums.filter(pl.col("combination") == first)
    return int(clusters["n"].sum())
