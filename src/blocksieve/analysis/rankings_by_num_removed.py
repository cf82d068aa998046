"""Which combinations cost least, for each number of removed blocks, averaged over datasets."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from blocksieve.choices import best_first
from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evaluations import strong_unless_all_are_weak
from blocksieve.evidence import Evidence, rows_of_role
from blocksieve.model_description import REMOVED_SHARES
from blocksieve.specs import Role
from blocksieve.statistics import (
    Estimate,
    macro_mean,
    none_if_nan,
    population_interval,
    spread,
    student_interval,
)
from blocksieve.units import PERCENT, UNITS, Scale

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "size": pl.UInt8,
    "rank": pl.UInt32,
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    **dict.fromkeys(REMOVED_SHARES, pl.Float64),
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    "relative_mean": pl.Float64,
    "relative_se": pl.Float64,
    "relative_ci_low": pl.Float64,
    "relative_ci_high": pl.Float64,
    "relative_kind_low": pl.Float64,
    "relative_kind_high": pl.Float64,
    "relative_spread": pl.Float64,
    "relative_datasets": pl.UInt32,
    "points_mean": pl.Float64,
    "points_se": pl.Float64,
    "points_ci_low": pl.Float64,
    "points_ci_high": pl.Float64,
    "points_kind_low": pl.Float64,
    "points_kind_high": pl.Float64,
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
    """Rank the combinations as `rank` does; add who is tied, and what holdout samples say.

    `tied`: not shown to be worse than the first of its size, on the same samples (see
    `tied_with_best`); null for combinations without a rank.
    `relative_holdout_mean`, `points_holdout_mean`: the mean drop on holdout samples, which chose
    nothing; null for combinations that these did not measure on every dataset.
    """
    ranking = rank(
        evidence.evaluations, evidence.scale, evidence.role, evidence.weights, evidence.weak
    )
    if evidence.paired:
        for scale in UNITS:
            ranking = _with_spread(ranking, evidence, scale)
    tied: dict[str, bool] = {}
    for size in evidence.sizes:
        may_be_best = evidence.tied(size, evidence.datasets)
        for combination in evidence.with_full_coverage(size):
            tied[str(combination)] = combination in may_be_best
    is_tied = pl.col("combination").replace_strict(tied, default=None, return_dtype=pl.Boolean)
    ranking = ranking.with_columns(tied=pl.when("full").then(is_tied))
    return _with_holdout_means(ranking, evidence)


def _with_holdout_means(ranking: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Add the mean drops on holdout samples, where they are means over the same datasets."""
    means = pl.DataFrame(schema=SCHEMA)
    if evidence.holdout is not None:
        means = rank(
            evidence.evaluations, evidence.scale, "holdout", evidence.weights, evidence.weak
        )
    joined = ranking.join(
        means.filter("full").select("combination", r"^(relative|points)_(mean|datasets)$"),
        on="combination",
        how="left",
        suffix="_holdout",
        maintain_order="left",
    )
    columns = {}
    for scale in UNITS:
        has_same_datasets = pl.col(f"{scale}_datasets_holdout") == pl.col(f"{scale}_datasets")
        mean = pl.col(f"{scale}_mean_holdout")
        columns[f"{scale}_holdout_mean"] = pl.when(has_same_datasets).then(mean)
    return joined.select(*ranking.columns, **columns)


def _with_spread(ranking: pl.DataFrame, evidence: Evidence, scale: Scale) -> pl.DataFrame:
    """Return the ranking with the spread on a scale by the samples, which know its noise better.

    The errors of the table hold more than noise, so that intervals are safe where few samples
    change.
    """
    if not ranking[f"{scale}_datasets"].sum():
        return ranking
    on_scale = replace(evidence, scale=scale)
    spreads = []
    for name in ranking["combination"]:
        combination = Combination.parse(name)
        datasets = on_scale.coverage.get(combination, {})
        spreads.append(on_scale.spread(combination, datasets))
    return ranking.with_columns(pl.Series(f"{scale}_spread", spreads, dtype=pl.Float64))


