"""One sample of a dataset, whatever its source, and the row that holds it in a table."""

import hashlib
from dataclasses import dataclass, field
from typing import TypedDict

from blocksieve.specs import Role


@dataclass(frozen=True)
class Sample:
    """A question about any number of images (encoded bytes), with its accepted answers.

    `cluster` names what makes samples depend on each other, mostly their common image. `split` is
    the source's split; `row` says where in the split the sample stands. `changes` says how the
    pictures differ from the stored ones, so that a model sees what a person sees.
    """

    question: str
    references: tuple[str, ...]
    cluster: str
    split: str
    choices: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()
    row: str = field(default="", compare=False)
    changes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def sample_id(self) -> str:
        """A 16-digit hash of all that the model is shown."""
        parts = [self.question.encode()]
        parts += [choice.encode() for choice in self.choices]
        parts += self.images
        shown = hashlib.sha256()
        for part in parts:
            # The length keeps parts apart: ("ab", "c") and ("a", "bc") differ.
            shown.update(len(part).to_bytes(8, "big"))
            shown.update(part)
        return shown.hexdigest()[:16]


@dataclass(frozen=True)
class Unusable:
    """A sample that cannot be read or scored: its split, where it stands in it, and why."""

    split: str
    row: str
    reason: str


class SampleRow(TypedDict):
    """A row of datasets/{dataset}.parquet: a drawn sample and its role."""

    sample_id: str
    question: str
    choices: list[str]
    references: list[str]
    images: list[bytes]
    cluster: str
    split: str
    role: Role
