"""The finalists: all choices, what the config names, and the blocks of both alone."""

from collections.abc import Sequence

from blocksieve.choices import FinalistsDocument
from blocksieve.choosing import choose
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence


def finalists(evidence: Evidence, named: Sequence[Combination]) -> FinalistsDocument:
    """Return what is measured on every dataset and in both roles.

    All choices, the combinations named in the config, and the blocks of both alone: samples that
    chose none of them then show whether they interact.
    """
    choices = choose(evidence)
    combinations = {*named, *(choice.combination for choice in choices)}
    for combination in list(combinations):
        combinations.update(combination.singles)
    return {
        "combinations": [str(combination) for combination in sorted(combinations)],
        "named": [str(combination) for combination in named],
        "choices": [choice.row() for choice in choices],
    }
