"""The trade-off: what is lost on holdout samples at every number of removed blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TypedDict

from blocksieve.analysis.pruning_recommendations import DropInterval, RecommendationsDocument
from blocksieve.choices import RECOMMENDED, Method, Scope, best_first
from blocksieve.choosing import choices_by_dataset
from blocksieve.combination import NONE, Combination
from blocksieve.evidence import Evidence
from blocksieve.model_description import RemovedShares
from blocksieve.pareto import on_front
from blocksieve.units import Scale

# Ways to choose lists, from one for each dataset to one for all.
CURVES: Mapping[str, tuple[Method, Scope]] = {
    "own": (Method.BEAM, Scope.DATASET),
    "pooled": (RECOMMENDED, Scope.DATASET),
    "task_type": (RECOMMENDED, Scope.TASK_TYPE),
    "generic": (RECOMMENDED, Scope.GENERIC),
}

WHOLE_BLOCKS = "whole_blocks"

Lists = dict[str, Combination]
"""The combination that each dataset uses."""


class Point(DropInterval, RemovedShares):
    """What a way of choosing loses at a size, on average over the datasets.

    `combination`: null where datasets use several, which `combinations` counts. `samples`: those
    of holdout that judge it. `keeps`: the strictest limit that the interval's upper end keeps.
    `on_front`: no point of its curve loses as little or less with as many blocks removed or more.
    `removed_*`: the mean over the datasets of what their lists save.
    """

    curve: str
    size: int
    combination: str | None
    combinations: int
    samples: int
    keeps: str | None
    on_front: bool


class Recommended(DropInterval):
    """A combination that strategies recommend."""

    strategies: list[str]
    size: int
    combination: str


class TradeOffDocument(TypedDict):
    """Content of trade_off.json."""

    across_datasets: Scale
    unit: str
    limits: dict[str, float]
    points: list[Point]
    recommended: list[Recommended]


def analyse(
    evidence: Evidence, *, recommendations: RecommendationsDocument | None = None
) -> TradeOffDocument:
    """Measure each way of choosing at each size, in % or pp; schema trade_off.schema.json.

    `points`: own, each dataset's list by its drops alone; pooled, each dataset's list, whose drops
    borrow from other datasets (what is recommended); task_type and generic, the same for all of a
    type or for all; whole_blocks, in a run of halves, the best list of whole blocks for all, which
    can be compared with halves by what they save. What chooses on the same samples as generic, with
    one dataset or one task type, is left out, and so are sizes at which a dataset's list was not
    measured on holdout samples.
    `recommended`: the combinations of the strategies of `recommendations`, the document of
    pruning_recommendations.
    """
    limits: dict[str, float] = asdict(evidence.limits)
    points: list[Point] = []
    holdout = evidence.holdout
    if holdout is not None:
        for curve, by_size in _lists(evidence).items():
            measured: list[Point] = []
            for size, lists in by_size.items():
                if _is_measured(holdout, evidence.datasets, lists):
                    measured.append(_point(holdout, curve, size, lists, limits))
            _mark_front(measured)
            points += measured
    return {
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "limits": limits,
        "points": points,
        "recommended": list(_recommended(recommendations)) if recommendations else [],
    }


def _lists(evidence: Evidence) -> dict[str, dict[int, Lists]]:
    """Return by curve and size which combination each dataset uses."""
    num_groups = {
        Scope.DATASET: len(evidence.datasets),
        Scope.TASK_TYPE: len(set(evidence.task_types.values())),
    }
    curves = {
        curve: (method, scope)
        for curve, (method, scope) in CURVES.items()
        if num_groups.get(scope) != 1
    }
    lists: dict[str, dict[int, Lists]] = {curve: {} for curve in curves}
    for choices in choices_by_dataset(evidence):
        for curve, (method, scope) in curves.items():
            combination = choices.combinations.get(scope)
            if choices.method == method and combination is not None:
                lists[curve].setdefault(choices.size, {})[choices.dataset] = combination
    if any(combination.halves for combination in evidence.with_full_coverage()):
        lists[WHOLE_BLOCKS] = _of_whole_blocks(evidence)
    return lists


def _of_whole_blocks(evidence: Evidence) -> dict[int, Lists]:
    """Return by number of blocks the list of whole blocks that costs least on these samples."""
    lists = {}
    for size in evidence.sizes:
        combinations = [each for each in evidence.with_full_coverage(size) if not each.halves]
        if combinations:
            drops = evidence.mean_drops(combinations, evidence.datasets)
            best = combinations[best_first(combinations, drops)[0]]
            lists[size] = dict.fromkeys(evidence.datasets, best)
    return lists


def _is_measured(holdout: Evidence, datasets: list[str], lists: Lists) -> bool:
    return all(lists.get(dataset) in holdout.row_index.get(dataset, {}) for dataset in datasets)


def _point(
    holdout: Evidence, curve: str, size: int, lists: Lists, limits: Mapping[str, float]
) -> Point:
    mean = holdout.average_of({dataset: {each: 1.0} for dataset, each in lists.items()})
    distinct = set(lists.values())
    shares = [holdout.removed_shares[combination] for combination in lists.values()]
    return {
        "curve": curve,
        "size": size,
        "combination": str(distinct.pop()) if len(distinct) == 1 else None,
        "combinations": len(set(lists.values())),
        "samples": sum(holdout.samples[dataset] for dataset in holdout.counted(lists)),
        "drop": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "keeps": _strictest(limits, mean.high),
        "on_front": False,
        "removed_parameters": _mean([share["removed_parameters"] for share in shares]),
        "removed_flops": _mean([share["removed_flops"] for share in shares]),
        "removed_kv_cache": _mean([share["removed_kv_cache"] for share in shares]),
    }


def _mean(shares: Sequence[float | None]) -> float | None:
    """Return the mean of shares; None where one is not known."""
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if len(known) == len(shares) else None


def _strictest(limits: Mapping[str, float], high: float | None) -> str | None:
    """Return the name of the least limit that an interval's upper end keeps."""
    if high is None:
        return None
    kept = {name: limit for name, limit in limits.items() if high <= limit}
    return min(kept, key=kept.__getitem__, default=None)


def _mark_front(points: list[Point]) -> None:
    costs = []
    for point in points:
        drop = float("inf") if point["drop"] is None else point["drop"]
        costs.append((-float(point["size"]), drop))
    for point, is_on_front in zip(points, on_front(costs), strict=True):
        point["on_front"] = is_on_front


def _recommended(recommendations: RecommendationsDocument) -> Iterator[Recommended]:
    """Yield each combination that strategies recommend, once."""
    strategies_of: dict[str, list[str]] = {}
    for name, strategy in recommendations["strategies"].items():
        strategies_of.setdefault(strategy["combination"], []).append(name)
    for combination, strategies in strategies_of.items():
        strategy = recommendations["strategies"][strategies[0]]
        holdout = strategy["holdout"]
        if combination == str(NONE) or holdout is None:
            continue
        yield {
            "strategies": strategies,
            "size": strategy["size"],
            "combination": combination,
            "drop": holdout["drop"],
            "low": holdout["low"],
            "high": holdout["high"],
        }
