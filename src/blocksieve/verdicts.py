"""What comparisons show: of two combinations, of the splits of a dataset."""

from enum import StrEnum


class Verdict(StrEnum):
    """What one combination costs more than another on the same samples; results hold the values."""

    SAME = "same list"
    CAN_SHARE = "can share"
    NOT_SHOWN = "not shown to differ"
    COSTS_MORE = "costs more"
    COSTS_LESS = "costs less"


AGREEMENT = 0.9
"""Spearman's correlation from which two splits agree on the order of blocks."""
