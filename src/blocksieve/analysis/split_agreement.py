"""Whether the train and the validation split of a dataset agree on which blocks matter."""

from itertools import combinations
from typing import Any

import polars as pl

from blocksieve.evidence import Evidence, clustered_drops
from blocksieve.statistics import correlation

TABLE: dict[str, Any] = {
    **dict.fromkeys(("dataset", "task_type", "split_a", "split_b"), pl.String),
    "block": pl.UInt8,
    **dict.fromkeys(("drop_a", "drop_b"), pl.Float64),
    **dict.fromkeys(("samples_a", "samples_b"), pl.UInt32),
    **dict.fromkeys(("spearman", "spearman_low", "spearman_high"), pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Importance of every block on either of two source splits, and how their orders agree.

    One row a dataset, pair of splits and block: the drop in % or pp on each split's samples, and the same in every row
    of a dataset, Spearman's correlation over its blocks with its interval. Datasets of one split have no rows; nor has
    a run without samples (a given table).
    """
    tables = [
        _agreement(evidence, dataset, sums, first, second)
        for dataset in evidence.task_types
        if dataset in evidence.sums
        for sums in [evidence.sums_of(dataset)]
        for first, second in combinations(sums["split"].unique().sort(), 2)
    ]
    return pl.concat(tables) if tables else pl.DataFrame(schema=TABLE)


def _agreement(
    evidence: Evidence, dataset: str, sums: pl.DataFrame, first: str, second: str
) -> pl.DataFrame:
    blocks = [name for name in evidence.names[dataset] if "-" not in name]
    columns: dict[str, Any] = {"block": list(map(int, blocks))}
    for end, split in (("a", first), ("b", second)):
        own = sums.filter(pl.col("split") == split)
        one = own.filter(pl.col("combination") == own["combination"][0])
        columns |= {
            f"drop_{end}": clustered_drops(
                own, blocks, evidence.scale, evidence.change[dataset]
            ).means
        }
        columns |= {f"samples_{end}": one["n"].sum()}
    r, low, high = correlation(columns["drop_a"], columns["drop_b"], "spearman")
    about = {
        "dataset": dataset,
        "task_type": evidence.task_types[dataset],
        "split_a": first,
        "split_b": second,
    }
    numbers = {"spearman": r, "spearman_low": low, "spearman_high": high}
    table = pl.DataFrame(columns).with_columns(
        **{key: pl.lit(value) for key, value in (about | numbers).items()}
    )
    return table.fill_nan(None).select(*TABLE).cast(pl.Schema(TABLE))
