"""Draw a dataset's samples: fixed, seeded, shuffled, nested, and split into roles by image."""

import bisect
import hashlib
from collections.abc import Iterable

from blocksieve.datasets.sample import Sample
from blocksieve.errors import DataError

ROLES = ("search", "holdout")


def role_of(cluster: str, seed: int) -> str:
    """Which role all samples of a cluster serve: a coin thrown by the hash of the cluster."""
    return ROLES[_hash(f"role {seed} {cluster}")[0] % 2]


def draw_samples(
    samples: Iterable[Sample], counts: dict[str, int], splits: list[str], seed: int
) -> list[tuple[str, Sample]]:
    """Pick `counts[role]` samples a role, shared evenly among the splits, as (role, sample) pairs.

    Clusters come in the order of a seeded hash, a cluster's samples one after the other; so a larger draw contains
    every smaller one. A sample that repeats an earlier one is left out. DataError where a split has too few.
    Of what is read, only what may be drawn is kept.
    """
    pools = {
        (role, split): _Pool((counts[role] + len(splits) - 1 - position) // len(splits))
        for role in ROLES
        for position, split in enumerate(splits)
    }
    for sample in samples:
        order = _hash(f"order {seed} {sample.cluster}"), sample.cluster
        pools[role_of(sample.cluster, seed), sample.split].add(order, sample)
    drawn = []
    for (role, split), pool in pools.items():
        if len(pool.seen) < pool.wanted:
            raise DataError(
                f"split {split!r} has {len(pool.seen)} samples for role {role!r} but {pool.wanted} are wanted; "
                f"lower samples.{role} or add a split"
            )
        drawn += [(role, sample) for *_, sample in pool.kept]
    return drawn


class _Pool:
    """The first `wanted` samples in the order of their clusters, among all different ones that were added."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen: set[str] = set()
        self.kept: list[tuple[tuple[bytes, str], int, Sample]] = []

    def add(self, order: tuple[bytes, str], sample: Sample) -> None:
        if sample.sample_id in self.seen:
            return
        self.seen.add(sample.sample_id)
        if len(self.kept) < self.wanted or (self.kept and order < self.kept[-1][0]):
            bisect.insort(self.kept, (order, len(self.seen), sample))
            del self.kept[self.wanted :]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
