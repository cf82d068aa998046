"""How numbers and intervals are written in a report."""

from collections.abc import Mapping
from typing import Any


def number(value: float | None, sign: str = "+", digits: int = 2) -> str:
    """A number with its sign, or - where it is not known."""
    return "-" if value is None else f"{value:{sign}.{digits}f}"


def bracket(low: float | None, high: float | None) -> str:
    """The ends of an interval."""
    return "-" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def estimate(row: Mapping[str, Any], name: str, ends: str = "") -> tuple[str, str]:
    """A number and its interval from the columns of a row: `name`, and `low` and `high` after `ends`."""
    return number(row[name]), bracket(row[f"{ends}low"], row[f"{ends}high"])
