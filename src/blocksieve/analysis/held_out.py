"""The winner's curse: how much better winners look on the samples that chose them."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from blocksieve.choices import Choice, Method, Scope, best_first
from blocksieve.choosing import choices_of
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, MeanDrop
from blocksieve.statistics import (
    Estimate,
    false_discovery_of_signs,
    independent_difference,
    none_if_nan,
    p_of_interval,
)
from blocksieve.units import Scale

SCOPES = (Scope.DATASET, Scope.GENERIC)


class Gap(TypedDict):
    """A drop on search and on holdout samples, and holdout minus search, each with its interval."""

    search: float | None
    search_low: float | None
    search_high: float | None
    holdout: float | None
    holdout_low: float | None
    holdout_high: float | None
    optimism: float | None
    optimism_low: float | None
    optimism_high: float | None


class Finalist(Gap):
    """A combination measured on all datasets in both roles."""

    combination: str
    size: int


class Winner(Gap):
    """What a method chose, and how it stands among the combinations of its size on holdout."""

    method: str
    scope: str
    name: str
    size: int
    combination: str
    tied: bool
    holdout_best: str
    rivals: int


class MeanGap(Gap):
    """The gap of a method, scope and size, averaged over its winners."""

    method: str
    scope: str
    size: int
    winners: int
    p: float | None
    still_tied: int
    q: float | None


class HeldOutDocument(TypedDict):
    """Content of held_out.json."""

    measured: bool
    across_datasets: Scale
    unit: str
    search_samples: int
    holdout_samples: int
    by_size: list[MeanGap]
    winners: list[Winner]
    finalists: list[Finalist]


def analyse(evidence: Evidence) -> HeldOutDocument:
    """Compare drops on search and holdout samples, in % or pp; schema held_out.schema.json.

    `finalists`: every combination measured on all datasets in both roles, averaged over the
    datasets. `winners`: what each method chose for a dataset or for all, on those datasets;
    `optimism` is holdout minus search, on different samples; `tied`: whether it is still in the
    tied set among the combinations of its size measured there on holdout. `by_size`: optimism of a
    method and scope averaged over its winners; `q` over these rows. All lists are empty without
    holdout samples.
    """
    holdout = evidence.holdout
    finalists: list[Finalist] = []
    winners: list[Winner] = []
    by_size: list[MeanGap] = []
    if holdout is not None:
        finalists = _finalists(evidence, holdout)
        winners = _winners(evidence, holdout)
        by_size = _by_size(evidence, holdout, winners)
    return {
        "measured": holdout is not None,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "search_samples": sum(evidence.samples.values()),
        "holdout_samples": sum(holdout.samples.values()) if holdout else 0,
        "by_size": by_size,
        "winners": winners,
        "finalists": finalists,
    }


def _finalists(evidence: Evidence, holdout: Evidence) -> list[Finalist]:
    datasets = evidence.datasets
    in_holdout = set(holdout.measured_on(datasets))
    combinations = [each for each in evidence.with_full_coverage() if each in in_holdout]
    if not combinations:
        return []
    contrasts = [{combination: 1.0} for combination in combinations]
    search_means = evidence.average(contrasts, datasets)
    holdout_means = holdout.average(contrasts, datasets)
    finalists: list[Finalist] = []
    means = zip(combinations, search_means, holdout_means, strict=True)
    for combination, search_mean, holdout_mean in means:
        finalists.append(
            {
                "combination": str(combination),
                "size": combination.size,
                **_gap(_estimate(search_mean), _estimate(holdout_mean)),
            }
        )
    return finalists


def _winners(evidence: Evidence, holdout: Evidence) -> list[Winner]:
    winners = []
    for choice in choices_of(evidence):
        if choice.method == Method.PATH or choice.scope not in SCOPES:
            continue
        datasets = _datasets(evidence, choice.scope, choice.name)
        in_search = _measured(evidence, choice.combination, datasets)
        in_holdout = _measured(holdout, choice.combination, datasets)
        if in_search and in_holdout:
            winners.append(_winner(evidence, holdout, choice, datasets))
    return winners


def _datasets(evidence: Evidence, scope: str, name: str) -> list[str]:
    """Return the datasets on which a scope's choice is measured."""
    if scope == Scope.DATASET:
        return [name]
    return evidence.datasets


