"""How alike two datasets respond, for every pair of datasets."""

from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Evidence
from blocksieve.statistics import clustered_mean, correlation

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset_a": pl.String,
    "dataset_b": pl.String,
    "task_type_a": pl.String,
    "task_type_b": pl.String,
    "same_task_type": pl.Boolean,
    "combinations": pl.UInt32,
    "pearson": pl.Float64,
    "pearson_low": pl.Float64,
    "pearson_high": pl.Float64,
    "spearman": pl.Float64,
    "spearman_low": pl.Float64,
    "spearman_high": pl.Float64,
    "mean_difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Compare the drops of two datasets over the combinations that both have.

    One row per pair of datasets: Pearson's and Spearman's correlation with 95 % intervals, and the
    mean absolute difference of the drops in % or pp with its interval. The unit is the combination:
    an interval tells how far other combinations of this kind might move the number. Noise in the
    drops pulls correlations towards 0. Null where undefined.
    """
    rows = []
    for first, second in combinations(evidence.task_types, 2):
        rows.append(_row(evidence, first, second))
    return pl.DataFrame(rows, schema=SCHEMA).fill_nan(None)


def _row(evidence: Evidence, first: str, second: str) -> Row:
    second_has = evidence.row_index[second]
    shared = [combination for combination in evidence.row_index[first] if combination in second_has]
    task_types = evidence.task_types
    row: Row = {
        "dataset_a": first,
        "dataset_b": second,
        "task_type_a": task_types[first],
        "task_type_b": task_types[second],
        "same_task_type": task_types[first] == task_types[second],
        "combinations": len(shared),
    }
    if shared:
        row |= _comparison(evidence.values(first, shared), evidence.values(second, shared))
    return row


def _comparison(first: NDArray[np.float64], second: NDArray[np.float64]) -> Row:
    """Compare two datasets' drops, both (combinations,) in the same order."""
    pearson, pearson_low, pearson_high = correlation(first, second, "pearson")
    spearman, spearman_low, spearman_high = correlation(first, second, "spearman")
    each_its_own_cluster = np.arange(len(first))
    difference = clustered_mean(np.abs(first - second), each_its_own_cluster)
    return {
        "pearson": pearson,
        "pearson_low": pearson_low,
        "pearson_high": pearson_high,
        "spearman": spearman,
        "spearman_low": spearman_low,
        "spearman_high": spearman_high,
        "mean_difference": difference.mean,
        "difference_low": max(difference.low, 0.0),
        "difference_high": difference.high,
    }
