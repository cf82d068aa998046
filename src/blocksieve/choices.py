"""Choices: which combination a way of choosing removes, for a dataset, a task type, or all."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypedDict

from blocksieve.combination import Combination


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
