"""How alike two datasets respond, for every pair of datasets."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Evidence
from blocksieve.statistics import Drops, clustered_mean, correlation

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset_a": pl.String,
    "dataset_b": pl.String,
    "task_type_a": pl.String,
    "task_type_b": pl.String,
    "same_task_type": pl.Boolean,
    "blocks": pl.UInt32,
    "spearman": pl.Float64,
    "spearman_low": pl.Float64,
    "spearman_high": pl.Float64,
    "pearson": pl.Float64,
    "pearson_low": pl.Float64,
    "pearson_high": pl.Float64,
    "dominant_site": pl.String,
    "mean_difference": pl.Float64,
    "difference_low": pl.Float64,
    "difference_high": pl.Float64,
    "noise_difference": pl.Float64,
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Compare the drops of two datasets over the blocks that were removed alone on both.

    One row per pair of datasets: Spearman's and Pearson's correlation with 95 % intervals, and the
    mean absolute difference of the drops in % or pp with its interval. The unit is the block: an
    interval tells how far other blocks of this kind might move the number. Larger combinations are
    left out, since they share their blocks: 1,000 of them know no more than 16 blocks do. Noise in
    the drops pulls correlations towards 0, and differences upwards: `noise_difference` is the mean
    absolute difference that noise alone gives datasets which lose the same. `dominant_site`: see
    `_dominant_site`. Null where undefined.
    """
    rows = []
    for first, second in combinations(evidence.task_types, 2):
        rows.append(_row(evidence, first, second))
    return pl.DataFrame(rows, schema=SCHEMA).fill_nan(None)


def _row(evidence: Evidence, first: str, second: str) -> Row:
    second_has = evidence.row_index[second]
    shared = [
        combination
        for combination in evidence.row_index[first]
        if combination.is_single and combination in second_has
    ]
    task_types = evidence.task_types
    row: Row = {
        "dataset_a": first,
        "dataset_b": second,
        "task_type_a": task_types[first],
        "task_type_b": task_types[second],
        "same_task_type": task_types[first] == task_types[second],
        "blocks": len(shared),
    }
    if shared:
        of_first = evidence.subset(first, shared)
        of_second = evidence.subset(second, shared)
        sites = [str(combination) for combination in shared]
        row |= _comparison(of_first.means, of_second.means, sites)
        row["noise_difference"] = _noise_difference(of_first, of_second)
    return row


def _noise_difference(first: Drops, second: Drops) -> float:
    """Return the mean of |x| over sites, x normal with mean 0 and the variance of the difference.

    That of one such x is sqrt(2 / pi) standard deviations: Leone, Nelson and Nottingham,
    "The Folded Normal Distribution", Technometrics 3 (1961), 543.
    """
    variances = first.sampling_variances() + second.sampling_variances()  # (sites,)
    return float(np.sqrt(2 / np.pi) * np.sqrt(variances).mean())


def _comparison(
    first: NDArray[np.float64], second: NDArray[np.float64], sites: Sequence[str]
) -> Row:
    """Compare two datasets' drops, both (sites,) in the order of `sites`."""
    pearson, pearson_low, pearson_high = correlation(first, second, "pearson")
    spearman, spearman_low, spearman_high = correlation(first, second, "spearman")
    each_its_own_cluster = np.arange(len(first))
    difference = clustered_mean(np.abs(first - second), each_its_own_cluster)
    return {
        "spearman": spearman,
        "spearman_low": spearman_low,
        "spearman_high": spearman_high,
        "pearson": pearson,
        "pearson_low": pearson_low,
        "pearson_high": pearson_high,
        "dominant_site": _dominant_site(first, second, sites),
        "mean_difference": difference.mean,
        "difference_low": max(difference.low, 0.0),
        "difference_high": difference.high,
    }


def _dominant_site(
    first: NDArray[np.float64], second: NDArray[np.float64], sites: Sequence[str]
) -> str | None:
    """Return the site that makes up more than half of Pearson's correlation; None without one.

    The correlation is a sum over sites of (x - mean x) (y - mean y). Where one term is larger than
    all others together, in absolute value, the number says little of the other sites.
    """
    terms = np.abs((first - first.mean()) * (second - second.mean()))  # (sites,)
    largest = int(terms.argmax())
    if terms[largest] <= terms.sum() / 2:
        return None
    return sites[largest]
