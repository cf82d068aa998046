"""Evolutionary search: (mu + lambda) per size, whose mutations swap a removed site for a kept one.

The swap is the level-switch mutation of EvoPress, arXiv 2410.14649: the number of removed sites
stays the same. mu is the beam's width. Parents stay candidates, so that the best of all generations
are selected. The first generation are children of what the size before kept.
"""

from collections.abc import Sequence
from math import ceil
from random import Random

from blocksieve.combination import Combination, Site
from blocksieve.search.plan import children_of
from blocksieve.search.situation import Situation
from blocksieve.search.steps import GENERATIONS


def propose(situation: Situation) -> list[Combination]:
    """Return the parents and their offspring, which the scope has not proposed before.

    Each scope has half of the budget, and each generation an equal share of that; what one
    generation could not use is left to the next.
    """
    if situation.generation == 1:
        parents: Sequence[Combination] = ()
        pool = set(children_of(situation.kept, situation.sites))
    else:
        parents = situation.kept
        pool = neighbours(parents, situation.sites)
    unseen = sorted(pool - situation.proposed)
    due = ceil(situation.budget // 2 * situation.generation / GENERATIONS)
    num_wanted = min(due - len(situation.proposed), len(unseen))
    rng = Random(
        f"{situation.seed} {situation.scope} {situation.size} {situation.generation}",
    )
    offspring = rng.sample(unseen, num_wanted)
    return sorted({*parents, *offspring})


def neighbours(parents: Sequence[Combination], sites: Sequence[Site]) -> set[Combination]:
    """Return what one swap makes of the parents."""
    swapped: set[Combination] = set()
    for parent in parents:
        swapped.update(children_of(parent.parents(), sites))
    return swapped.difference(parents)
