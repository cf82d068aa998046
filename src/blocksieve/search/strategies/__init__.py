"""Search strategies: each module proposes combinations from what was evaluated before.

All else of a search is the same for every strategy: baseline, single sites, beams, finalists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb
from typing import Literal, NotRequired, TypedDict

from blocksieve.combination import Site
from blocksieve.search.situation import SearchStrategy, Situation
from blocksieve.search.steps import exhaustive_sizes, generation_of_step, size_of_step
from blocksieve.search.strategies import beam, evolutionary, one_shot, random
from blocksieve.specs import SearchSpec, StrategyName

SEARCH_STRATEGIES: Mapping[StrategyName, SearchStrategy] = {
    "beam": beam.propose,
    "greedy": beam.propose,  # of width 1, which the config sets
    "evolutionary": evolutionary.propose,
    "random": random.propose,
    "one_shot": one_shot.propose,
}
EXTENDING: tuple[StrategyName, ...] = ("beam", "greedy")
"""Those whose combinations extend what the size before kept, so that they form a tree."""
DRAWING: tuple[StrategyName, ...] = ("evolutionary", "random")
"""Those that draw at random, within `search.budget`."""


class Limits(TypedDict):
    """What bounds a strategy that draws."""

    budget: int | Literal["auto"]
    beam_width: int


class StrategySettings(TypedDict):
    """The search strategy of a step; seed and limits of those that draw."""

    name: StrategyName
    seed: NotRequired[int]
    limits: NotRequired[Limits]


def budget_of(budget: int | Literal["auto"], beam_width: int, size: int, num_sites: int) -> int:
    """Return how many combinations of a size a dataset evaluates at most, for both scopes.

    `auto`: as many as a beam does whose combinations have no child in common.
    """
    if budget == "auto":
        budget = 2 * beam_width * (num_sites - size + 1)
    return min(budget, comb(num_sites, size))


def situation_of(
    settings: StrategySettings, step: str, sites: Sequence[Site], dataset: str
) -> Situation:
    """Return a dataset's situation in a step, but for what was kept and proposed before."""
    size = size_of_step(step)
    situation = Situation(size, sites, scope=dataset, generation=generation_of_step(step))
    if "limits" not in settings:
        return situation
    budget = budget_of(**settings["limits"], size=size, num_sites=len(sites))
    return replace(situation, budget=budget, seed=settings["seed"])


def most_combinations(search: SearchSpec, size: int, num_sites: int) -> int:
    """Return how many combinations of a size a dataset evaluates at most, for both scopes."""
    if size in exhaustive_sizes(search):
        return comb(num_sites, size)
    if search.strategy == "one_shot":
        return min(2, comb(num_sites, size))
    budget = search.budget if search.strategy in DRAWING else "auto"
    return budget_of(budget, search.beam_width, size, num_sites)
