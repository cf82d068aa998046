"""How sensitive each dataset is."""

from typing import Any

import numpy as np
import polars as pl

from blocksieve.evidence import Evidence

TABLE: dict[str, Any] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "combinations": pl.UInt32,
    "samples": pl.UInt32,
    "clusters": pl.UInt32,
    "mean": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "std": pl.Float64,
    "min": pl.Float64,
    "lower_quartile": pl.Float64,
    "median": pl.Float64,
    "upper_quartile": pl.Float64,
    "max": pl.Float64,
    "drops": pl.List(pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each dataset's drops over the combinations that all datasets have, so that datasets compare.

    One row a dataset, ordered by task type and sensitivity, in % or pp: `mean` with the interval that its samples
    leave, and the distribution of `drops`, one a combination. Without a combination of full coverage only counts.
    """
    full = evidence.full()
    rows = [
        _response(evidence, dataset, task_type, full)
        for dataset, task_type in evidence.task_types.items()
    ]
    return pl.DataFrame(rows, schema=TABLE).sort("task_type", "mean", "dataset", nulls_last=True)


def _response(evidence: Evidence, dataset: str, task_type: str, full: list[str]) -> dict[str, Any]:
    samples, clusters = (
        evidence.table.filter(pl.col("dataset") == dataset).select(pl.max("n", "n_clusters")).row(0)
    )
    row: dict[str, Any] = {
        "dataset": dataset,
        "task_type": task_type,
        "combinations": len(full),
        "drops": [],
    }
    row |= {"samples": samples, "clusters": clusters}
    if not full:
        return row
    drops = evidence.values(dataset, full)
    mean = (
        evidence.average([dict.fromkeys(full, 1 / len(full))], [dataset])
        .drop("p")
        .row(0, named=True)
    )
    quantiles = np.quantile(drops, [0, 0.25, 0.5, 0.75, 1]).tolist()
    names = ("min", "lower_quartile", "median", "upper_quartile", "max")
    std = float(drops.std(ddof=1)) if len(drops) > 1 else None
    return (
        row
        | mean
        | dict(zip(names, quantiles, strict=True))
        | {"std": std, "drops": drops.tolist()}
    )
