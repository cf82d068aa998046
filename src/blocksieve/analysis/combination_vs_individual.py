"""Synergy: whether a combination costs less or more than its blocks removed one at a time."""

from typing import Any

import numpy as np
import polars as pl

from blocksieve.evidence import Evidence
from blocksieve.statistics import false_discovery

FALSE_DISCOVERY_RATE = 0.05
TABLE: dict[str, Any] = {
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8,
    "coverage": pl.UInt32,
    "full": pl.Boolean,
    "measured": pl.Float64,
    "summed": pl.Float64,
    "interaction": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "label": pl.String,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Interaction of each combination of two blocks or more: its drop minus the sum of its blocks' own drops.

    In % or pp, averaged over the datasets that have the combination and all its single blocks (`coverage`), on the same
    samples. `q`: p adjusted over the run (Benjamini and Hochberg). `label`: synergy (it costs less) or antagonism (it
    costs more) where q is at most 5 %, else none. Combinations without such a dataset have no row.
    """
    rows = []
    removed = (
        evidence.table.filter(pl.col("size") > 1).select("size", "removed", "combination").unique()
    )
    for size, blocks, name in removed.sort("size", "removed").iter_rows():
        singles = [str(block) for block in blocks]
        datasets = [
            d for d in evidence.coverage[name] if all(s in evidence.names[d] for s in singles)
        ]
        if not datasets:
            continue
        interaction = {name: 1.0} | dict.fromkeys(singles, -1.0)
        estimate = evidence.average([interaction], datasets).row(0, named=True)
        measured = float(np.mean([evidence.values(dataset, [name])[0] for dataset in datasets]))
        rows.append(
            {
                "combination": name,
                "removed": blocks,
                "size": size,
                "coverage": len(datasets),
                "full": len(datasets) == len(evidence.names),
                "measured": measured,
                "summed": measured - estimate["mean"],
                "interaction": estimate["mean"],
                **{key: estimate[key] for key in ("se", "low", "high", "p")},
            }
        )
    table = pl.DataFrame(
        rows, schema={name: kind for name, kind in TABLE.items() if name not in ("q", "label")}
    )
    adjusted = false_discovery(table["p"].cast(pl.Float64).fill_null(np.nan).to_numpy())
    found = pl.col("q") <= FALSE_DISCOVERY_RATE
    label = (
        pl.when(found & (pl.col("interaction") < 0))
        .then(pl.lit("synergy"))
        .when(found & (pl.col("interaction") > 0))
        .then(pl.lit("antagonism"))
        .otherwise(pl.lit("none"))
    )
    return table.with_columns(q=pl.Series(adjusted, dtype=pl.Float64).fill_nan(None)).with_columns(
        label=label
    )
