"""What these samples can tell: the drop that could be found, and how many samples a smaller one would need."""

from typing import Any

import polars as pl

from blocksieve.evidence import PERCENT, Evidence, rows_of_role
from blocksieve.statistics import detectable, samples_needed

GAPS = (0.5, 1.0, 2.0)
TABLE: dict[str, Any] = {
    **dict.fromkeys(("dataset", "task_type"), pl.String),
    **dict.fromkeys(("n", "n_clusters"), pl.UInt32),
    **dict.fromkeys(("discordant", "se", "detectable"), pl.Float64),
    **{f"n_for_{gap:g}_pp": pl.UInt32 for gap in GAPS},
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Say for each dataset which drop a two-sided 5 % test would find with 80 % probability, in percentage points.

    From the median standard error `se` of its combinations (clustering included), of those where it is not 0.
    `discordant`: the median share of samples whose score differs from the baseline's. `n_for_*_pp`: samples that a drop
    of so many points would need at this rate of change (for CIDEr 100 x its score). Null where no error is known.
    """
    rows = []
    found = (
        rows_of_role(evidence.evaluations, evidence.role).filter(pl.col("size") > 0).sort("dataset")
    )
    for (dataset,), group in found.group_by("dataset", maintain_order=True):
        n, clusters = group.select(pl.max("n", "n_clusters")).row(0)
        row = {
            "dataset": dataset,
            "task_type": group["task_type"][0],
            "n": n,
            "n_clusters": clusters,
        }
        changed = group.filter(pl.col("se") > 0)
        row["discordant"] = ((group["wins"] + group["losses"]) / group["n"]).median()
        if len(changed):
            se = float(changed["se"].median()) * PERCENT  # type: ignore[arg-type]
            row |= {"se": se, "detectable": float(detectable(se))}
            row |= {f"n_for_{gap:g}_pp": samples_needed(se, n, gap) for gap in GAPS}
        rows.append(row)
    return pl.DataFrame(rows, schema=TABLE)
