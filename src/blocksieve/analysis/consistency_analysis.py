"""How alike the datasets respond to a combination."""

from typing import Any

import polars as pl

from blocksieve.evidence import Evidence
from blocksieve.statistics import spread

TABLE: dict[str, Any] = {
    "combination": pl.String,
    "size": pl.UInt8,
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "spread": pl.Float64,
    "cv": pl.Float64,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Coefficient of variation of the drop over datasets, for combinations on two datasets or more.

    `mean`, its interval and `spread` (standard deviation over datasets) in % or pp; `cv` = spread / mean, null where
    the mean is not clearly above 0 (its interval reaches 0), since a ratio to nothing says nothing.
    """
    rows = []
    for name, datasets in evidence.coverage.items():
        if len(datasets) < 2:
            continue
        mean = evidence.average([{name: 1.0}], datasets).row(0, named=True)
        between = spread([float(evidence.values(dataset, [name])[0]) for dataset in datasets])
        clear = mean["low"] is not None and mean["low"] > 0
        rows.append(
            {
                "combination": name,
                "size": name.count("-") + 1,
                "coverage": len(datasets),
                "num_datasets": len(evidence.names),
                "full": len(datasets) == len(evidence.names),
                **{key: mean[key] for key in ("mean", "low", "high")},
                "spread": between,
                "cv": between / mean["mean"] if clear and between is not None else None,
            }
        )
    return pl.DataFrame(rows, schema=TABLE)
