"""How sensitive each dataset is."""

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "weight": pl.Float64,
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
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each dataset's drops over the combinations that all datasets have.

    One row per dataset, ordered by task type and sensitivity, in % or pp: `mean` with the interval
    that its samples leave, and the distribution of `drops`, one per combination. `weight`: in the
    mean of its task type, 0 where it does not count there. Without a combination of full coverage
    only counts are known.
    """
    combinations = evidence.with_full_coverage()
    rows = []
    for dataset in evidence.task_types:
        rows.append(_response(evidence, dataset, combinations))
    table = pl.DataFrame(rows, schema=SCHEMA)
    return table.sort("task_type", "mean", "dataset", nulls_last=True)


def _response(evidence: Evidence, dataset: str, combinations: list[Combination]) -> Row:
    dataset_rows = evidence.table.filter(pl.col("dataset") == dataset)
    task_type = evidence.task_types[dataset]
    of_type = [each for each in evidence.datasets if evidence.task_types[each] == task_type]
    row: Row = {
        "dataset": dataset,
        "task_type": task_type,
        "weight": evidence.weight_in_means(dataset, of_type),
        "combinations": len(combinations),
        "samples": dataset_rows["n"].max(),
        "clusters": dataset_rows["n_clusters"].max(),
        "drops": [],
    }
    if combinations:
        row |= _distribution(evidence, dataset, combinations)
    return row


def _distribution(evidence: Evidence, dataset: str, combinations: list[Combination]) -> Row:
    drops = evidence.values(dataset, combinations)  # (combinations,)
    equal_weights = dict.fromkeys(combinations, 1 / len(combinations))
    (mean,) = evidence.average([equal_weights], [dataset])
    least, lower_quartile, median, upper_quartile, most = np.quantile(
        drops, [0, 0.25, 0.5, 0.75, 1]
    ).tolist()
    return {
        "mean": mean.mean,
        "se": mean.se,
        "low": mean.low,
        "high": mean.high,
        "std": float(drops.std(ddof=1)) if len(drops) > 1 else None,
        "min": least,
        "lower_quartile": lower_quartile,
        "median": median,
        "upper_quartile": upper_quartile,
        "max": most,
        "drops": drops.tolist(),
    }
