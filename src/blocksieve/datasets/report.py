"""What was read of a dataset, and which of its samples cannot be used."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.errors import DataError
from blocksieve.metrics import Scorer, Target, load_metric

logger = logging.getLogger("blocksieve")
NAMED = 3  # bad samples in an error's line


@dataclass
class Report:
    """Counts of a reading: filled while `usable` is iterated over."""

    read: int = 0
    bad: list[Unusable] = field(default_factory=list)

    def usable(
        self, found: Iterable[Sample | Unusable], metric: str, max_bad_samples: float
    ) -> Iterator[Sample]:
        """Pass on the samples that can be scored, count and name the others.

        DataError at the end if their share is above `max_bad_samples`.
        """
        prepare = load_metric(metric).prepare
        for sample in found:
            self.read += 1
            one = _checked(sample, prepare)
            if isinstance(one, Sample):
                yield one
            else:
                self.bad.append(one)
                logger.warning("%s", _name(one))
        if len(self.bad) > max_bad_samples * self.read:
            more = f"; and {len(self.bad) - NAMED} more" if len(self.bad) > NAMED else ""
            raise DataError(
                f"{len(self.bad)} of {self.read} samples ({len(self.bad) / self.read:.1%}) cannot be used, more than"
                f" samples.max_bad_samples ({max_bad_samples:.1%}) allows: "
                f"{'; '.join(map(_name, self.bad[:NAMED]))}{more}; correct them, or allow more"
            )

    def content(self, drawn: int) -> dict[str, Any]:
        """The report as it is written: counts, and every bad sample by its place with the reason."""
        bad = [asdict(one) for one in self.bad]
        return {"read": self.read, "drawn": drawn, "bad": len(bad), "bad_samples": bad}


def _checked(
    one: Sample | Unusable, prepare: Callable[[Sequence[Target]], Scorer]
) -> Sample | Unusable:
    """A sample with a target that the metric refuses is unusable, too."""
    if isinstance(one, Sample):
        try:
            prepare([Target(one.references, one.choices)])
        except DataError as error:
            return Unusable(one.split, one.row, str(error))
    return one


def _name(one: Unusable) -> str:
    return f"{one.split} row {one.row}: {one.reason}"
