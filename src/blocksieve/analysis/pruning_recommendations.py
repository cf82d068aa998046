"""What to remove: the best of every size, strategies by what may be lost, and a path of one block after the other."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from blocksieve.analysis.task_specific_vs_generic import SAME, judge
from blocksieve.choices import choices_of, lists_of
from blocksieve.evidence import Evidence, difference
from blocksieve.statistics import spread, tied_with_best

STRATEGIES = ("conservative", "balanced", "aggressive")
ENOUGH_DATASETS = 3
STARS_RULE = (
    "one star, and one more for each of: evaluated on every dataset of the run and on three or more; the upper end of"
    " the interval at most the balanced limit; the spread over datasets at most the balanced limit; no single dataset"
    " whose interval lies above the aggressive limit"
)


def analyse(evidence: Evidence, routing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Recommend combinations, all drops in % or pp; schema pruning_recommendations.schema.json.

    `sizes`: for every size the combination of least drop among those that every dataset has, with all that are tied
    with it. `strategies`: for each limit of the config's `analysis.max_drop` the largest size whose best combination
    loses at most so much, by the upper end of its interval. `path`: from the best single block, each step adds the
    block that costs least; `increment` is what it adds, on the same samples. Search samples chose and measured these,
    so that drops of winners are on average too small; `holdout` is the same drop on samples never used to choose.
    `scenarios`: known_task, the list of each task type on its datasets; unknown_task, the generic list on all; mixed,
    the lists of the router of `routing`, the document of that analysis. In the first two
    `given_up` is how much more it costs on holdout samples than every dataset's own list, and for a known task
    `generic` how much more the generic list costs than the task's; both say what that shows.
    """
    sizes = [_best(evidence, size) for size in evidence.sizes]
    limits = evidence.settings["max_drop"]
    return {
        "role": evidence.role,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "paired": evidence.paired,
        "num_datasets": len(evidence.names),
        "samples": sum(evidence.samples.values()),
        "robustness_rule": STARS_RULE,
        "sizes": sizes,
        "strategies": {name: _strategy(sizes, limits[name]) for name in STRATEGIES},
        "path": _path(evidence),
        "scenarios": {
            "known_task": _scenario(evidence, "task_type"),
            "unknown_task": _scenario(evidence, "generic"),
            "mixed": _mixed(routing) if routing else [],
        },
    }


def _best(evidence: Evidence, size: int) -> dict[str, Any]:
    names = evidence.full(size)
    estimates = evidence.average([{name: 1.0} for name in names])
    tied = tied_with_best([evidence.subset(dataset, names) for dataset in evidence.names])
    order = estimates.with_columns(name=pl.Series(names), tied=pl.Series(tied)).sort(
        "mean", maintain_order=True
    )
    best = order.row(0, named=True)
    return {
        "size": size,
        "candidates": len(names),
        **_described(evidence, best["name"], best),
        "robustness": _stars(evidence, best["name"], best),
        "tied": order.filter("tied")["name"].to_list(),
    }


def _described(
    evidence: Evidence, name: str, estimate: dict[str, Any], datasets: Sequence[str] | None = None
) -> dict[str, Any]:
    chosen = list(evidence.names) if datasets is None else datasets
    return {
        "combination": name,
        "removed": [int(block) for block in name.split("-")],
        "drop": estimate["mean"],
        "low": estimate["low"],
        "high": estimate["high"],
        "spread": spread([float(evidence.values(dataset, [name])[0]) for dataset in chosen]),
        "coverage": len(evidence.coverage[name]),
        "holdout": _again(evidence, name, chosen),
    }


def _again(
    evidence: Evidence, name: str, datasets: Sequence[str]
) -> dict[str, float | None] | None:
    """The drop measured on the holdout samples of the datasets; None where it was not."""
    held_out = evidence.held_out
    if held_out is None or not set(datasets) <= set(held_out.coverage.get(name, ())):
        return None
    found = held_out.average([{name: 1.0}], datasets).row(0, named=True)
    return {"drop": found["mean"], "low": found["low"], "high": found["high"]}


def _stars(evidence: Evidence, name: str, estimate: dict[str, Any]) -> int:
    limits = evidence.settings["max_drop"]
    rows = evidence.table.filter(pl.col("combination") == name)
    between = spread(rows["drop"].to_list())
    earned: tuple[bool, ...] = (
        len(rows) == len(evidence.names) >= ENOUGH_DATASETS,
        estimate["high"] is not None and estimate["high"] <= limits["balanced"],
        between is not None and between <= limits["balanced"],
        rows["low"].null_count() == 0 and bool((rows["low"] <= limits["aggressive"]).all()),
    )
    return 1 + sum(earned)


