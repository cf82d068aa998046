"""The scales of drops, their units, and what axes and headings call them."""

from typing import Literal

Scale = Literal["relative", "points"]
"""Drops as a share of the baseline, or in percentage points."""

PERCENT = 100
"""Factor from score units to % and to percentage points."""

UNITS: dict[Scale, str] = {"relative": "%", "points": "pp"}
LONG_UNITS: dict[Scale, str] = {
    "relative": "% of the baseline",
    "points": "percentage points",
}


def drop_title(scale: Scale, what: str = "Drop") -> str:
    """Return an axis title such as `Drop (% of the baseline)`."""
    return f"{what} ({LONG_UNITS[scale]})"
