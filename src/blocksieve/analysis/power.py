"""What these samples can show: the drop they detect, and how many a smaller one would need."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, clustered_drops, rows_of_role
from blocksieve.specs import Role
from blocksieve.statistics import Drops, Floats, detectable, samples_needed
from blocksieve.units import PERCENT

GAPS = (0.5, 1.0, 2.0)
"""Drops in percentage points whose sample sizes the table gives."""
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "n": pl.UInt32,
    "n_clusters": pl.UInt32,
    "discordant": pl.Float64,
    "se": pl.Float64,
    "detectable": pl.Float64,
    **{f"n_for_{gap:g}_pp": pl.UInt32 for gap in GAPS},
}
Row = dict[str, object]


class Resolution(TypedDict):
    """The mean drop over datasets that samples can tell from none.

    Of the combination whose error is the median of those judged; numbers are None where no error
    is known. `samples` and `samples_for_smaller`: of all datasets. `width`: of the 95 % interval.
    `smaller`: the conservative limit where that is not yet detectable, else half of `detectable`;
    None where only a table is given, whose errors do not say how they fall with more samples.
    """

    role: Role
    datasets: int
    samples: int
    width: float | None
    detectable: float | None
    smaller: float | None
    samples_for_smaller: int | None


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return for each dataset the drop that a two-sided 5 % test detects with 80 % probability.

    In percentage points, from the median standard error `se` of its combinations (clustering
    included), of those where it is not 0. `discordant`: the median share of samples whose score
    differs from the baseline's. `n_for_*_pp`: samples that a drop of so many points would need, the
    median over combinations at their rates of change (see `samples_needed`; for CIDEr 100 x its
    score). Null where no error is known; `n_for_*_pp` also for a given table: what part of an error
    was added for changes that samples did not show is not known there, and falls faster than the
    rest.
    """
    rows = rows_of_role(evidence.evaluations, evidence.role)
    removals = rows.filter(pl.col("size") > 0, ~pl.col("raced_out"))
    groups = removals.sort("dataset").group_by("dataset", maintain_order=True)
    power = [_power(evidence, group) for _, group in groups]
    return pl.DataFrame(power, schema=SCHEMA)


def _power(evidence: Evidence, group: pl.DataFrame) -> Row:
    """Return the row of one dataset from the rows of its combinations."""
    n, num_clusters = group.select(pl.max("n", "n_clusters")).row(0)
    discordant = (group["wins"] + group["losses"]) / group["n"]
    row: Row = {
        "dataset": group["dataset"][0],
        "task_type": group["task_type"][0],
        "n": n,
        "n_clusters": num_clusters,
        "discordant": discordant.median(),
    }
    median_se = group.filter(pl.col("se") > 0).select(pl.median("se")).item()
    if median_se is not None:
        se = median_se * PERCENT
        row |= {"se": se, "detectable": float(detectable(se))}
        if evidence.paired:
            row |= _samples_for_gaps(evidence, group, n)
    return row


def _samples_for_gaps(evidence: Evidence, group: pl.DataFrame, n: int) -> Row:
    """Return how many samples of one dataset each of GAPS would need, given its n samples."""
    dataset = group["dataset"][0]
    largest = evidence.max_change[dataset] * PERCENT
    drops = _drops_in_points(evidence, group)
    seen, unseen = _variances(drops)
    has_error = seen + unseen > 0
    if not has_error.any():
        return {}
    needed: Row = {}
    for gap in GAPS:
        least = _all_or_nothing(gap, largest, n)
        at_gap = np.maximum(seen[has_error], least)
        samples = samples_needed(at_gap, unseen[has_error], n, gap)
        median = np.ceil(np.median(samples))
        needed[f"n_for_{gap:g}_pp"] = int(median)
    return needed


def _drops_in_points(evidence: Evidence, group: pl.DataFrame) -> Drops:
    """Return the drops of one dataset's combinations, whatever the evidence's scale."""
    dataset = group["dataset"][0]
    complete = group.filter(pl.col("n") == pl.max("n"))
    combinations = complete["combination"].to_list()
    sums = evidence.sums[dataset].filter(
        pl.col("role") == evidence.role,
        pl.col("combination").is_in(combinations),
    )
    max_change = evidence.max_change[dataset]
    return clustered_drops(sums.collect(), combinations, "points", max_change)