def _measured(evidence: Evidence, combination: Combination, datasets: Sequence[str]) -> bool:
    combinations_of = evidence.row_index
    return all(combination in combinations_of.get(dataset, {}) for dataset in datasets)


def _winner(
    evidence: Evidence, holdout: Evidence, choice: Choice, datasets: Sequence[str]
) -> Winner:
    combination = choice.combination
    (search_mean,) = evidence.average([{combination: 1.0}], datasets)
    (holdout_mean,) = holdout.average([{combination: 1.0}], datasets)
    rivals = _rivals(holdout, combination.size, datasets)
    tied = holdout.tied_with_best(rivals, datasets)
    best = best_first(rivals, holdout.mean_drops(rivals, datasets))[0]
    return {
        "method": choice.method,
        "scope": choice.scope,
        "name": choice.name,
        "size": choice.size,
        "combination": str(combination),
        **_gap(_estimate(search_mean), _estimate(holdout_mean)),
        "tied": bool(tied[rivals.index(combination)]),
        "holdout_best": str(rivals[best]),
        "rivals": len(rivals),
    }


def _rivals(holdout: Evidence, size: int, datasets: Sequence[str]) -> list[Combination]:
    """Return the combinations of a size that were measured on all the datasets."""
    return [each for each in holdout.measured_on(datasets) if each.size == size]


def _by_size(evidence: Evidence, holdout: Evidence, winners: Sequence[Winner]) -> list[MeanGap]:
    groups: dict[tuple[str, str, int], list[Winner]] = {}
    for winner in winners:
        key = (winner["method"], winner["scope"], winner["size"])
        groups.setdefault(key, []).append(winner)
    rows = []
    for group in groups.values():
        rows.append(_mean_gap(evidence, holdout, group))
    # What is unknown is nan here.
    p = np.array([row["p"] for row in rows], dtype=np.float64)
    optimism = np.array([row["optimism"] for row in rows], dtype=np.float64)
    adjusted = false_discovery_of_signs(p, optimism).tolist()
    for row, q in zip(rows, adjusted, strict=True):
        row["q"] = none_if_nan(q)
    return rows


def _mean_gap(evidence: Evidence, holdout: Evidence, winners: Sequence[Winner]) -> MeanGap:
    """Average the gap over the winners of one method, scope and size."""
    first = winners[0]
    contrasts: dict[str, dict[Combination, float]] = {}
    for winner in winners:
        for dataset in _datasets(evidence, winner["scope"], winner["name"]):
            combination = Combination.parse(winner["combination"])
            contrasts[dataset] = {combination: 1.0}
    search = _estimate(evidence.average_of(contrasts))
    measured = _estimate(holdout.average_of(contrasts))
    optimism = independent_difference(measured, search)
    p = p_of_interval(optimism.mean, optimism.low, optimism.high)
    return {
        "method": first["method"],
        "scope": first["scope"],
        "size": first["size"],
        "winners": len(winners),
        **_gap(search, measured),
        "p": none_if_nan(p),
        "still_tied": sum(winner["tied"] for winner in winners),
        "q": None,
    }


def _estimate(mean: MeanDrop) -> Estimate:
    """Return a mean as the statistics take it: unknown numbers are nan."""
    numbers = [mean.mean, mean.se, mean.low, mean.high]
    with_nan = np.array(numbers, dtype=np.float64)
    return Estimate(*with_nan.tolist())


def _gap(search: Estimate, holdout: Estimate) -> Gap:
    optimism = independent_difference(holdout, search)
    return {
        "search": none_if_nan(search.mean),
        "search_low": none_if_nan(search.low),
        "search_high": none_if_nan(search.high),
        "holdout": none_if_nan(holdout.mean),
        "holdout_low": none_if_nan(holdout.low),
        "holdout_high": none_if_nan(holdout.high),
        "optimism": none_if_nan(optimism.mean),
        "optimism_low": none_if_nan(optimism.low),
        "optimism_high": none_if_nan(optimism.high),
    }
