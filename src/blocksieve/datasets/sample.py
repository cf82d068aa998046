"""One sample of a dataset, whatever its source."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """A question, about no, one or several images (encoded bytes), with its accepted answers.

    `cluster` names what makes samples depend on each other, mostly their common image; `split` is the source's split;
    `row` says where in the split the sample stands.
    """

    question: str
    references: tuple[str, ...]
    cluster: str
    split: str
    choices: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()
    row: str = field(default="", compare=False)

    @property
    def sample_id(self) -> str:
        """A 16-digit hash of all that the model is shown."""
        shown = hashlib.sha256()
        for part in (
            self.question.encode(),
            *(choice.encode() for choice in self.choices),
            *self.images,
        ):
            shown.update(len(part).to_bytes(8, "big") + part)
        return shown.hexdigest()[:16]


@dataclass(frozen=True)
class Unusable:
    """A sample that cannot be read or scored: its split, where it stands in it, and why."""

    split: str
    row: str
    reason: str
