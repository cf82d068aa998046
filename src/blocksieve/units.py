"""The scales of drops, their units, and the titles of axes that show them."""

from typing import Literal

Scale = Literal["relative", "points"]
"""Drops as a share of the baseline, or in percentage points."""

PERCENT = 100
"""Factor from score units to % and to percentage points."""

UNITS: dict[Scale, str] = {"relative": "%", "points": "pp"}
"""What follows a number."""

DROP_TITLES: dict[Scale, str] = {
    "relative": "relative drop (% of baseline)",
    "points": "drop (percentage points)",
}
SHORT_DROP_TITLES: dict[Scale, str] = {
    "relative": "drop (% of baseline)",
    "points": "drop (pp)",
}
"""The same where an axis has a longer title."""


def drop_title(scale: Scale, prefix: str = "") -> str:
    """Return an axis title such as `mean relative drop (% of baseline)`."""
    return f"{prefix} {DROP_TITLES[scale]}".lstrip()
