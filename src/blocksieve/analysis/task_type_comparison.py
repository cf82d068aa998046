"""How much the task types lose, on the drops measured on their own datasets only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from blocksieve.evidence import Evidence

TABLE: dict[str, Any] = {
    "task_type": pl.String,
    "datasets": pl.List(pl.String),
    "combinations": pl.UInt32,
    "mean": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "std": pl.Float64,
    "min": pl.Float64,
    "median": pl.Float64,
    "max": pl.Float64,
    "samples": pl.UInt32,
    "evaluated": pl.UInt32,
    "drops": pl.List(pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each task type's drops over the combinations that every dataset of the run has, so that types compare.

    One row a task type, in % or pp. A combination's drop is its mean over the type's datasets (equal weight);
    `mean` averages these over the combinations, with the interval that the samples leave; `std`, `min`, `median` and
    `max` describe `drops`, one a combination. `evaluated`: all combinations that any of the type's datasets has.
    `samples` of the type's datasets. Without a combination of full coverage only counts are known.
    """
    return summaries(evidence, evidence.table, evidence.full())


def summaries(evidence: Evidence, table: pl.DataFrame, combinations: Sequence[str]) -> pl.DataFrame:
    """The same over some rows of the evidence's table, and given combinations of full coverage among them."""
    types = sorted(set(evidence.task_types.values()))
    return pl.DataFrame(
        [_summary(evidence, table, name, list(combinations)) for name in types], schema=TABLE
    )


def _summary(
    evidence: Evidence, table: pl.DataFrame, task_type: str, combinations: list[str]
) -> dict[str, Any]:
    datasets = [name for name, its_type in evidence.task_types.items() if its_type == task_type]
    own = table.filter(pl.col("dataset").is_in(datasets))
    row: dict[str, Any] = {
        "task_type": task_type,
        "datasets": datasets,
        "combinations": len(combinations),
        "samples": own.group_by("dataset").agg(pl.max("n"))["n"].sum(),
        "evaluated": own["combination"].n_unique(),
        "drops": [],
    }
    if not combinations:
        return row
    drops = np.mean([evidence.values(dataset, combinations) for dataset in datasets], axis=0)
    equal = dict.fromkeys(combinations, 1 / len(combinations))
    mean = evidence.average([equal], datasets).drop("p").row(0, named=True)
    spread = float(drops.std(ddof=1)) if len(drops) > 1 else None
    ends = {"min": drops.min(), "median": np.median(drops), "max": drops.max()}
    return (
        row
        | mean
        | {"std": spread, "drops": drops.tolist()}
        | {name: float(end) for name, end in ends.items()}
    )
