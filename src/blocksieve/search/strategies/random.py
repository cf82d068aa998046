"""Random search: combinations drawn evenly, whatever was evaluated before."""

from math import comb
from random import Random

from blocksieve.combination import Combination
from blocksieve.search.situation import Situation


def propose(situation: Situation) -> list[Combination]:
    """Return as many different combinations as the budget allows, or all that there are.

    Both scopes of all datasets draw the same, so that each chooses from the whole budget.
    """
    rng = Random(f"{situation.seed} {situation.size}")
    num_wanted = min(situation.budget, comb(len(situation.sites), situation.size))
    drawn: set[Combination] = set()
    while len(drawn) < num_wanted:
        sites = rng.sample(situation.sites, situation.size)
        drawn.add(Combination.of(sites))
    return sorted(drawn)
