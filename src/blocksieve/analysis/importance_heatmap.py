"""What removing each block alone costs on each dataset."""

from typing import Any

import numpy as np
import polars as pl

from blocksieve.evidence import Evidence
from blocksieve.statistics import false_discovery, mcnemar, p_values

FALSE_DISCOVERY_RATE = 0.05
TABLE: dict[str, Any] = {
    "block": pl.UInt8,
    "dataset": pl.String,
    "task_type": pl.String,
    "n": pl.UInt32,
    **dict.fromkeys(("drop", "se", "low", "high", "p", "q"), pl.Float64),
    "significant": pl.Boolean,
    **dict.fromkeys(("wins", "losses"), pl.UInt32),
    "mcnemar": pl.Float64,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Give the drop of every single block on every dataset, in % or pp, with its interval.

    `q`: two-sided p against 0, adjusted over all blocks and datasets (Benjamini and Hochberg); `significant` where it
    is at most 5 %. `wins` and `losses`: samples that do better and worse without the block, and `mcnemar`, the exact p
    of their being equally likely, whose samples count as independent. Datasets in order of their task type.
    """
    order = {dataset: place for place, dataset in enumerate(evidence.task_types)}
    rows = evidence.table.filter(pl.col("size") == 1).with_columns(
        block=pl.col("removed").list.first(),
        place=pl.col("dataset").replace_strict(order, return_dtype=pl.UInt32),
    )
    drop, se = (rows[name].cast(pl.Float64).fill_null(np.nan) for name in ("drop", "se"))
    p = p_values(drop, se, rows["n_clusters"] - 1)
    counts = rows.select("wins", "losses").fill_null(0)
    rows = rows.with_columns(
        mcnemar=pl.Series([mcnemar(*pair) for pair in counts.iter_rows()], dtype=pl.Float64)
    )
    table = (
        rows.with_columns(p=pl.Series(p), q=pl.Series(false_discovery(p)))
        .fill_nan(None)
        .sort("place", "block")
    )
    return (
        table.with_columns(significant=(pl.col("q") <= FALSE_DISCOVERY_RATE).fill_null(False))
        .select(*TABLE)
        .cast(pl.Schema(TABLE))
    )
