"""How numbers and intervals are written in a report; - stands for what is not known."""

from blocksieve.combination import Combination
from blocksieve.units import PERCENT

UNKNOWN = "-"


def number(value: float | None, sign: str = "+", digits: int = 2) -> str:
    """Return a number with its sign; `sign=""` writes the minus only."""
    return UNKNOWN if value is None else f"{value:{sign}.{digits}f}"


def whole_number(value: int | None) -> str:
    """Return a whole number, thousands set apart."""
    return UNKNOWN if value is None else f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in %, without the sign."""
    return UNKNOWN if share is None else f"{PERCENT * share:.{digits}f}"


def bracket(low: float | None, high: float | None) -> str:
    """Return an interval by its ends."""
    if low is None or high is None:
        return UNKNOWN
    return f"[{number(low)}, {number(high)}]"


def percent_bracket(low: float | None, high: float | None) -> str:
    """Return an interval of a share in %."""
    if low is None or high is None:
        return UNKNOWN
    return f"[{percent(low)}, {percent(high)}]"


def count_blocks(size: int) -> str:
    """Return a number of blocks in words: `1 block`, `2 blocks`."""
    return "1 block" if size == 1 else f"{size} blocks"


def count_removed(combination: Combination) -> str:
    """Return in words how much a list removes: `1 block and 2 halves of blocks`."""
    removed = []
    if combination.whole_blocks:
        removed.append(count_blocks(len(combination.whole_blocks)))
    num_halves = len(combination.halves)
    if num_halves:
        removed.append("1 half of a block" if num_halves == 1 else f"{num_halves} halves of blocks")
    return " and ".join(removed)