def _variances(drops: Drops) -> tuple[Floats, Floats]:
    """Return what of the means' variances samples showed, and what was added as unseen.

    Both (combinations,).
    """
    squares = drops.influences**2  # (combinations, clusters)
    return squares.sum(axis=1), drops.added**2


def _all_or_nothing(gap: float, largest: float, n: int) -> float:
    """Return the variance of a mean of n samples that loses `gap`, by `largest` or not at all.

    Fewer samples than gap / largest cannot change: Connor, "Sample size for testing differences in
    proportions for the paired-sample design", Biometrics 1987.
    """
    if gap >= largest:
        return 0.0
    share_changed = gap / largest
    share_kept = 1 - share_changed
    return largest**2 * share_changed * share_kept / n


def resolution(evidence: Evidence, combinations: Sequence[Combination]) -> Resolution | None:
    """Say what the samples that judge some combinations can tell; None without combinations.

    Holdout samples judge, and search samples where no combination was measured on holdout.
    """
    if not combinations:
        return None
    judging, judged = _judging(evidence, combinations)
    datasets = evidence.counted(evidence.datasets)
    content: Resolution = {
        "role": judging.role,
        "datasets": len(datasets),
        "samples": sum(judging.samples[dataset] for dataset in datasets),
        "width": None,
        "detectable": None,
        "smaller": None,
        "samples_for_smaller": None,
    }
    means = judging.average([{combination: 1.0} for combination in judged], datasets)
    errors = []
    for combination, mean in zip(judged, means, strict=True):
        if mean.se is not None and mean.low is not None and mean.high is not None:
            errors.append((mean.se, mean.high - mean.low, combination))
    if not errors:
        return content
    errors.sort()
    se, width, typical = errors[(len(errors) - 1) // 2]
    detected = float(detectable(se))
    content["width"] = width
    content["detectable"] = detected
    if se > 0 and judging.paired:
        smaller = _smaller(detected, evidence.limits.conservative)
        content["smaller"] = smaller
        content["samples_for_smaller"] = _samples_for(judging, datasets, typical, smaller)
    return content


def _judging(
    evidence: Evidence, combinations: Sequence[Combination]
) -> tuple[Evidence, Sequence[Combination]]:
    """Return the evidence of the role that judges, and the combinations it measured."""
    holdout = evidence.holdout
    if holdout is None:
        return evidence, combinations
    on_holdout = set(holdout.measured_on(evidence.datasets))
    measured = [combination for combination in combinations if combination in on_holdout]
    if not measured:
        return evidence, combinations
    return holdout, measured


def _smaller(detected: float, limit: float) -> float:
    if 0 < limit < detected:
        return limit
    return detected / 2


def _samples_for(
    judging: Evidence, datasets: Sequence[str], combination: Combination, gap: float
) -> int:
    """Return how many samples of all datasets make a mean drop of `gap` detectable."""
    largest = _largest_drops(judging)
    weights = judging.weights_of(datasets)
    total = sum(weights)
    seen = 0.0
    unseen = 0.0
    for dataset, weight in zip(datasets, weights, strict=True):
        of_dataset, added = _variances(judging.subset(dataset, [combination]))
        all_or_nothing = _all_or_nothing(gap, largest[dataset], judging.samples[dataset])
        share = (weight / total) ** 2
        seen += share * max(of_dataset[0], all_or_nothing)
        unseen += share * added[0]
    samples = sum(judging.samples[dataset] for dataset in datasets)
    return int(samples_needed(seen, unseen, samples, gap))


def _largest_drops(evidence: Evidence) -> dict[str, float]:
    """Return for each dataset the most that one sample can lose, in % of the baseline or pp."""
    largest = {}
    rows = rows_of_role(evidence.evaluations, evidence.role)
    baselines = rows.group_by("dataset").agg(pl.first("baseline"))
    for dataset, baseline in baselines.iter_rows():
        max_change = PERCENT * evidence.max_change[dataset]
        if evidence.scale == "relative" and baseline:
            max_change /= abs(baseline)
        largest[dataset] = max_change
    return largest
