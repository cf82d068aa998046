"""Draw a dataset's samples: fixed, seeded, shuffled, nested, and split into roles by image."""

import bisect
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, groupby

from blocksieve.datasets.sample import Sample
from blocksieve.errors import DataError
from blocksieve.specs import Count, Role

ROLES: tuple[Role, ...] = ("search", "holdout", "verify")
FEWEST_SEARCH_SAMPLES = 2

Counts = Mapping[Role, Count]
"""How many samples each role is to get; "all" takes what the other roles leave.

A role without a number gets none; search and holdout have one."""
Order = tuple[bytes, str]
"""A cluster's place in the draw: the seeded hash of its name, and the name."""
Drawn = list[tuple[Role, Sample]]


def role_of(cluster: str, seed: int, with_verify: bool = False) -> Role:
    """Return which role all samples of a cluster serve: a coin thrown by the cluster's hash.

    With verify samples a second coin gives them half of the clusters of holdout.
    """
    digest = _hash(f"role {seed} {cluster}")
    if digest[0] % 2 == 0:
        return "search"
    return "verify" if with_verify and digest[1] % 2 == 0 else "holdout"


@dataclass
class Repeats:
    """Rows whose pictures, question and choices an earlier row had, filled by `draw_samples`.

    `duplicates` had its answers too, and were dropped; the answers of `joined` were added to the
    earlier row's sample. By split.
    """

    duplicates: dict[str, int] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)

    def of(self, split: str) -> int:
        """Return how many rows of a split repeat an earlier one."""
        return self.duplicates.get(split, 0) + self.joined.get(split, 0)


def draw_samples(
    samples: Iterable[Sample],
    counts: Counts,
    splits: list[str],
    seed: int,
    repeats: Repeats | None = None,
) -> Drawn:
    """Draw `counts[role]` samples per role, shared evenly among the splits.

    Clusters come in the order of a seeded hash, a cluster's samples one after the other. A coin
    gives each cluster its role, so that a larger draw contains every smaller one. In a split that
    is too small for this, or of which all is wanted, clusters are dealt out in turn instead.
    Rows with the same pictures, question and choices become one sample with all their answers.
    Of what is read, only what may still be drawn is kept in memory.
    Raises DataError if a split has too few samples.
    """
    repeats = Repeats() if repeats is None else repeats
    pools = {split: _Pool() for split in splits}
    shares = _shares(counts, splits)
    reader = _Reader(pools, shares, seed, repeats)
    for sample in samples:
        reader.add(sample)
    dealt = {split: pools[split].deal(shares[split]) for split in splits}
    if not all(_is_enough(dealt[split], shares[split]) for split in splits):
        raise _too_few(pools, shares, counts, repeats)
    drawn: Drawn = []
    for role in counts:
        for split in splits:
            for sample in dealt[split][role]:
                drawn.append((role, sample))
    num_search = sum(role == "search" for role, _ in drawn)
    if counts["search"] == "all" and num_search < FEWEST_SEARCH_SAMPLES:
        raise _too_few(pools, shares, counts, repeats)
    return drawn


class _Reader:
    """Sorts samples into the pools of their splits, and finds those that repeat an earlier one."""

    def __init__(
        self,
        pools: dict[str, "_Pool"],
        shares: dict[str, dict[Role, Count]],
        seed: int,
        repeats: Repeats,
    ) -> None:
        self.pools = pools
        self.shares = shares
        self.seed = seed
        self.repeats = repeats
        self.first_split: dict[str, str] = {}  # of each sample, by its id
        self.rows: set[tuple[str, int]] = set()  # ids, with the hash of the row's answers

    def add(self, sample: Sample) -> None:
        """Keep a sample if it may be drawn; join it to an earlier one that it repeats."""
        sample_id = sample.sample_id
        row = (sample_id, hash(sample.references))
        split = self.first_split.setdefault(sample_id, sample.split)
        pool = self.pools[split]
        if row in self.rows:
            _count(self.repeats.duplicates, sample.split)
        elif sample_id in pool.seen:
            _count(self.repeats.joined, sample.split)
            pool.join(sample_id, sample.references)
        else:
            order = (_hash(f"order {self.seed} {sample.cluster}"), sample.cluster)
            share = self.shares[split]
            role = role_of(sample.cluster, self.seed, "verify" in share)
            pool.add(role, order, sample, share)
        self.rows.add(row)


@dataclass(frozen=True, order=True)
class _Kept:
    """A sample in a pool, sorted by its cluster's place, then by when it was added."""

    order: Order
    position: int
    sample_id: str


