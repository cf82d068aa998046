"""What comparisons show, why a strategy ends, and from when two splits agree."""

from enum import StrEnum


class Verdict(StrEnum):
    """What one combination costs more than another on the same samples; results hold the values."""

    SAME = "same list"
    CAN_SHARE = "can share"
    NOT_SHOWN = "not shown to differ"
    COSTS_MORE = "costs more"
    COSTS_LESS = "costs less"


class End(StrEnum):
    """Why a strategy claims no larger size; results hold the values."""

    LIMIT = "limit"
    """The next size is not shown to keep the limit."""
    SEARCH = "search"
    """Every size that was searched keeps the limit: larger ones may too."""
    NOT_CONFIRMED = "not confirmed"
    """What the next size costs on holdout samples is not known."""


AGREEMENT = 0.9
"""Spearman's correlation from which two splits agree on the order of blocks."""
