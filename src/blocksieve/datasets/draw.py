"""Draw a dataset's samples: fixed, seeded, shuffled, nested, and split into roles by image."""

import bisect
import hashlib
from collections.abc import Iterable, Mapping

from blocksieve.datasets.sample import Sample
from blocksieve.errors import DataError
from blocksieve.specs import Role

ROLES: tuple[Role, Role] = ("search", "holdout")


def role_of(cluster: str, seed: int) -> Role:
    """Return which role all samples of a cluster serve: a coin thrown by the cluster's hash."""
    digest = _hash(f"role {seed} {cluster}")
    is_even = digest[0] % 2 == 0
    return "search" if is_even else "holdout"


def draw_samples(
    samples: Iterable[Sample], counts: Mapping[Role, int], splits: list[str], seed: int
) -> list[tuple[Role, Sample]]:
    """Draw `counts[role]` samples per role, shared evenly among the splits.

    Clusters come in the order of a seeded hash, a cluster's samples one after the other; so a
    larger draw contains every smaller one. A sample that repeats an earlier one is left out.
    Of what is read, only what may still be drawn is kept in memory.
    Raises DataError if a split has too few samples.
    """
    pools = _empty_pools(counts, splits)
    for sample in samples:
        cluster = sample.cluster
        order = (_hash(f"order {seed} {cluster}"), cluster)
        pool = pools[role_of(cluster, seed), sample.split]
        pool.add(order, sample)
    drawn = []
    for (role, split), pool in pools.items():
        num_seen = len(pool.seen)
        if num_seen < pool.size:
            raise DataError(
                f"split {split!r} has {num_seen} samples for role {role!r} but {pool.size}"
                f" are wanted; lower samples.{role} or add a split"
            )
        for sample in pool.samples():
            drawn.append((role, sample))
    return drawn


class _Pool:
    """Of all different samples that were added, the first `size` in the order of their clusters."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: set[str] = set()
        # Sorted by the cluster's order, then by when the sample was added.
        self._kept: list[tuple[tuple[bytes, str], int, Sample]] = []

    def add(self, order: tuple[bytes, str], sample: Sample) -> None:
        """Keep a sample if it is new and among the first."""
        if sample.sample_id in self.seen:
            return
        self.seen.add(sample.sample_id)
        position = len(self.seen)
        bisect.insort(self._kept, (order, position, sample))
        del self._kept[self.size :]

    def samples(self) -> list[Sample]:
        """Return the kept samples in their order."""
        return [sample for _, _, sample in self._kept]


def _empty_pools(counts: Mapping[Role, int], splits: list[str]) -> dict[tuple[Role, str], _Pool]:
    pools = {}
    for role in ROLES:
        per_split, remainder = divmod(counts[role], len(splits))
        for position, split in enumerate(splits):
            size = per_split
            if position < remainder:
                size += 1  # the first splits give one more if the count does not divide evenly
            pools[role, split] = _Pool(size)
    return pools


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
