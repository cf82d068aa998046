"""What is gained by removing the blocks of a list, as far as it was measured."""

from typing import TypedDict

from blocksieve.combination import Combination
from blocksieve.model_description import ModelDescription
from blocksieve.report.numbers import whole_number


class Fact(TypedDict):
    """A number of the answer, with its name."""

    name: str
    value: str


def gains(combination: Combination, description: ModelDescription | None) -> list[Fact]:
    """Return what a list saves; empty where nothing is known of the model."""
    if description is None:
        return []
    whole = whole_number(description["parameters"])
    share = f"{combination.size} of {description['num_blocks']} blocks"
    return [{"name": "removed", "value": f"{share} of a model of {whole} parameters"}]
