"""Draw the prompts that heal a list: of a source's split `train`, none that the run has seen."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

import polars as pl

from blocksieve.datasets.quality import ReadReport
from blocksieve.datasets.sample import Sample
from blocksieve.datasets.sources import read_samples
from blocksieve.errors import ConfigError
from blocksieve.specs import Source

SPLIT = "train"
FEWEST = 32
"""With fewer prompts than this a dataset is left out."""


class TrainReport(TypedDict):
    """How many prompts were drawn of a dataset; why it is left out, None if it is not."""

    samples: int
    left_out: str | None


@dataclass(frozen=True)
class Seen:
    """What a run drew, whatever the role: no training sample may be, or show, any of it.

    `clusters` are those of one dataset, since a cluster's name means nothing in another; ids of
    samples and hashes of pictures are those of all datasets.
    """

    sample_ids: frozenset[str]
    pictures: frozenset[bytes]
    clusters: frozenset[str]

    @classmethod
    def of(cls, tables: Mapping[str, pl.DataFrame], dataset: str) -> "Seen":
        """Collect it from the tables of all of the run's datasets."""
        sample_ids: set[str] = set()
        pictures: set[bytes] = set()
        for table in tables.values():
            sample_ids.update(table["sample_id"])
            for images in table["images"]:
                pictures.update(map(picture_hash, images))
        clusters = frozenset(tables[dataset]["cluster"])
        return cls(frozenset(sample_ids), frozenset(pictures), clusters)

    def holds(self, sample: Sample) -> bool:
        """Whether the run drew this sample, another of its cluster, or one of its pictures."""
        if sample.sample_id in self.sample_ids or sample.cluster in self.clusters:
            return True
        return any(picture_hash(picture) in self.pictures for picture in sample.images)


def picture_hash(picture: bytes) -> bytes:
    """Return a hash of an encoded picture."""
    return hashlib.sha256(picture).digest()


def draw_train_samples(
    source: Source, metric: str, seen: Seen, most: int, seed: int
) -> tuple[list[Sample], TrainReport]:
    """Draw at most so many unseen samples of the split `train`: the first by a seeded hash.

    None, with the reason, if the source has no such split, the split lacks a column that
    is read, or it has too few of them. Raises DataError if it cannot be read: what is out of reach
    today must not become a result.
    """
    try:
        samples = read_samples(source, [SPLIT])
        usable = ReadReport().usable(samples, metric, max_bad_samples=1.0)
        unseen = _unseen(usable, seen)
        drawn = heapq.nsmallest(most, unseen, key=lambda sample: _order(sample, seed))
    except ConfigError as error:
        return [], {"samples": 0, "left_out": str(error)}
    fewest = min(FEWEST, most)
    if len(drawn) < fewest:
        reason = (
            f"its split {SPLIT!r} has {len(drawn)} samples that the run has not seen, "
            f"fewer than {fewest}"
        )
        return [], {"samples": 0, "left_out": reason}
    return drawn, {"samples": len(drawn), "left_out": None}


def _unseen(samples: Iterable[Sample], seen: Seen) -> Iterator[Sample]:
    """Yield each sample once that the run has not seen."""
    yielded = set()
    for sample in samples:
        if sample.sample_id not in yielded and not seen.holds(sample):
            yielded.add(sample.sample_id)
            yield sample


def _order(sample: Sample, seed: int) -> bytes:
    return hashlib.sha256(f"train {seed} {sample.sample_id}".encode()).digest()
