"""Which combinations cost least, for each number of removed blocks, averaged over datasets."""

import numpy as np
import polars as pl

from blocksieve.errors import DataError
from blocksieve.evidence import Evidence, rows_of_role
from blocksieve.specs import Role
from blocksieve.statistics import (
    Estimate,
    macro_mean,
    none_if_nan,
    spread,
    student_interval,
    tied_with_best,
)
from blocksieve.units import PERCENT, Scale

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "size": pl.UInt8,
    "rank": pl.UInt32,
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    "relative_mean": pl.Float64,
    "relative_se": pl.Float64,
    "relative_ci_low": pl.Float64,
    "relative_ci_high": pl.Float64,
    "relative_spread": pl.Float64,
    "relative_datasets": pl.UInt32,
    "points_mean": pl.Float64,
    "points_se": pl.Float64,
    "points_ci_low": pl.Float64,
    "points_ci_high": pl.Float64,
    "points_spread": pl.Float64,
    "points_datasets": pl.UInt32,
    "n_min": pl.UInt32,
    "n_total": pl.UInt32,
    "datasets": pl.List(pl.String),
    "role": pl.String,
    "ranked_by": pl.String,
}
"""The columns of `rank`."""
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Rank the combinations as `rank` does, and say which are tied with the first of their size.

    `tied`: not shown to be worse than the one of least drop, on the same samples (see
    `tied_with_best`); null for combinations without a rank.
    """
    ranking = rank(evidence.evaluations, evidence.scale, evidence.role)
    tied: dict[str, bool] = {}
    for size in evidence.sizes:
        combinations = evidence.with_full_coverage(size)
        drops = [evidence.subset(dataset, combinations) for dataset in evidence.datasets]
        names = [str(combination) for combination in combinations]
        tied.update(zip(names, tied_with_best(drops).tolist(), strict=True))
    is_tied = pl.col("combination").replace_strict(tied, default=None, return_dtype=pl.Boolean)
    return ranking.with_columns(tied=pl.when("full").then(is_tied))


def rank(evaluations: pl.DataFrame, across_datasets: Scale, role: Role = "search") -> pl.DataFrame:
    """Rank the combinations of every size by their macro-average drop, the least drop first.

    One row per combination of size 1 or more, columns SCHEMA.
    `relative_*`: share of the baseline lost, in %, over the datasets whose baseline is not 0;
    `points_*`: percentage points, over the datasets whose metric lies in [0, 1]; `*_datasets`
    counts them, and the scale is null where there is none. `*_se` and the 95 % interval `*_ci_*`
    belong to the mean, the datasets fixed; `*_spread` is the standard deviation over datasets.
    `rank` counts from 1 within a size, over the combinations with a row for every dataset that has
    samples of this role (`full`); equal means rank in order of the combination. The others keep
    their row, after the ranked, with rank null: those on more datasets first, since means over
    other datasets do not compare.
    Raises DataError where a column is missing, a row is double or without drop, or no dataset has
    the scale ranked by.
    """
    rows = rows_of_role(evaluations, role)
    num_datasets = rows["dataset"].n_unique()
    removals = rows.filter(pl.col("size") > 0).sort("dataset")
    groups = removals.group_by("size", "combination", maintain_order=True)
    summaries = []
    for _, group in groups:
        summaries.append(_summary(group, num_datasets, role, across_datasets))
    mean = f"{across_datasets}_mean"
    ranking = pl.DataFrame(summaries, schema=SCHEMA).sort(
        ["size", "coverage", mean, "removed"],
        descending=[False, True, False, False],
        nulls_last=True,
        maintain_order=True,
    )
    if len(ranking) and ranking[mean].null_count() == len(ranking):
        raise DataError(
            f"ranking of the {role} samples: no dataset has a drop on the scale across_datasets:"
            f" {across_datasets} (relative needs a baseline other than 0, points a metric in"
            " [0, 1]); choose the other scale"
        )
    # Those on all datasets come first within a size.
    place = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("size")
    return ranking.with_columns(rank=pl.when("full").then(place))


def _summary(group: pl.DataFrame, num_datasets: int, role: Role, ranked_by: Scale) -> Row:
    """Return a combination's row of the ranking from its rows, one per dataset."""
    return {
        "size": group["size"][0],
        "combination": group["combination"][0],
        "removed": group["removed"][0].to_list(),
        "coverage": len(group),
        "num_datasets": num_datasets,
        "full": len(group) == num_datasets,
        **_across_datasets("relative", _relative_estimates(group)),
        **_across_datasets("points", _estimates_in_points(group)),
        "n_min": group["n"].min(),
        "n_total": group["n"].sum(),
        "datasets": group["dataset"].to_list(),
        "role": role,
        "ranked_by": ranked_by,
    }


def _relative_estimates(group: pl.DataFrame) -> list[Estimate]:
    """Return the drops in % of the baseline, of the datasets whose baseline is not 0."""
    columns = ("relative", "relative_se", "n_clusters")
    rows = group.drop_nulls("relative").select(columns)
    estimates = []
    for relative, se, num_clusters in rows.iter_rows():
        percent = relative * PERCENT
        percent_se = np.nan if se is None else se * PERCENT
        estimates.append(student_interval(percent, percent_se, num_clusters))
    return estimates


def _estimates_in_points(group: pl.DataFrame) -> list[Estimate]:
    """Return the drops in percentage points, of the datasets whose metric lies in [0, 1]."""
    columns = ("drop", "se", "ci_low", "ci_high")
    # (datasets, 4), nan where a number is not known
    bounded = group.filter("bounded").select(columns)
    numbers = bounded.cast(pl.Float64).fill_null(np.nan).to_numpy()
    in_points = numbers * PERCENT
    return [Estimate(*row) for row in in_points.tolist()]


def _across_datasets(scale: Scale, estimates: list[Estimate]) -> Row:
    """Return the columns of one scale: the mean over datasets with its interval, and the spread."""
    if not estimates:
        return {f"{scale}_datasets": 0}
    average = macro_mean(estimates)
    return {
        f"{scale}_mean": none_if_nan(average.mean),
        f"{scale}_se": none_if_nan(average.se),
        f"{scale}_ci_low": none_if_nan(average.low),
        f"{scale}_ci_high": none_if_nan(average.high),
        f"{scale}_spread": spread([estimate.mean for estimate in estimates]),
        f"{scale}_datasets": len(estimates),
    }