def _strategy(sizes: list[dict[str, Any]], limit: float) -> dict[str, Any]:
    within = [entry for entry in sizes if entry["high"] is not None and entry["high"] <= limit]
    if not within:
        nothing = {"drop": 0.0, "low": 0.0, "high": 0.0}
        return {"max_drop": limit, "size": 0, "combination": "none", **nothing, "holdout": nothing}
    keys = ("size", "combination", "drop", "low", "high", "holdout")
    return {"max_drop": limit, **{key: within[-1][key] for key in keys}}


def _scenario(evidence: Evidence, scope: str) -> list[dict[str, Any]]:
    """A row a size and name of the scope: its list, and what it costs on its datasets."""
    groups: dict[tuple[int, str], dict[str, dict[str, str]]] = {}
    for method, size, dataset, lists in lists_of(evidence):
        if method == "beam" and {"dataset", "generic", scope} <= set(lists):
            name = evidence.task_types[dataset] if scope == "task_type" else "generic"
            groups.setdefault((size, name), {})[dataset] = lists
    rows = []
    for (size, name), by_dataset in groups.items():
        combination = next(iter(by_dataset.values()))[scope]
        if not all(combination in evidence.names[dataset] for dataset in by_dataset):
            continue
        estimate = evidence.average([{combination: 1.0}], by_dataset).row(0, named=True)
        row = {
            "size": size,
            "name": name,
            **_described(evidence, combination, estimate, list(by_dataset)),
        }
        row["given_up"] = _regret(
            evidence,
            {one: difference(combination, own["dataset"]) for one, own in by_dataset.items()},
        )
        if scope == "task_type":
            generic = next(iter(by_dataset.values()))["generic"]
            row["generic"] = {
                "combination": generic,
                "costs": _regret(
                    evidence, dict.fromkeys(by_dataset, difference(generic, combination))
                ),
            }
        rows.append(row)
    for regrets in (
        [row["given_up"] for row in rows],
        [row.get("generic", {}).get("costs") for row in rows],
    ):
        judge([regret for regret in regrets if regret is not None])
    return rows


def _mixed(routing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Requests of all task types, their lists by the prompt: the router's drop, and what it saves against one list."""
    rows = []
    for entry in routing["sizes"]:
        lists = {
            one["name"]: one["combination"]
            for one in routing["lists"]
            if one["size"] == entry["size"]
        }
        ends = ("drop", "low", "high")
        numbers = {
            name: {end: entry[name][end] for end in ends} for name in ("hybrid", "gain", "possible")
        }
        rows.append(
            {
                "size": entry["size"],
                "generic": lists.pop("generic"),
                "lists": lists,
                "holdout": numbers.pop("hybrid"),
                **numbers,
            }
        )
    return rows


def _regret(evidence: Evidence, contrasts: dict[str, dict[str, float]]) -> dict[str, Any] | None:
    """Differences on the holdout samples, averaged over datasets; None where not measured."""
    held_out = evidence.held_out
    if held_out is None or any(
        not set(names) <= set(held_out.names.get(one, ())) for one, names in contrasts.items()
    ):
        return None
    found = held_out.average_of(contrasts)
    numbers = {"regret": found["mean"], "low": found["low"], "high": found["high"], "p": found["p"]}
    return numbers | {"q": None, "verdict": None if any(contrasts.values()) else SAME}


def _path(evidence: Evidence) -> list[dict[str, Any]]:
    names = [choice.combination for choice in choices_of(evidence) if choice.method == "path"]
    names = [name for name in names if name in evidence.full()]
    steps = []
    for before, name in pairwise(["none", *names]):
        (block,) = set(name.split("-")) - set(before.split("-"))
        contrasts = [{name: 1.0}, {name: 1.0} | ({} if before == "none" else {before: -1.0})]
        measured, added = evidence.average(contrasts).to_dicts()
        step = {"added_block": int(block), **_described(evidence, name, measured)}
        increment = {
            "increment": added["mean"],
            "increment_low": added["low"],
            "increment_high": added["high"],
        }
        steps.append(step | increment)
    return steps
