"""Choices: which combination a way of choosing removes, for a dataset, a task type, or all."""

import hashlib
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksieve.combination import Combination

# Drops in % or pp that agree so far are equal: the rest is rounding.
DECIMALS = 9


class Method(StrEnum):
    """How a combination is chosen."""

    BEAM = "beam"
    """The least drop that the search measured."""
    SCORES = "scores"
    """The blocks that cost least alone, taken together."""
    PATH = "path"
    """One block after the other, each the one that then costs least."""
    POOLED = "pooled"
    """The least drop where each dataset's drops borrow from those of others that agree."""


RECOMMENDED = Method.POOLED
"""The method whose combinations are recommended, routed to, and reported first."""


class Scope(StrEnum):
    """On which datasets a combination is chosen."""

    DATASET = "dataset"
    """On the dataset itself."""
    TASK_TYPE = "task_type"
    """On all datasets of the task type."""
    GENERIC = "generic"
    """On all datasets."""
    LEFT_OUT_OF_CHOICE = "left_out_of_choice"
    """On all datasets but the dataset, among combinations that a search with it proposed."""
    SAME_TYPE = "same_type"
    """On the datasets of its task type without the dataset, among the same combinations."""


class ChoiceRow(TypedDict):
    """A choice as files hold it."""

    method: str
    scope: str
    name: str
    size: int
    combination: str


GENERIC = "generic"
"""The name under which all datasets choose together; no dataset may have it."""


@dataclass(frozen=True)
class Choice:
    """What a method removes at a size, chosen on search samples.

    `name` is a dataset, a task type, or generic.
    """

    method: Method
    scope: Scope
    name: str
    size: int
    combination: Combination

    @classmethod
    def of_row(cls, row: ChoiceRow) -> "Choice":
        """Read a choice from a file's row."""
        return cls(
            method=Method(row["method"]),
            scope=Scope(row["scope"]),
            name=row["name"],
            size=row["size"],
            combination=Combination.parse(row["combination"]),
        )

    def row(self) -> ChoiceRow:
        """Return the choice as files hold it."""
        return {
            "method": str(self.method),
            "scope": str(self.scope),
            "name": self.name,
            "size": self.size,
            "combination": str(self.combination),
        }


def best_first(combinations: Sequence[Combination], *drops: ArrayLike) -> list[int]:
    """Return the places of combinations by their drops, the least first and an unknown one last.

    This decides ties wherever a best combination is named. Where the first drops are equal the next
    ones decide, and in the end a hash, which favours no block.
    """
    hashes = [tie_breaker(combination) for combination in combinations]
    keys: list[NDArray[np.generic]] = [np.array(hashes, dtype=np.uint64)]
    for values in reversed(drops):
        drops_of_key = np.asarray(values, dtype=np.float64)
        unknown_last = np.nan_to_num(drops_of_key, nan=np.inf)
        rounded = unknown_last.round(DECIMALS)
        keys.append(rounded)
    # The last key comes first.
    places: list[int] = np.lexsort(keys).tolist()
    return places


@cache  # draws of other samples ask for the same combinations again and again
def tie_breaker(combination: Combination) -> int:
    """Return a hash of a combination, from 0 to 2^64 - 1."""
    name = str(combination).encode()
    digest = hashlib.sha256(name).digest()
    first_bytes = digest[:8]
    return int.from_bytes(first_bytes)


def match(first: Combination, second: Combination, tied: Set[Combination]) -> bool:
    """Tell whether two choices are equal, or either may be the best one."""
    if first == second:
        return True
    return first in tied and second in tied


class FinalistsDocument(TypedDict):
    """Content of finalists.json: what is measured on every dataset and in both roles, and why."""

    combinations: list[str]
    named: list[str]
    choices: list[ChoiceRow]


def read_choices(path: Path) -> list[Choice]:
    """Read the choices of a finalists.json."""
    text = path.read_text(encoding="utf-8")
    document: FinalistsDocument = json.loads(text)
    return [Choice.of_row(row) for row in document["choices"]]


def read_finalists(path: Path) -> list[Combination]:
    """Read the combinations of a finalists.json."""
    document: FinalistsDocument = json.loads(path.read_text(encoding="utf-8"))
    return [Combination.parse(text) for text in document["combinations"]]
