"""All that was measured: every combination's drops, on average and on every dataset."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import polars as pl

from blocksieve.combination import Combination, Site, block_sites
from blocksieve.evidence import Evidence
from blocksieve.report.numbers import count_removed

MAX_DROPS = 40_000
"""Combinations times datasets that have a place on the page; the first ranks stay."""
Interval = tuple[float, float | None]
"""A mean drop and half the width of its 95 % interval, None where that is not known."""
RacedOut = tuple[float, float | None, int]
"""An interval, and how many samples it is from."""


class Dataset(TypedDict):
    """A dataset of the run. `counted`: whether means over datasets count it."""

    name: str
    task_type: str
    metric: str
    counted: bool
    weight: float
    baseline: float
    search_samples: int
    holdout_samples: int


class Measured(TypedDict):
    """A combination's drops in % or pp, None where it was not measured.

    `removed`: how much it removes, in words. `search` and `holdout`: the mean over the datasets
    that count, if measured on all datasets; `by_search` and `by_holdout`: one for each dataset, in
    their order. `worse` and `better`: the holdout samples that score lower or higher without these
    blocks. `raced_out`: only of those that were, one for each dataset, None where it was not.
    """

    name: str
    size: int
    sites: list[str]
    removed: str
    rank: int | None
    tied: bool
    search: Interval | None
    holdout: Interval | None
    by_search: list[Interval | None]
    by_holdout: list[Interval | None]
    worse: int
    better: int
    raced_out: NotRequired[list[RacedOut | None]]


class Refused(TypedDict):
    """A combination that the model cannot run, and why."""

    name: str
    dataset: str
    reason: str


class Measurements(TypedDict):
    """Every dataset, site and combination of a run."""

    datasets: list[Dataset]
    sites: list[str]
    combinations: list[Measured]
    refused: list[Refused]
    left_out: int


def measurements(
    evidence: Evidence, ranking: pl.DataFrame, metrics: Mapping[str, str]
) -> Measurements:
    """Return what a run measured; `ranking`: the table `rankings_by_num_removed`."""
    datasets = list(evidence.task_types)
    rows = ranking.select("combination", "size", "rank", "tied")
    num_kept = MAX_DROPS // len(datasets)
    kept = rows.sort("rank", "size", nulls_last=True, maintain_order=True).head(num_kept)
    names = [Combination.parse(name) for name in kept["combination"]]
    by_search = _by_dataset(evidence, datasets, names)
    by_holdout = _by_dataset(evidence.holdout, datasets, names)
    search = _means(evidence, datasets, names)
    holdout = _means(evidence.holdout, datasets, names)
    changed = _changed(evidence)
    raced_out = _raced_out(evidence)
    combinations: list[Measured] = []
    for row in kept.iter_rows(named=True):
        combination = Combination.parse(row["combination"])
        worse, better = changed.get(row["combination"], (0, 0))
        combinations.append(
            {
                "name": row["combination"],
                "size": row["size"],
                "sites": [str(site) for site in combination.sites],
                "removed": count_removed(combination),
                "rank": row["rank"],
                "tied": bool(row["tied"]),
                "search": search.get(combination),
                "holdout": holdout.get(combination),
                "by_search": [of_dataset.get(combination) for of_dataset in by_search],
                "by_holdout": [of_dataset.get(combination) for of_dataset in by_holdout],
                "worse": worse,
                "better": better,
            }
        )
        if row["combination"] in raced_out:
            of_dataset = raced_out[row["combination"]]
            combinations[-1]["raced_out"] = [of_dataset.get(dataset) for dataset in datasets]
    combinations.sort(key=_place)
    return {
        "datasets": [_dataset(evidence, dataset, metrics) for dataset in datasets],
        "sites": [str(site) for site in _sites(evidence)],
        "combinations": combinations,
        "refused": _refused(evidence.evaluations),
        "left_out": len(rows) - len(kept),
    }


def _place(row: Measured) -> tuple[int, float, Combination]:
    rank = float("inf") if row["rank"] is None else row["rank"]
    return row["size"], rank, Combination.parse(row["name"])


def _dataset(evidence: Evidence, dataset: str, metrics: Mapping[str, str]) -> Dataset:
    holdout_samples = 0
    if evidence.holdout is not None:
        holdout_samples = evidence.holdout.samples.get(dataset, 0)
    return {
        "name": dataset,
        "task_type": evidence.task_types[dataset],
        "metric": metrics.get(dataset, ""),
        "counted": dataset not in evidence.left_out,
        "weight": evidence.weights.get(dataset, 1.0),
        "baseline": evidence.baselines[dataset],
        "search_samples": evidence.samples[dataset],
        "holdout_samples": holdout_samples,
    }


def _sites(evidence: Evidence) -> list[Site]:
    """Return every block of the model, and the halves of blocks that some combination removes."""
    sites = set(block_sites(evidence.depth))
    for combination in evidence.coverage:
        sites.update(combination.sites)
    return sorted(sites)


def _by_dataset(
    evidence: Evidence | None, datasets: Sequence[str], combinations: Sequence[Combination]
) -> list[dict[Combination, Interval]]:
    """Return for each dataset the drops of the combinations that it measured."""
    if evidence is None:
        return [{} for _ in datasets]
    drops = []
    for dataset in datasets:
        measured = evidence.row_index.get(dataset, {})
        on_dataset = [combination for combination in combinations if combination in measured]
        drops.append(_intervals(evidence, on_dataset, [dataset]))
    return drops


def _means(
    evidence: Evidence | None, datasets: Sequence[str], combinations: Sequence[Combination]
) -> dict[Combination, Interval]:
    """Return the mean drops of the combinations that all of the datasets measured."""
    if evidence is None:
        return {}
    on_every = set(evidence.measured_on(datasets))
    return _intervals(evidence, [each for each in combinations if each in on_every], datasets)


def _intervals(
    evidence: Evidence, combinations: Sequence[Combination], datasets: Sequence[str]
) -> dict[Combination, Interval]:
    means = evidence.average([{combination: 1.0} for combination in combinations], datasets)
    intervals = {}
    for combination, mean in zip(combinations, means, strict=True):
        if mean.mean is None:
            continue
        half = None if mean.high is None else mean.high - mean.mean
        intervals[combination] = (mean.mean, half)
    return intervals


def _changed(evidence: Evidence) -> dict[str, tuple[int, int]]:
    """Return how many holdout samples of all datasets score lower, and higher, by combination."""
    if evidence.holdout is None:
        return {}
    sums = evidence.holdout.table.group_by("combination").agg(pl.sum("losses", "wins"))
    return {name: (worse, better) for name, worse, better in sums.iter_rows()}


def _raced_out(evidence: Evidence) -> dict[str, dict[str, RacedOut]]:
    """Return what was measured of the combinations that were raced out, by dataset."""
    raced_out: dict[str, dict[str, RacedOut]] = {}
    rows = evidence.table.filter("raced_out")
    columns = ("combination", "dataset", "drop", "high", "n")
    numbers = rows.select(columns)
    for name, dataset, drop, high, n in numbers.iter_rows():
        half = None if high is None else high - drop
        by_dataset = raced_out.setdefault(name, {})
        by_dataset[dataset] = (drop, half, n)
    return raced_out


def _refused(evaluations: pl.DataFrame) -> list[Refused]:
    rows = evaluations.filter(pl.col("not_evaluable").is_not_null(), pl.col("role") == "search")
    columns = rows.select("combination", "dataset", "not_evaluable").unique().sort(pl.all())
    refused: list[Refused] = []
    for name, dataset, reason in columns.iter_rows():
        refused.append({"name": name, "dataset": dataset, "reason": reason})
    return refused
