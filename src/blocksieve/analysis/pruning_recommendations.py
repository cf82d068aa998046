"""What to remove: the best of every size, strategies by allowed loss, and a path block by block."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypedDict

import numpy as np
import polars as pl

from blocksieve.analysis.routing import MeasuredPolicy, RoutingDocument
from blocksieve.analysis.task_specific_vs_generic import Judged, add_verdicts
from blocksieve.choices import GENERIC, RECOMMENDED, Method, Scope
from blocksieve.combination import NONE, Combination
from blocksieve.evidence import Evidence, MeanDrop, contrast
from blocksieve.search.finalists import choices_by_dataset, choices_of
from blocksieve.specs import Role
from blocksieve.statistics import spread, tied_with_best
from blocksieve.units import Scale
from blocksieve.verdicts import Verdict

ENOUGH_DATASETS = 3
STARS_RULE = (
    "one star, and one more for each of: evaluated on every dataset of the run and on three or"
    " more; the upper end of the interval at most the balanced limit; the spread over datasets at"
    " most the balanced limit; no single dataset whose interval lies above the aggressive limit"
)

ChosenByDataset = dict[str, dict[Scope, Combination]]
"""For each dataset the combination of each scope, at one size."""


class DropInterval(TypedDict):
    """A drop with the ends of its interval."""

    drop: float | None
    low: float | None
    high: float | None


class MeasuredDrop(DropInterval):
    """A combination with its drop on search samples, and the same on holdout samples."""

    combination: str
    removed: list[int]
    spread: float | None
    coverage: int
    holdout: DropInterval | None


class BestOfSize(MeasuredDrop):
    """The combination of least drop at a size, and those tied with it."""

    size: int
    candidates: int
    robustness: int
    tied: list[str]


class Strategy(DropInterval):
    """The largest size whose best combination keeps a limit; size 0 where none does."""

    max_drop: float
    size: int
    combination: str
    holdout: DropInterval | None


class Step(MeasuredDrop):
    """A step of the path, and what its block adds."""

    added_block: int
    increment: float | None
    increment_low: float | None
    increment_high: float | None


class Regret(Judged):
    """How much more a combination costs on holdout samples, with its interval."""

    low: float | None
    high: float | None


class Listed(MeasuredDrop):
    """A combination for a task type or for all, and what it gives up against each dataset's."""

    size: int
    name: str
    given_up: Regret | None


class GenericCosts(TypedDict):
    """The generic combination, and how much more it costs than the task type's."""

    combination: str
    costs: Regret | None


class KnownTask(Listed):
    """A task type's combination beside the generic one."""

    generic: GenericCosts


class Mixed(TypedDict):
    """Requests of all task types, whose combinations the router picks."""

    size: int
    generic: str
    lists: dict[str, str]
    holdout: DropInterval
    gain: DropInterval
    possible: DropInterval


class Scenarios(TypedDict):
    """What to use where the task of a request is known, where it is not, and for a mix of tasks."""

    known_task: list[KnownTask]
    unknown_task: list[Listed]
    mixed: list[Mixed]


class RecommendationsDocument(TypedDict):
    """Content of pruning_recommendations.json."""

    role: Role
    across_datasets: Scale
    unit: str
    paired: bool
    num_datasets: int
    samples: int
    robustness_rule: str
    sizes: list[BestOfSize]
    strategies: dict[str, Strategy]
    path: list[Step]
    scenarios: Scenarios
    verified: dict[str, DropInterval] | None


def analyse(
    evidence: Evidence, *, routing: RoutingDocument | None = None
) -> RecommendationsDocument:
    """Recommend combinations, all drops in % or pp; schema pruning_recommendations.schema.json.

    `sizes`: for every size the combination of least drop among those that every dataset has, with
    all that are tied with it.
    `strategies`: for each limit of the config's `analysis.max_drop` the largest size whose best
    combination loses at most that much, by the upper end of its interval.
    `verified`: the strategies' combinations on verify samples, which no choice and no limit saw.
    `path`: from the best single block, each step adds the block that costs least; `increment` is
    what it adds, on the same samples.
    Search samples chose and measured these, so that drops of winners are on average too small;
    `holdout` is the same drop on samples never used to choose.
    `scenarios`: known_task, the list of each task type on its datasets; unknown_task, the generic
    list on all; mixed, the lists of the router of `routing`, the document of that analysis. In the
    first two `given_up` is how much more it costs on holdout samples than every dataset's list, and
    for a known task `generic` how much more the generic list costs than the task's; both say what
    that shows.
    """
    sizes = [_best(evidence, size) for size in evidence.sizes]
    limits = evidence.limits
    strategies: dict[str, Strategy] = {
        "conservative": _strategy(sizes, limits.conservative),
        "balanced": _strategy(sizes, limits.balanced),
        "aggressive": _strategy(sizes, limits.aggressive),
    }
    return {
        "role": evidence.role,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "paired": evidence.paired,
        "num_datasets": len(evidence.datasets),
        "samples": sum(evidence.samples.values()),
        "robustness_rule": STARS_RULE,
        "sizes": sizes,
        "strategies": strategies,
        "path": _path(evidence),
        "scenarios": {
            "known_task": _known_task(evidence),
            "unknown_task": _unknown_task(evidence),
            "mixed": _mixed(routing) if routing else [],
        },
        "verified": _verified(evidence, strategies),
    }


