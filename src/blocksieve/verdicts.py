"""What a comparison of two block lists on the same samples shows."""

from enum import StrEnum


class Verdict(StrEnum):
    """What the regret of a list against another one shows; the values stand in results."""

    SAME = "same list"
    CAN_SHARE = "can share"
    NOT_SHOWN = "not shown to differ"
    COSTS_MORE = "costs more"
    COSTS_LESS = "costs less"
