"""What to remove: the list of every size, strategies by allowed loss, and a path block by block."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypedDict

import numpy as np

from blocksieve.analysis.power import Resolution, resolution
from blocksieve.analysis.routing import MeasuredPolicy, RoutingDocument
from blocksieve.analysis.task_specific_vs_generic import Judged, add_verdicts
from blocksieve.choices import GENERIC, RECOMMENDED, Method, Scope, best_first
from blocksieve.choosing import choices_by_dataset, choices_of, recommended_for_all
from blocksieve.combination import NONE, Combination
from blocksieve.evidence import Evidence, MeanDrop, contrast
from blocksieve.model_description import RemovedShares, removed_shares
from blocksieve.specs import Role
from blocksieve.units import Scale
from blocksieve.verdicts import End, Verdict

STARS_RULE = (
    "a star for each of these that holdout samples show, by the upper end of a 95 % interval: the"
    " mean drop keeps the aggressive limit, the balanced one, the conservative one; the drop of"
    " every single dataset keeps the aggressive limit, the balanced one"
)

ChosenByDataset = dict[str, dict[Scope, Combination]]
"""For each dataset the combination of each scope, at one size."""


class DropInterval(TypedDict):
    """A drop with the ends of its interval."""

    drop: float | None
    low: float | None
    high: float | None


class VerifiedDrop(DropInterval):
    """A drop on verify samples, and how many datasets have such samples and count."""

    datasets: int


class MeasuredDrop(DropInterval, RemovedShares):
    """A combination with its drop on search samples, the same on holdout samples, what it saves."""

    combination: str
    removed: list[int | str]
    spread: float | None
    coverage: int
    holdout: DropInterval | None


class BestOfSize(MeasuredDrop):
    """The generic list of a size, and the combinations that are tied for the first place."""

    size: int
    candidates: int
    robustness: int
    tied: list[str]


class Strategy(RemovedShares):
    """The largest size whose generic list keeps a limit; size 0 where none is shown to.

    `end`: why no larger size is claimed. `size_on_search`: the size that search samples, which
    favour what they chose, would have allowed.
    """

    max_drop: float
    size: int
    combination: str
    holdout: DropInterval | None
    end: End
    size_on_search: int


class Step(MeasuredDrop):
    """A step of the path, and what its block adds."""

    added_site: str
    increment: float | None
    increment_low: float | None
    increment_high: float | None
    increment_role: Role


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
    left_out: list[str]
    samples: int
    robustness_rule: str
    resolution: Resolution | None
    sizes: list[BestOfSize]
    strategies: dict[str, Strategy]
    path: list[Step]
    scenarios: Scenarios
    verified: dict[str, VerifiedDrop] | None


def analyse(
    evidence: Evidence, *, routing: RoutingDocument | None = None
) -> RecommendationsDocument:
    """Recommend combinations, all drops in % or pp; schema pruning_recommendations.schema.json.

    `sizes`: for every size the generic list, which the other parts name as well, and all of the
    combinations that every dataset has which are tied for the least drop.
    `resolution`: which mean drops the samples that judge these combinations can tell from none.
    `strategies`: for each limit of the config's `analysis.max_drop` the largest size whose list
    loses at most that much, by the upper end of its interval on holdout samples, which
    chose nothing. Sizes are tried upward until one fails: a fixed sequence of tests, which needs no
    correction for their number (Maurer, Hothorn and Lehmacher, "Multiple comparisons in drug
    clinical trials and preclinical assays: a-priori ordered hypotheses", 1995).
    Without holdout samples no limit counts as kept.
    `verified`: the strategies' combinations on verify samples, which no choice and no limit saw.
    `path`: from the best single block, each step adds the block that costs least; `increment` is
    what it adds, on the same samples: of holdout if these measured all of the path
    (`increment_role`), since on those that chose it the least of many is too small.
    Search samples chose and measured these, so that drops of winners are on average too small;
    `holdout` is the same drop on samples never used to choose.
    `scenarios`: known_task, the list of each task type on its datasets; unknown_task, the generic
    list on all; mixed, the lists of the router of `routing`, the document of that analysis. In the
    first two `given_up` is how much more it costs on holdout samples than every dataset's list, and
    for a known task `generic` how much more the generic list costs than the task's; both say what
    that shows.
    """
    generic = recommended_for_all(evidence)
    sizes = [_of_size(evidence, size, generic.get(size)) for size in evidence.sizes]
    best_of_sizes = [Combination.parse(best["combination"]) for best in sizes]
    limits = evidence.limits
    strategies: dict[str, Strategy] = {
        "conservative": strategy_within(sizes, limits.conservative),
        "balanced": strategy_within(sizes, limits.balanced),
        "aggressive": strategy_within(sizes, limits.aggressive),
    }
    return {
        "role": evidence.role,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "paired": evidence.paired,
        "num_datasets": len(evidence.datasets),
        "left_out": evidence.left_out,
        "samples": sum(evidence.samples.values()),
        "robustness_rule": STARS_RULE,
        "resolution": resolution(evidence, best_of_sizes),
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
) -> dict[str, VerifiedDrop] | None:
    """Measure the strategies' combinations once more; None without verify samples."""
    if evidence.verify is None:
        return None
    measured = evidence.verify.with_full_coverage()
    drops: dict[str, VerifiedDrop] = {}
    for name, strategy in strategies.items():
        combination = Combination.parse(strategy["combination"])
        if combination in measured:
            (mean,) = evidence.verify.average([{combination: 1.0}])
            datasets = evidence.verify.counted(evidence.verify.datasets)
            drops[name] = {**_interval(mean), "datasets": len(datasets)}
    return drops


def _of_size(evidence: Evidence, size: int, chosen: Combination | None) -> BestOfSize:
    """Describe the generic list of a size, or where a run chose none what looks best now."""
    combinations = evidence.with_full_coverage(size)
    mean_drops = evidence.mean_drops(combinations, evidence.datasets)
    ordered = [combinations[place] for place in best_first(combinations, mean_drops)]
    best = chosen if chosen in combinations else ordered[0]
    (mean,) = evidence.average([{best: 1.0}])
    measured = _measured_drop(evidence, best, mean, evidence.datasets)
    tied = evidence.tied(size, evidence.datasets)
    return {
        "size": size,
        "candidates": len(combinations),
        **measured,
        "robustness": _stars(evidence, best, measured["holdout"]),
        "tied": [str(combination) for combination in ordered if combination in tied],
    }


def _measured_drop(
    evidence: Evidence, combination: Combination, mean: MeanDrop, datasets: Sequence[str]
) -> MeasuredDrop:
    return {
        "combination": str(combination),
        "removed": list(combination.names),
        **_interval(mean),
        "spread": evidence.spread(combination, datasets),
        "coverage": len(evidence.coverage[combination]),
        "holdout": _holdout_drop(evidence, combination, datasets),
        **evidence.removed_shares[combination],
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


def _stars(evidence: Evidence, combination: Combination, mean: DropInterval | None) -> int:
    """Count the claims of STARS_RULE that hold; `mean`: the drop on holdout samples."""
    if evidence.holdout is None or mean is None:
        return 0
    limits = evidence.limits
    worst_high = -np.inf
    for dataset in evidence.datasets:
        (drop,) = evidence.holdout.average([{combination: 1.0}], [dataset])
        worst_high = max(worst_high, _end(drop.high))
    mean_high = _end(mean["high"])
    claims = [
        mean_high <= limits.aggressive,
        mean_high <= limits.balanced,
        mean_high <= limits.conservative,
        worst_high <= limits.aggressive,
        worst_high <= limits.balanced,
    ]
    return sum(claims)


def _end(high: float | None) -> float:
    """Return the upper end of an interval; one that is not known keeps no limit."""
    if high is None:
        return np.inf
    return high


def strategy_within(sizes: Sequence[BestOfSize], limit: float) -> Strategy:
    """Return the largest size whose best combination keeps a limit: see `analyse`."""
    on_search = [best["high"] for best in sizes]
    on_holdout = [upper_end(best["holdout"]) for best in sizes]
    num_on_search = num_within(on_search, limit)
    num_kept = num_within(on_holdout, limit)
    strategy: Strategy = {
        "max_drop": limit,
        "size": 0,
        "combination": str(NONE),
        "holdout": None,
        "end": _why_no_larger(on_holdout, num_kept),
        "size_on_search": 0,
        **removed_shares(NONE, {}),
    }
    if num_on_search:
        strategy["size_on_search"] = sizes[num_on_search - 1]["size"]
    if num_kept:
        largest = sizes[num_kept - 1]
        strategy["size"] = largest["size"]
        strategy["combination"] = largest["combination"]
        strategy["holdout"] = largest["holdout"]
        strategy["removed_parameters"] = largest["removed_parameters"]
        strategy["removed_flops"] = largest["removed_flops"]
        strategy["removed_kv_cache"] = largest["removed_kv_cache"]
    return strategy


def upper_end(interval: DropInterval | None) -> float | None:
    """Return the upper end of an interval, None where there is none."""
    return interval["high"] if interval else None


def num_within(highs: Iterable[float | None], limit: float) -> int:
    """Count the sizes, from the smallest, before the first whose upper end is above the limit."""
    num_kept = 0
    for high in highs:
        if _end(high) > limit:
            break
        num_kept += 1
    return num_kept


def _why_no_larger(highs: Sequence[float | None], num_kept: int) -> End:
    if not highs:
        return End.NOT_CONFIRMED
    if num_kept == len(highs):
        return End.SEARCH
    if highs[num_kept] is None:
        return End.NOT_CONFIRMED
    return End.LIMIT


def _path(evidence: Evidence) -> list[Step]:
    on_every_dataset = set(evidence.with_full_coverage())
    combinations = [
        choice.combination
        for choice in choices_of(evidence)
        if choice.method == Method.PATH and choice.combination in on_every_dataset
    ]
    unbiased = evidence
    holdout = evidence.holdout
    if holdout and set(combinations) <= set(holdout.measured_on(evidence.datasets)):
        unbiased = holdout
    steps = []
    for before, after in pairwise([NONE, *combinations]):
        steps.append(_step(evidence, unbiased, before, after))
    return steps


def _step(evidence: Evidence, unbiased: Evidence, before: Combination, after: Combination) -> Step:
    (added,) = set(after.sites) - set(before.sites)
    # Nothing removed is not measured: its drop is 0.
    increment = {after: 1.0} if before == NONE else contrast(after, before)
    (drop,) = evidence.average([{after: 1.0}])
    (added_drop,) = unbiased.average([increment], evidence.datasets)
    return {
        "added_site": str(added),
        **_measured_drop(evidence, after, drop, evidence.datasets),
        "increment": added_drop.mean,
        "increment_low": added_drop.low,
        "increment_high": added_drop.high,
        "increment_role": unbiased.role,
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
        # A contrast of equal lists is empty, and would pass on a dataset without holdout drops.
        measured = holdout.row_index.get(dataset)
        if measured is None or not weights.keys() <= measured.keys():
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