class _Pool:
    """A split's samples that may still be drawn, by the role that the coin gives them.

    Each role keeps as many as it may give, the first in the order of clusters; all while the other
    role lacks some, because these may have to be dealt out between the roles.
    """

    def __init__(self) -> None:
        self.seen: dict[str, Role] = {}
        self.num_seen: dict[Role, int] = dict.fromkeys(ROLES, 0)
        self._kept: dict[Role, list[_Kept]] = {role: [] for role in ROLES}
        self._samples: dict[str, Sample] = {}

    def add(self, role: Role, order: Order, sample: Sample, share: Mapping[Role, Count]) -> None:
        """Keep a new sample, and drop those that can no longer be drawn."""
        self.seen[sample.sample_id] = role
        self.num_seen[role] += 1
        bisect.insort(self._kept[role], _Kept(order, len(self.seen), sample.sample_id))
        self._samples[sample.sample_id] = sample
        if self._is_settled(share):
            for each_role, size in share.items():
                assert size != "all"
                for dropped in self._kept[each_role][size:]:
                    del self._samples[dropped.sample_id]
                del self._kept[each_role][size:]

    def join(self, sample_id: str, references: tuple[str, ...]) -> None:
        """Add the answers of another row to a sample, if it may still be drawn."""
        sample = self._samples.get(sample_id)
        if sample is not None:
            joined = sample.references + references
            self._samples[sample_id] = replace(sample, references=joined)

    def deal(self, share: Mapping[Role, Count]) -> dict[Role, list[Sample]]:
        """Return what each role gets: by the coin if this is enough, otherwise dealt out."""
        dealt: dict[Role, list[Sample]] = {role: [] for role in share}
        if self._is_settled(share):
            for role in share:
                dealt[role] = [self._samples[kept.sample_id] for kept in self._kept[role]]
            return _cut(dealt, share)
        num_clusters: dict[Role, int] = dict.fromkeys(ROLES, 0)
        everything = sorted(chain.from_iterable(self._kept.values()))
        for _, cluster in groupby(everything, key=lambda kept: kept.order):
            role = _neediest(share, dealt, num_clusters)
            num_clusters[role] += 1
            dealt[role] += [self._samples[kept.sample_id] for kept in cluster]
        return _cut(dealt, share)

    def _is_settled(self, share: Mapping[Role, Count]) -> bool:
        """Tell whether the coin gives each role the number that it is to get."""
        for role, size in share.items():
            if size == "all" or self.num_seen[role] < size:
                return False
        return True


def _neediest(
    share: Mapping[Role, Count],
    dealt: Mapping[Role, list[Sample]],
    num_clusters: Mapping[Role, int],
) -> Role:
    """Return which role gets the next cluster.

    A role that wants a number comes before one that takes the rest. Of two with numbers, it is the
    one that lacks the larger part of its number; of two that take all, the one with fewer clusters.
    """
    lacking: dict[Role, float] = {}
    for role, size in share.items():
        if size != "all" and size > 0:
            lacking[role] = 1 - len(dealt[role]) / size
    neediest = max(lacking, key=lambda role: lacking[role], default=None)
    if neediest is not None and lacking[neediest] > 0:
        return neediest
    takers = [role for role in share if share[role] == "all"] or ["search"]
    return min(takers, key=lambda role: num_clusters[role])


def _cut(dealt: dict[Role, list[Sample]], share: Mapping[Role, Count]) -> dict[Role, list[Sample]]:
    """Drop what a role got beyond its number."""
    for role, size in share.items():
        if size != "all":
            del dealt[role][size:]
    return dealt


def _is_enough(dealt: Mapping[Role, list[Sample]], share: Mapping[Role, Count]) -> bool:
    return all(size == "all" or len(dealt[role]) == size for role, size in share.items())


def _shares(counts: Counts, splits: list[str]) -> dict[str, dict[Role, Count]]:
    """Return how many samples each split gives to each role."""
    shares: dict[str, dict[Role, Count]] = {split: {} for split in splits}
    for role, count in counts.items():
        for position, split in enumerate(splits):
            if count == "all":
                shares[split][role] = "all"
                continue
            per_split, remainder = divmod(count, len(splits))
            # The first splits give one more if the count does not divide evenly.
            shares[split][role] = per_split + (position < remainder)
    return shares


def _too_few(
    pools: Mapping[str, _Pool],
    shares: Mapping[str, Mapping[Role, Count]],
    counts: Counts,
    repeats: Repeats,
) -> DataError:
    """Say of each split that has too few what was read of it, and which numbers would work."""
    told = []
    for split, pool in pools.items():
        share = shares[split]
        dealt = pool.deal(share)
        if _is_enough(dealt, share) and counts["search"] != "all":
            continue
        got = [f"{len(dealt[role])} of {share[role]} for {role}" for role in share]
        num_repeats = repeats.of(split)
        told.append(
            f"split {split!r}: {len(pool.seen) + num_repeats} samples read, of which {num_repeats}"
            f" repeat an earlier one; this gives {' and '.join(got)}"
        )
    working = _working_counts(pools, counts)
    if working is None:
        advice = "no number would work; add a split, or leave this dataset out"
    else:
        numbers = [f"samples.{role}: {working[role]}" for role in working]
        advice = (
            f"{' with '.join(numbers)} would work, here or in the dataset's file; or add a split"
        )
    return DataError(f"too few samples: {'; '.join(told)}; {advice}")


def _working_counts(pools: Mapping[str, _Pool], counts: Counts) -> dict[Role, int] | None:
    """Return the largest numbers in the wanted proportion that every split can give."""
    most = max(len(pool.seen) for pool in pools.values()) * len(pools)
    wanted: dict[Role, int] = {}
    for role, count in counts.items():
        wanted[role] = most if count == "all" else count
    total = sum(wanted.values())
    for size in range(min(total, most), FEWEST_SEARCH_SAMPLES - 1, -1):
        search = max(FEWEST_SEARCH_SAMPLES, round(size * wanted["search"] / total))
        smaller: dict[Role, int] = {"search": search, "holdout": size - search}
        if "verify" in wanted:
            smaller["verify"] = (size - search) * wanted["verify"] // (total - wanted["search"])
            smaller["holdout"] -= smaller["verify"]
        shares = _shares(smaller, list(pools))
        if all(
            _is_enough(pool.deal(shares[split]), shares[split]) for split, pool in pools.items()
        ):
            return smaller
    return None


def _count(numbers: dict[str, int], split: str) -> None:
    numbers[split] = numbers.get(split, 0) + 1


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
