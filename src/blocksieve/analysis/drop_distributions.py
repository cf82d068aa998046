"""How the measured drops are distributed, by number of removed blocks."""

import polars as pl

from blocksieve.evidence import Evidence

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "size": pl.UInt8,
    "drops_measured": pl.UInt32,
    "combinations": pl.UInt32,
    "mean": pl.Float64,
    "std": pl.Float64,
    "min": pl.Float64,
    "lower_quartile": pl.Float64,
    "median": pl.Float64,
    "upper_quartile": pl.Float64,
    "max": pl.Float64,
    "negative": pl.Float64,
    "drops": pl.List(pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Describe all drops that were measured, one per dataset and combination, in % or pp.

    One row per size. `negative`: the share of drops below 0, which are kept: they are gains, or
    chance. A search looks for small drops, so larger sizes hold good candidates, not a fair draw of
    all combinations. What was raced out is left out.
    """
    drop = pl.col("drop")
    complete = evidence.table.filter(~pl.col("raced_out"))
    by_size = complete.group_by("size").agg(
        drops_measured=pl.len(),
        combinations=pl.col("combination").n_unique(),
        mean=drop.mean(),
        std=drop.std(),
        min=drop.min(),
        lower_quartile=drop.quantile(0.25, "linear"),
        median=drop.median(),
        upper_quartile=drop.quantile(0.75, "linear"),
        max=drop.max(),
        negative=(drop < 0).mean(),
        drops=drop.sort(),
    )
    return by_size.sort("size").cast(pl.Schema(SCHEMA))
