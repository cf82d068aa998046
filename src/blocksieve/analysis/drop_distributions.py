"""How the measured drops are distributed, in all and by number of removed blocks."""

from typing import Any

import polars as pl

from blocksieve.evidence import Evidence

TABLE: dict[str, Any] = {
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
    """Describe all drops that were measured: one a dataset and combination, in % or pp.

    One row a size. `negative`: the share of drops below 0, which are kept: they are gains, or chance. A search looks
    for small drops, so larger sizes hold good candidates, not a fair draw of all combinations.
    """
    grouped = evidence.table.group_by("size").agg(
        drops_measured=pl.len(),
        combinations=pl.col("combination").n_unique(),
        mean=pl.mean("drop"),
        std=pl.std("drop"),
        min=pl.min("drop"),
        lower_quartile=pl.quantile("drop", 0.25, "linear"),
        median=pl.median("drop"),
        upper_quartile=pl.quantile("drop", 0.75, "linear"),
        max=pl.max("drop"),
        negative=(pl.col("drop") < 0).mean(),
        drops=pl.col("drop").sort(),
    )
    return grouped.sort("size").cast(pl.Schema(TABLE))
