"""The answer at every accepted loss: what the page's slider steps through."""

import math
from collections.abc import Sequence
from typing import TypedDict

from blocksieve.analysis.pruning_recommendations import (
    BestOfSize,
    DropInterval,
    RecommendationsDocument,
    Strategy,
    strategy_within,
)
from blocksieve.combination import NONE, Combination
from blocksieve.report.findings import verified, within_limit
from blocksieve.report.numbers import bracket, count_removed, number
from blocksieve.report.pruning_recommendations import supports_findings
from blocksieve.verdicts import End

NUM_STOPS = 100
ROUND_STEPS = (1, 2, 5, 10)
NOT_SUPPORTED = "These samples support no finding"


class Answer(TypedDict):
    """What may be removed at one accepted loss, in the words of the report.

    `strategy`: the name of the run's strategy with this limit, or empty. `kept`: whether samples
    show that something may be removed. `end`: why no larger size is claimed. `holdout`: of the
    combination, or, where none keeps the limit, of the best of the smallest size.
    `verified`: what a strategy's combination costs on verify samples, empty without any.
    """

    limit: float
    strategy: str
    verified: str
    headline: str
    sentence: str
    end: str
    kept: bool
    combination: str
    size: int
    holdout: DropInterval | None


def answers(document: RecommendationsDocument, num_blocks: int) -> list[Answer]:
    """Return the answer at every stop of the slider, the least limit first."""
    names: dict[float, str] = {}
    for name, strategy in document["strategies"].items():
        # Of two strategies with the same limit the first one gives its name.
        names.setdefault(strategy["max_drop"], name)
    supported = supports_findings(document)  # type: ignore[arg-type]
    at_stops = []
    limits = list(names)
    for limit in stops(limits):
        strategy = strategy_within(document["sizes"], limit)
        name = names.get(limit, "")
        at_stops.append(_answer(document, strategy, name, num_blocks, supported))
    return at_stops


def stops(limits: Sequence[float]) -> list[float]:
    """Return the slider's stops: from 0 to the largest limit in round steps, and every limit."""
    largest = max(limits)
    if largest <= 0:
        return sorted(set(limits))
    step = _round_step(largest / NUM_STOPS)
    num_steps = math.floor(largest / step + 1e-9)
    in_steps = {round(place * step, 9) for place in range(num_steps + 1)}
    return sorted(in_steps | set(limits))


def _round_step(least: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not below a number."""
    power = 10.0 ** math.floor(math.log10(least))
    for factor in ROUND_STEPS:
        if factor * power >= least * (1 - 1e-9):
            return factor * power
    return 10 * power


def _answer(
    document: RecommendationsDocument,
    strategy: Strategy,
    name: str,
    num_blocks: int,
    supported: bool,
) -> Answer:
    unit = document["unit"]
    limit = strategy["max_drop"]
    kept = supported and strategy["size"] > 0
    combination = strategy["combination"] if kept else str(NONE)
    title = name.capitalize() or f"At {limit:g} {unit}"
    headline = NOT_SUPPORTED
    sentence = ""
    if supported:
        headline = _headline(Combination.parse(combination), num_blocks)
        sentence = within_limit(title, strategy, unit)
    holdout = strategy["holdout"]
    if not kept and document["sizes"]:
        holdout = document["sizes"][0]["holdout"]
    return {
        "limit": limit,
        "strategy": name,
        "verified": _verified(document, name) if kept else "",
        "headline": headline,
        "sentence": sentence,
        "end": _why_no_more(document["sizes"], strategy, unit) if supported else "",
        "kept": kept,
        "combination": combination,
        "size": strategy["size"] if kept else 0,
        "holdout": holdout,
    }


def _verified(document: RecommendationsDocument, name: str) -> str:
    """Return the report's sentence on a strategy's verify samples; empty where there is none."""
    names = list(document["verified"] or {})
    sentences = list(verified(document, document["unit"]))  # type: ignore[arg-type]
    return dict(zip(names, sentences, strict=True)).get(name, "")


def _headline(combination: Combination, num_blocks: int) -> str:
    if combination == NONE:
        return "Remove nothing"
    removed = []
    if combination.whole_blocks:
        removed.append(f"{len(combination.whole_blocks)} of {num_blocks} blocks")
    if combination.halves:
        removed.append(f"{len(combination.halves)} of {2 * num_blocks} halves of blocks")
    return f"Remove {' and '.join(removed)}"


def _why_no_more(sizes: Sequence[BestOfSize], strategy: Strategy, unit: str) -> str:
    """Say why no larger size is claimed; empty where the answer's sentence says it."""
    if strategy["end"] != End.LIMIT:
        return ""
    larger = [best for best in sizes if best["size"] > strategy["size"]]
    if not larger or larger[0]["holdout"] is None:
        return ""
    following = larger[0]
    holdout = larger[0]["holdout"]
    removed = count_removed(Combination.parse(following["combination"]))
    return (
        f"The best list of {removed}, {following['combination']}, is not"
        f" shown to keep it: {number(holdout['drop'])} {unit}"
        f" {bracket(holdout['low'], holdout['high'])}."
    )
