"""How much the task types lose, on the drops measured on their own datasets only."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
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
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each task type's drops over the combinations that every dataset of the run has.

    One row per task type, in % or pp. A combination's drop is its mean over the type's datasets
    that count; `mean` averages these over the combinations, with the interval that the samples
    leave; `std`, `min`, `median` and `max` describe `drops`, one per combination. `evaluated`
    counts the combinations that any of the type's datasets has, `samples` those of its datasets.
    Without a combination of full coverage only counts are known.
    """
    return summaries(evidence, evidence.table, evidence.with_full_coverage())


def summaries(
    evidence: Evidence, table: pl.DataFrame, combinations: Sequence[Combination]
) -> pl.DataFrame:
    """Return the same over some rows of the evidence's table.

    `combinations`: those among the rows that every dataset has.
    """
    rows = []
    for task_type in sorted(set(evidence.task_types.values())):
        rows.append(_summary(evidence, table, task_type, combinations))
    return pl.DataFrame(rows, schema=SCHEMA)


def _summary(
    evidence: Evidence,
    table: pl.DataFrame,
    task_type: str,
    combinations: Sequence[Combination],
) -> Row:
    task_types = evidence.task_types
    datasets = [dataset for dataset in task_types if task_types[dataset] == task_type]
    of_type = table.filter(pl.col("dataset").is_in(datasets))
    samples = of_type.group_by("dataset").agg(pl.max("n"))
    row: Row = {
        "task_type": task_type,
        "datasets": datasets,
        "combinations": len(combinations),
        "samples": samples["n"].sum(),
        "evaluated": of_type["combination"].n_unique(),
        "drops": [],
    }
    if combinations:
        row |= _distribution(evidence, datasets, combinations)
    return row


def _distribution(
    evidence: Evidence, datasets: Sequence[str], combinations: Sequence[Combination]
) -> Row:
    drops = evidence.mean_drops(combinations, datasets)  # (combinations,)
    equal_weights = dict.fromkeys(combinations, 1 / len(combinations))
    (mean,) = evidence.average([equal_weights], datasets)
    return {
        "mean": mean.mean,
        "se": mean.se,
        "low": mean.low,
        "high": mean.high,
        "std": float(drops.std(ddof=1)) if len(drops) > 1 else None,
        "min": float(drops.min()),
        "median": float(np.median(drops)),
        "max": float(drops.max()),
        "drops": drops.tolist(),
    }