def rank(
    evaluations: pl.DataFrame,
    across_datasets: Scale,
    role: Role = "search",
    weights: Mapping[str, float] | None = None,
    weak: Collection[str] = (),
) -> pl.DataFrame:
    """Rank the combinations of every size by their macro-average drop, the least drop first.

    One row per combination of size 1 or more, columns SCHEMA. `removed_*`: what it saves, as shares
    of the whole model, null where that is not known.
    `relative_*`: share of the baseline lost, in %, over the datasets whose baseline is above 0 and
    that are not `weak`, unless all are; `points_*`: percentage points, over the datasets whose
    metric lies in [0, 1]; `*_datasets` counts them, and the scale is null where there is none.
    `weights`: of datasets in the means, 1 where not given. `*_se` and the 95 % interval `*_ci_*`
    belong to the mean over these datasets, `*_kind_*` to that over all datasets of this kind;
    `*_spread` is the standard deviation of the true drops over the datasets.
    `coverage`: on how many datasets all samples of this role answered. `rank` counts from 1 within
    a size, over the combinations that all datasets with samples of this role cover (`full`); equal
    means rank as `best_first` says. The others keep their row, after the ranked, with rank null:
    those on more datasets first, since means over other datasets do not compare. The means of a
    combination that was raced out hold the samples that it answered.
    Raises DataError where a column is missing, a row is double or without drop, or no dataset has
    the scale ranked by.
    """
    rows = rows_of_role(evaluations, role)
    num_datasets = rows["dataset"].n_unique()
    removals = rows.filter(pl.col("size") > 0).sort("dataset")
    groups = removals.group_by("size", "combination", maintain_order=True)
    summaries = []
    for _, group in groups:
        summary = _summary(group, num_datasets, role, across_datasets, weights or {}, weak)
        summaries.append(summary)
    mean = f"{across_datasets}_mean"
    ranking = _ordered(pl.DataFrame(summaries, schema=SCHEMA), mean)
    if len(ranking) and ranking[mean].null_count() == len(ranking):
        raise DataError(
            f"ranking of the {role} samples: no dataset has a drop on the scale across_datasets:"
            f" {across_datasets} (relative needs a baseline above 0, points a metric in"
            " [0, 1]); choose the other scale"
        )
    # Those on all datasets come first within a size.
    place = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("size")
    return ranking.with_columns(rank=pl.when("full").then(place))


def _ordered(ranking: pl.DataFrame, mean: str) -> pl.DataFrame:
    """Sort by size, then those on most datasets first, then the best first."""
    combinations = [Combination.parse(name) for name in ranking["combination"]]
    means = ranking[mean].fill_null(np.nan)
    places = best_first(combinations, means.to_numpy())
    best_on_top = ranking[places]
    return best_on_top.sort("size", "coverage", descending=[False, True], maintain_order=True)


def _summary(
    group: pl.DataFrame,
    num_datasets: int,
    role: Role,
    ranked_by: Scale,
    weights: Mapping[str, float],
    weak: Collection[str],
) -> Row:
    """Return a combination's row of the ranking from its rows, one per dataset."""
    coverage = int((~group["raced_out"]).sum())
    relative = group.filter(pl.col("relative").is_not_null(), pl.col("baseline") > 0)
    over = strong_unless_all_are_weak(relative["dataset"], weak)
    return {
        "size": group["size"][0],
        "combination": group["combination"][0],
        "removed": group["removed"][0].to_list(),
        **{share: group[share][0] for share in REMOVED_SHARES},
        "coverage": coverage,
        "num_datasets": num_datasets,
        "full": coverage == num_datasets,
        **_relative_means(relative.filter(pl.col("dataset").is_in(over)), weights),
        **_means_in_points(group.filter("bounded"), weights),
        "n_min": group["n"].min(),
        "n_total": group["n"].sum(),
        "datasets": group["dataset"].to_list(),
        "role": role,
        "ranked_by": ranked_by,
    }


def _relative_means(rows: pl.DataFrame, weights: Mapping[str, float]) -> Row:
    """Return the columns of drops in % of the baseline."""
    columns = ("relative", "relative_se", "n_clusters")
    estimates = []
    for relative, se, num_clusters in rows.select(columns).iter_rows():
        percent = relative * PERCENT
        percent_se = np.nan if se is None else se * PERCENT
        estimates.append(student_interval(percent, percent_se, num_clusters))
    return _across_datasets("relative", estimates, rows["dataset"], weights)


def _means_in_points(rows: pl.DataFrame, weights: Mapping[str, float]) -> Row:
    """Return the columns of drops in percentage points."""
    columns = ("drop", "se", "ci_low", "ci_high")
    # (datasets, 4), nan where a number is not known
    numbers = rows.select(columns).cast(pl.Float64).fill_null(np.nan).to_numpy()
    in_points = numbers * PERCENT
    estimates = [Estimate(*row) for row in in_points.tolist()]
    return _across_datasets("points", estimates, rows["dataset"], weights)


def _across_datasets(
    scale: Scale,
    estimates: list[Estimate],
    datasets: pl.Series,
    weights: Mapping[str, float],
) -> Row:
    """Return the columns of one scale: the mean over datasets, its intervals, and the spread."""
    if not estimates:
        return {f"{scale}_datasets": 0}
    of_datasets = [weights.get(dataset, 1.0) for dataset in datasets]
    average = macro_mean(estimates, of_datasets)
    means = [estimate.mean for estimate in estimates]
    variances = [estimate.se**2 for estimate in estimates]
    kind_low, kind_high = population_interval(means, average.low, average.high, of_datasets)
    return {
        f"{scale}_mean": none_if_nan(average.mean),
        f"{scale}_se": none_if_nan(average.se),
        f"{scale}_ci_low": none_if_nan(average.low),
        f"{scale}_ci_high": none_if_nan(average.high),
        f"{scale}_kind_low": none_if_nan(kind_low),
        f"{scale}_kind_high": none_if_nan(kind_high),
        f"{scale}_spread": spread(means, variances),
        f"{scale}_datasets": len(estimates),
    }
