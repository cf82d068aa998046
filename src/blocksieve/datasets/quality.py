"""What was read of a dataset, and which of its samples cannot be used."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypedDict

from blocksieve.datasets.draw import Repeats
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.errors import DataError
from blocksieve.metrics import Scorer, Target, load_metric

logger = logging.getLogger("blocksieve")

NAMED_IN_ERROR = 3
"""How many unusable samples an error names."""


class ChangedPictures(TypedDict):
    """How many samples have pictures that were changed in one way, and the first of them."""

    change: str
    samples: int
    first: str


class ReadContent(TypedDict):
    """The content of datasets/{dataset}.report.json; `bad` counts `bad_samples`.

    Of rows with the pictures, question and choices of an earlier row, `duplicates` had its answers
    too and were dropped; the answers of `joined` were added to the earlier row's sample.
    """

    read: int
    drawn: int
    duplicates: int
    joined: int
    changed_pictures: list["ChangedPictures"]
    bad: int
    bad_samples: list[dict[str, str]]


@dataclass
class ReadReport:
    """What was read, and the unusable samples; filled while `usable` is iterated over.

    `repeats` is filled by `draw_samples`.
    """

    read: int = 0
    bad: list[Unusable] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    changed: dict[str, ChangedPictures] = field(default_factory=dict)

    def usable(
        self, samples: Iterable[Sample | Unusable], metric: str, max_bad_samples: float
    ) -> Iterator[Sample]:
        """Yield the samples that the metric can score; count and name the rest.

        Raises DataError at the end if their share is above `max_bad_samples`.
        """
        prepare = load_metric(metric).prepare
        for sample in samples:
            self.read += 1
            checked = _check(sample, prepare)
            if isinstance(checked, Sample):
                self._count_changes(checked)
                yield checked
            else:
                self.bad.append(checked)
                logger.warning("%s", _describe(checked))
        if len(self.bad) > max_bad_samples * self.read:
            raise self._too_many(max_bad_samples)

    def _count_changes(self, sample: Sample) -> None:
        for change in sample.changes:
            first = f"{sample.split} row {sample.row}"
            entry: ChangedPictures = {"change": change, "samples": 0, "first": first}
            self.changed.setdefault(change, entry)["samples"] += 1

    def _too_many(self, max_bad_samples: float) -> DataError:
        num_bad = len(self.bad)
        share = num_bad / self.read
        named = [_describe(unusable) for unusable in self.bad[:NAMED_IN_ERROR]]
        if num_bad > NAMED_IN_ERROR:
            named.append(f"and {num_bad - NAMED_IN_ERROR} more")
        return DataError(
            f"{num_bad} of {self.read} samples ({share:.1%}) cannot be used, more than"
            f" samples.max_bad_samples ({max_bad_samples:.1%}) allows: {'; '.join(named)};"
            " correct them, or allow more"
        )

    def content(self, drawn: int) -> ReadContent:
        """Return the report as it is written: counts, and each unusable sample with the reason."""
        bad_samples = [asdict(unusable) for unusable in self.bad]
        return {
            "read": self.read,
            "drawn": drawn,
            "duplicates": sum(self.repeats.duplicates.values()),
            "joined": sum(self.repeats.joined.values()),
            "changed_pictures": list(self.changed.values()),
            "bad": len(self.bad),
            "bad_samples": bad_samples,
        }


def _check(
    sample: Sample | Unusable, prepare: Callable[[Sequence[Target]], Scorer]
) -> Sample | Unusable:
    """Return a sample, or why it is unusable if the metric refuses its target."""
    if isinstance(sample, Unusable):
        return sample
    try:
        prepare([Target(sample.references, sample.choices)])
    except DataError as error:
        return Unusable(sample.split, sample.row, str(error))
    return sample


def _describe(unusable: Unusable) -> str:
    place = f"{unusable.split} row {unusable.row}"
    return f"{place}: {unusable.reason}"
