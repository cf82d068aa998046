"""Beam search: every extension of what the size before kept. Greedy is a beam of width 1."""

from blocksieve.combination import Combination
from blocksieve.search.plan import children_of
from blocksieve.search.situation import Situation


def propose(situation: Situation) -> list[Combination]:
    """Return all children of the beam."""
    return children_of(situation.kept, situation.sites)