def _verified(
    evidence: Evidence, strategies: Mapping[str, Strategy]
) -> dict[str, DropInterval] | None:
    """Measure the strategies' combinations once more; None without verify samples."""
    if evidence.verify is None:
        return None
    drops = {}
    for name, strategy in strategies.items():
        combination = Combination.parse(strategy["combination"])
        if combination in evidence.verify.with_full_coverage():
            (mean,) = evidence.verify.average([{combination: 1.0}])
            drops[name] = _interval(mean)
    return drops


def _best(evidence: Evidence, size: int) -> BestOfSize:
    combinations = evidence.with_full_coverage(size)
    means = evidence.average([{combination: 1.0} for combination in combinations])
    drops = [evidence.subset(dataset, combinations) for dataset in evidence.datasets]
    tied = tied_with_best(drops)  # (combinations,)
    mean_drops = np.array([mean.mean for mean in means])
    # Equal drops keep the combinations' order.
    order = np.argsort(mean_drops, kind="stable")
    best = combinations[order[0]]
    best_mean = means[order[0]]
    return {
        "size": size,
        "candidates": len(combinations),
        **_measured_drop(evidence, best, best_mean, evidence.datasets),
        "robustness": _stars(evidence, best, best_mean),
        "tied": [str(combinations[place]) for place in order if tied[place]],
    }


def _measured_drop(
    evidence: Evidence, combination: Combination, mean: MeanDrop, datasets: Sequence[str]
) -> MeasuredDrop:
    drops = [float(evidence.values(dataset, [combination])[0]) for dataset in datasets]
    return {
        "combination": str(combination),
        "removed": list(combination.blocks),
        **_interval(mean),
        "spread": spread(drops),
        "coverage": len(evidence.coverage[combination]),
        "holdout": _holdout_drop(evidence, combination, datasets),
    }


def _interval(mean: MeanDrop) -> DropInterval:
    return {
        "drop": mean.mean,
        "low": mean.low,
        "high": mean.high,
    }


def _holdout_drop(
    evidence: Evidence, combination: Combination, datasets: Sequence[str]
) -> DropInterval | None:
    """Return the drop on the datasets' holdout samples; None where it was not measured."""
    holdout = evidence.holdout
    if holdout is None:
        return None
    measured_on = holdout.coverage.get(combination, {})
    if not set(datasets) <= measured_on.keys():
        return None
    (mean,) = holdout.average([{combination: 1.0}], datasets)
    return _interval(mean)


def _stars(evidence: Evidence, combination: Combination, mean: MeanDrop) -> int:
    limits = evidence.limits
    rows = evidence.table.filter(pl.col("combination") == str(combination))
    deviation = spread(rows["drop"].to_list())
    lows = rows["low"]
    on_every_dataset = len(rows) == len(evidence.datasets)
    enough_datasets = len(rows) >= ENOUGH_DATASETS
    keeps_limit = mean.high is not None and mean.high <= limits.balanced
    little_spread = deviation is not None and deviation <= limits.balanced
    no_outlier = lows.null_count() == 0 and bool((lows <= limits.aggressive).all())
    earned = [on_every_dataset and enough_datasets, keeps_limit, little_spread, no_outlier]
    return 1 + sum(earned)


def _strategy(sizes: Sequence[BestOfSize], limit: float) -> Strategy:
    within = [best for best in sizes if best["high"] is not None and best["high"] <= limit]
    if not within:
        nothing: DropInterval = {"drop": 0.0, "low": 0.0, "high": 0.0}
        return {
            "max_drop": limit,
            "size": 0,
            "combination": str(NONE),
            **nothing,
            "holdout": nothing,
        }
    largest = within[-1]
    return {
        "max_drop": limit,
        "size": largest["size"],
        "combination": largest["combination"],
        "drop": largest["drop"],
        "low": largest["low"],
        "high": largest["high"],
        "holdout": largest["holdout"],
    }


def _path(evidence: Evidence) -> list[Step]:
    on_every_dataset = set(evidence.with_full_coverage())
    combinations = [
        choice.combination
        for choice in choices_of(evidence)
        if choice.method == Method.PATH and choice.combination in on_every_dataset
    ]
    steps = []
    for before, after in pairwise([NONE, *combinations]):
        steps.append(_step(evidence, before, after))
    return steps


def _step(evidence: Evidence, before: Combination, after: Combination) -> Step:
    (added,) = set(after.sites) - set(before.sites)
    # Nothing removed is not measured: its drop is 0.
    increment = {after: 1.0} if before == NONE else contrast(after, before)
    drop, added_drop = evidence.average([{after: 1.0}, increment])
    return {
        "added_block": added.block,
        **_measured_drop(evidence, after, drop, evidence.datasets),
        "increment": added_drop.mean,
        "increment_low": added_drop.low,
        "increment_high": added_drop.high,
    }


