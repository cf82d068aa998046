"""Which combinations cost least, for each number of removed blocks, on average over the datasets of a run."""

from math import isnan, nan
from typing import Any

import polars as pl

from blocksieve.errors import DataError
from blocksieve.evidence import PERCENT, Evidence, Role, Scale, rows_of_role
from blocksieve.statistics import Estimate, macro_mean, spread, student_interval, tied_with_best

ESTIMATE = {name: pl.Float64 for name in ("mean", "se", "ci_low", "ci_high", "spread")} | {
    "datasets": pl.UInt32
}
RANKING: dict[str, Any] = {
    "size": pl.UInt8,
    "rank": pl.UInt32,
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    **{
        f"{scale}_{name}": kind
        for scale in ("relative", "points")
        for name, kind in ESTIMATE.items()
    },
    "n_min": pl.UInt32,
    "n_total": pl.UInt32,
    "datasets": pl.List(pl.String),
    "role": pl.String,
    "ranked_by": pl.String,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Rank the combinations as `rank` does, and say which are tied with the first of their size.

    `tied`: not shown to be worse than the one of least drop, on the same samples (see `tied_with_best`); null for
    combinations without a rank.
    """
    ranking = rank(evidence.evaluations, evidence.scale, evidence.role)
    tied: dict[str, bool] = {}
    for size in ranking["size"].unique():
        names = evidence.full(size)
        if names:
            drops = [evidence.subset(dataset, names) for dataset in evidence.names]
            tied |= dict(zip(names, tied_with_best(drops).tolist(), strict=True))
    known = pl.col("combination").replace_strict(tied, default=None, return_dtype=pl.Boolean)
    return ranking.with_columns(tied=pl.when("full").then(known))


def rank(evaluations: pl.DataFrame, across_datasets: Scale, role: Role = "search") -> pl.DataFrame:
    """Rank the combinations of every size by their macro-average drop, the least drop first.

    One row a combination of size 1 or more, schema `RANKING`. `relative_*`: share of the baseline lost, in %, over the
    datasets whose baseline is not 0; `points_*`: pp, over the datasets whose metric lies in [0, 1]; `*_datasets` counts
    those, and without any the scale is null. `*_se` and the 95 % interval `*_ci_*` belong to the mean, the datasets
    fixed; `*_spread` is the standard deviation over datasets. Both follow `blocksieve.statistics`.
    `rank` counts from 1 within a size, over the combinations with a row for every dataset that has samples of this role
    (`full`); equal means rank in order of the combination. The others keep their row, after the ranked, with rank null:
    those on more datasets first, since means over other datasets do not compare.
    Raises DataError where a column is missing, a row is double or without drop, or no dataset has the scale ranked by.
    """
    rows = rows_of_role(evaluations, role)
    num_datasets = rows["dataset"].n_unique()
    removals = rows.filter(pl.col("size") > 0).sort("dataset")
    summaries = [
        _summary(group, num_datasets)
        for _, group in removals.group_by("size", "combination", maintain_order=True)
    ]
    mean = f"{across_datasets}_mean"
    if summaries and all(row[mean] is None for row in summaries):
        raise DataError(
            f"ranking of the {role} samples: no dataset has a drop on the scale across_datasets: {across_datasets}"
            " (relative needs a baseline other than 0, points a metric in [0, 1]); choose the other scale"
        )
    summaries.sort(
        key=lambda row: (
            row["size"],
            -row["coverage"],
            row[mean] is None,
            row[mean] or 0,
            row["removed"],
        )
    )
    ranking = pl.DataFrame(
        summaries, schema={name: kind for name, kind in RANKING.items() if name != "rank"}
    )
    place = pl.when("full").then(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("size"))
    return ranking.with_columns(
        rank=place, role=pl.lit(role), ranked_by=pl.lit(across_datasets)
    ).select(*RANKING)


def block_importance(
    evaluations: pl.DataFrame, across_datasets: Scale = "relative", role: Role = "search"
) -> pl.DataFrame:
    """Order the blocks by importance, the least important first: by what removing each alone costs.

    The size 1 rows of `rank` with full coverage; only those compare. Empty where no block was removed everywhere.
    """
    return rank(evaluations, across_datasets, role).filter(pl.col("size") == 1, pl.col("full"))


def _summary(group: pl.DataFrame, num_datasets: int) -> dict[str, Any]:
    """One row of the ranking from the rows of one combination, one a dataset."""
    first = group.row(0, named=True)
    relative = [
        student_interval(
            row["relative"] * PERCENT, _known(row["relative_se"]) * PERCENT, row["n_clusters"]
        )
        for row in group.drop_nulls("relative").iter_rows(named=True)
    ]
    points = [
        Estimate(*(_known(row[name]) * PERCENT for name in ("drop", "se", "ci_low", "ci_high")))
        for row in group.filter("bounded").iter_rows(named=True)
    ]
    return {
        **{name: first[name] for name in ("size", "combination", "removed")},
        "coverage": len(group),
        "num_datasets": num_datasets,
        "full": len(group) == num_datasets,
        **_across("relative", relative),
        **_across("points", points),
        "n_min": group["n"].min(),
        "n_total": group["n"].sum(),
        "datasets": group["dataset"].to_list(),
    }


def _across(scale: Scale, estimates: list[Estimate]) -> dict[str, float | int | None]:
    """Make the columns of one scale: the mean over datasets with its interval, and beside it the spread."""
    values: list[float | int | None] = [None, None, None, None, None, 0]
    if estimates:
        average = macro_mean(estimates)
        means = [estimate.mean for estimate in estimates]
        numbers = (average.mean, average.se, average.low, average.high)
        values = [
            *(None if isnan(number) else number for number in numbers),
            spread(means),
            len(estimates),
        ]
    return dict(zip((f"{scale}_{name}" for name in ESTIMATE), values, strict=True))


def _known(value: float | None) -> float:
    return nan if value is None else value
