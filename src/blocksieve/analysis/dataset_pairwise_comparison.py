"""How alike two datasets respond, for every pair of datasets."""

from itertools import combinations
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Evidence
from blocksieve.statistics import clustered_mean, correlation

ESTIMATE = {
    f"{kind}{end}": pl.Float64 for kind in ("pearson", "spearman") for end in ("", "_low", "_high")
}
TABLE: dict[str, Any] = {
    **dict.fromkeys(("dataset_a", "dataset_b", "task_type_a", "task_type_b"), pl.String),
    "same_task_type": pl.Boolean,
    "combinations": pl.UInt32,
    **ESTIMATE,
    **dict.fromkeys(("mean_difference", "difference_low", "difference_high"), pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Compare the drops of two datasets over the combinations that both have.

    One row a pair of datasets: Pearson's and Spearman's correlation with 95 % intervals, and the mean absolute
    difference of the drops in % or pp with its interval. The unit is the combination: intervals say how far other
    combinations of this kind might move them; noise in the drops pulls correlations towards 0. Null where undefined.
    """
    rows = []
    for first, second in combinations(evidence.task_types, 2):
        shared = [name for name in evidence.names[first] if name in evidence.names[second]]
        types = evidence.task_types[first], evidence.task_types[second]
        row: dict[str, Any] = {
            "dataset_a": first,
            "dataset_b": second,
            "same_task_type": types[0] == types[1],
        }
        row |= {"task_type_a": types[0], "task_type_b": types[1], "combinations": len(shared)}
        if shared:
            row |= _comparison(evidence.values(first, shared), evidence.values(second, shared))
        rows.append(row)
    return pl.DataFrame(rows, schema=TABLE).fill_nan(None)


def _comparison(first: NDArray[np.float64], second: NDArray[np.float64]) -> dict[str, float]:
    found: dict[str, float] = {}
    kinds: tuple[Literal["pearson", "spearman"], ...] = ("pearson", "spearman")
    for kind in kinds:
        names = (kind, f"{kind}_low", f"{kind}_high")
        found |= dict(zip(names, correlation(first, second, kind), strict=True))
    difference = clustered_mean(np.abs(first - second), np.arange(len(first)))
    ends = {"difference_low": max(difference.low, 0.0), "difference_high": difference.high}
    return found | {"mean_difference": difference.mean} | ends
