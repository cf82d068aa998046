"""One-shot search: the sites that a proxy ranks lowest, whatever they cost together."""

from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.search.situation import Situation


def propose(situation: Situation) -> list[Combination]:
    """Return the first sites of the order together; DataError if there are too few."""
    lowest = situation.kept[: situation.size]
    if len(lowest) < situation.size:
        raise DataError(
            f"only {len(lowest)} blocks can be evaluated alone, fewer than {situation.size};"
            " set search.max_removed lower"
        )
    sites = [site for single in lowest for site in single.sites]
    return [Combination.of(sites)]
