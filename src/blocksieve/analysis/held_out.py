"""The winner's curse: how much better winners look on the samples that chose them than on others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from blocksieve.choices import METHODS, choices_of
from blocksieve.evidence import Evidence
from blocksieve.statistics import (
    Estimate,
    false_discovery,
    independent_difference,
    p_values,
    tied_with_best,
)

SCOPES = ("dataset", "generic")


def analyse(evidence: Evidence) -> dict[str, Any]:
    """Search drop against holdout drop, in % or pp; schema held_out.schema.json.

    `finalists`: every combination measured on all datasets in both roles, averaged over the datasets. `winners`: what
    each method chose for a dataset or for all, on those datasets; `optimism` is holdout minus search, on different
    samples; `tied`: whether it is still in the tied set among the combinations of its size measured there on holdout.
    `by_size`: optimism of a method and scope averaged over its winners; `q` over these rows.
    All lists are empty without holdout samples.
    """
    held_out = evidence.held_out
    finalists, winners, by_size = [], [], []
    if held_out is not None:
        names = [name for name in evidence.full() if name in held_out.full()]
        both = zip(_averages(evidence, names), _averages(held_out, names), strict=True)
        finalists = [
            {"combination": name, "size": name.count("-") + 1} | _gap(search, holdout)
            for name, (search, holdout) in zip(names, both, strict=True)
        ]
        winners = _winners(evidence, held_out)
        by_size = _by_size(evidence, held_out, winners)
    return {
        "measured": held_out is not None,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "search_samples": sum(evidence.samples.values()),
        "holdout_samples": sum(held_out.samples.values()) if held_out else 0,
        "by_size": by_size,
        "winners": winners,
        "finalists": finalists,
    }


def _winners(evidence: Evidence, held_out: Evidence) -> list[dict[str, Any]]:
    rows = []
    for choice in choices_of(evidence):
        datasets = _datasets(evidence, choice.scope, choice.name)
        measured = all(
            choice.combination in one.names.get(dataset, ())
            for one in (evidence, held_out)
            for dataset in datasets
        )
        if choice.method in METHODS and choice.scope in SCOPES and measured:
            search, holdout = (
                _averages(one, [choice.combination], datasets)[0] for one in (evidence, held_out)
            )
            about = {
                "method": choice.method,
                "scope": choice.scope,
                "name": choice.name,
                "size": choice.size,
            }
            row = about | {"combination": choice.combination} | _gap(search, holdout)
            rows.append(row | _place(held_out, choice.combination, datasets))
    return rows


def _datasets(evidence: Evidence, scope: str, name: str) -> list[str]:
    return [name] if scope == "dataset" else list(evidence.names)


def _place(held_out: Evidence, combination: str, datasets: Sequence[str]) -> dict[str, Any]:
    """Whether a combination is tied with the best of its size on holdout, and among how many."""
    size = combination.count("-")
    rivals = [
        name
        for name, on in held_out.coverage.items()
        if name.count("-") == size and set(datasets) <= set(on)
    ]  # fmt: skip
    tied = tied_with_best([held_out.subset(dataset, rivals) for dataset in datasets])
    means = held_out.mean_drops(rivals, datasets)
    best = rivals[int(np.argmin(means))]
    return {
        "tied": bool(tied[rivals.index(combination)]),
        "holdout_best": best,
        "rivals": len(rivals),
    }


def _by_size(
    evidence: Evidence, held_out: Evidence, winners: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in winners:
        groups.setdefault((row["method"], row["scope"], row["size"]), []).append(row)
    rows: list[dict[str, Any]] = []
    for (method, scope, size), group in groups.items():
        contrasts = {
            dataset: {row["combination"]: 1.0}
            for row in group
            for dataset in _datasets(evidence, scope, row["name"])
        }
        search, holdout = (_estimate(one.average_of(contrasts)) for one in (evidence, held_out))
        about = {"method": method, "scope": scope, "size": size, "winners": len(group)}
        p = float(p_values(holdout.mean - search.mean, np.hypot(holdout.se, search.se), np.inf))
        rows.append(
            about
            | _gap(search, holdout)
            | {"p": p, "still_tied": sum(row["tied"] for row in group)}
        )
    adjusted = false_discovery([row["p"] for row in rows]).tolist()
    return [row | _known({"p": row["p"], "q": q}) for row, q in zip(rows, adjusted, strict=True)]


def _averages(
    evidence: Evidence, names: Sequence[str], datasets: Sequence[str] | None = None
) -> list[Estimate]:
    return [
        _estimate(row)
        for row in evidence.average([{name: 1.0} for name in names], datasets).to_dicts()
    ]


def _estimate(row: dict[str, Any]) -> Estimate:
    numbers = (row["mean"], row["se"], row["low"], row["high"])
    return Estimate(*(np.nan if number is None else number for number in numbers))


def _gap(search: Estimate, holdout: Estimate) -> dict[str, float | None]:
    """Both drops and holdout minus search, each with its interval."""
    parts = {
        "search": search,
        "holdout": holdout,
        "optimism": independent_difference(holdout, search),
    }
    numbers: dict[str, float] = {}
    for name, part in parts.items():
        numbers |= {name: part.mean, f"{name}_low": part.low, f"{name}_high": part.high}
    return _known(numbers)


def _known(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(number) else number for name, number in numbers.items()}