def _known_task(evidence: Evidence) -> list[KnownTask]:
    """Return one row per size and task type: its combination, and the generic one beside it."""
    rows: list[KnownTask] = []
    for (size, task_type), by_dataset in _by_size_and_name(evidence, Scope.TASK_TYPE).items():
        chosen = _any_dataset(by_dataset)
        combination, generic = chosen[Scope.TASK_TYPE], chosen[Scope.GENERIC]
        generic_costs = dict.fromkeys(by_dataset, contrast(generic, combination))
        rows.append(
            {
                **_listed(evidence, size, task_type, combination, by_dataset),
                "generic": {
                    "combination": str(generic),
                    "costs": _regret(evidence, generic_costs),
                },
            }
        )
    _add_verdicts([row["given_up"] for row in rows])
    _add_verdicts([row["generic"]["costs"] for row in rows])
    return rows


def _unknown_task(evidence: Evidence) -> list[Listed]:
    """Return one row per size: the generic combination on all datasets."""
    rows = []
    for (size, name), by_dataset in _by_size_and_name(evidence, Scope.GENERIC).items():
        combination = _any_dataset(by_dataset)[Scope.GENERIC]
        rows.append(_listed(evidence, size, name, combination, by_dataset))
    _add_verdicts([row["given_up"] for row in rows])
    return rows


def _by_size_and_name(evidence: Evidence, scope: Scope) -> dict[tuple[int, str], ChosenByDataset]:
    """Group what beams chose by size and task type (or generic), without what was not measured."""
    groups: dict[tuple[int, str], ChosenByDataset] = {}
    for choices in choices_by_dataset(evidence):
        complete = {Scope.DATASET, Scope.GENERIC, scope} <= choices.combinations.keys()
        if choices.method == RECOMMENDED and complete:
            task_type = evidence.task_types[choices.dataset]
            name = task_type if scope == Scope.TASK_TYPE else GENERIC
            by_dataset = groups.setdefault((choices.size, name), {})
            by_dataset[choices.dataset] = choices.combinations
    return {
        key: by_dataset
        for key, by_dataset in groups.items()
        if _is_measured(evidence, _any_dataset(by_dataset)[scope], by_dataset)
    }


def _any_dataset(by_dataset: ChosenByDataset) -> dict[Scope, Combination]:
    """Return the combinations of any dataset: wider scopes chose the same for all of them."""
    return next(iter(by_dataset.values()))


def _is_measured(evidence: Evidence, combination: Combination, by_dataset: ChosenByDataset) -> bool:
    return all(combination in evidence.row_index[dataset] for dataset in by_dataset)


def _listed(
    evidence: Evidence,
    size: int,
    name: str,
    combination: Combination,
    by_dataset: ChosenByDataset,
) -> Listed:
    datasets = list(by_dataset)
    (mean,) = evidence.average([{combination: 1.0}], datasets)
    given_up = {
        dataset: contrast(combination, chosen[Scope.DATASET])
        for dataset, chosen in by_dataset.items()
    }
    return {
        "size": size,
        "name": name,
        **_measured_drop(evidence, combination, mean, datasets),
        "given_up": _regret(evidence, given_up),
    }


def _regret(
    evidence: Evidence, contrasts: Mapping[str, Mapping[Combination, float]]
) -> Regret | None:
    """Average differences on holdout samples over datasets; None where not measured."""
    holdout = evidence.holdout
    if holdout is None:
        return None
    for dataset, weights in contrasts.items():
        if not weights.keys() <= holdout.row_index.get(dataset, {}).keys():
            return None
    mean = holdout.average_of(contrasts)
    differ = any(contrasts.values())
    return {
        "regret": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "p": mean.p,
        "q": None,
        "verdict": None if differ else Verdict.SAME,
    }


def _add_verdicts(regrets: Sequence[Regret | None]) -> None:
    measured = [regret for regret in regrets if regret is not None]
    add_verdicts(measured)


def _mixed(routing: RoutingDocument) -> list[Mixed]:
    """Return one row per size: the router's drop, and what it saves against one list."""
    rows: list[Mixed] = []
    for policies in routing["sizes"]:
        size = policies["size"]
        lists = {
            listed["name"]: listed["combination"]
            for listed in routing["lists"]
            if listed["size"] == size
        }
        rows.append(
            {
                "size": size,
                "generic": lists.pop(GENERIC),
                "lists": lists,
                "holdout": _policy_interval(policies["hybrid"]),
                "gain": _policy_interval(policies["gain"]),
                "possible": _policy_interval(policies["possible"]),
            }
        )
    return rows


def _policy_interval(policy: MeasuredPolicy) -> DropInterval:
    return {
        "drop": policy["drop"],
        "low": policy["low"],
        "high": policy["high"],
    }
