"""What these samples can show: the drop they detect, and how many a smaller one would need."""

import polars as pl

from blocksieve.evidence import Evidence, rows_of_role
from blocksieve.statistics import detectable, samples_needed
from blocksieve.units import PERCENT

GAPS = (0.5, 1.0, 2.0)
"""Drops in percentage points whose sample sizes the table gives."""
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "n": pl.UInt32,
    "n_clusters": pl.UInt32,
    "discordant": pl.Float64,
    "se": pl.Float64,
    "detectable": pl.Float64,
    **{f"n_for_{gap:g}_pp": pl.UInt32 for gap in GAPS},
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return for each dataset the drop that a two-sided 5 % test detects with 80 % probability.

    In percentage points, from the median standard error `se` of its combinations (clustering
    included), of those where it is not 0. `discordant`: the median share of samples whose score
    differs from the baseline's. `n_for_*_pp`: samples that a drop of so many points would need at
    this rate of change (for CIDEr 100 x its score). Null where no error is known.
    """
    removals = rows_of_role(evidence.evaluations, evidence.role).filter(pl.col("size") > 0)
    groups = removals.sort("dataset").group_by("dataset", maintain_order=True)
    rows = []
    for _, group in groups:
        rows.append(_power(group))
    return pl.DataFrame(rows, schema=SCHEMA)


def _power(group: pl.DataFrame) -> Row:
    """Return the row of one dataset from the rows of its combinations."""
    n, num_clusters = group.select(pl.max("n", "n_clusters")).row(0)
    discordant = (group["wins"] + group["losses"]) / group["n"]
    row: Row = {
        "dataset": group["dataset"][0],
        "task_type": group["task_type"][0],
        "n": n,
        "n_clusters": num_clusters,
        "discordant": discordant.median(),
    }
    median_se = group.filter(pl.col("se") > 0).select(pl.median("se")).item()
    if median_se is not None:
        se = median_se * PERCENT
        row |= {"se": se, "detectable": float(detectable(se))}
        row |= {f"n_for_{gap:g}_pp": samples_needed(se, n, gap) for gap in GAPS}
    return row
