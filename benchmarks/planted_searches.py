"""Simulated searches whose truth is planted: worlds, their samples, and what a search leaves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import Choice
from blocksieve.combination import NONE, Combination, block_sites
from blocksieve.evaluations import SCHEMA
from blocksieve.evidence import Evidence
from blocksieve.pooling import DropsOfSize, sampling_noise
from blocksieve.search.finalists import finalists
from blocksieve.search.plan import children_of
from blocksieve.specs import MaxDrop
from blocksieve.statistics import Drops, paired_drops, student_interval

LARGEST_SIZE = 4
BEAM_WIDTH = 4
ROUNDS = (0.25, 0.5)
"""After which shares of the samples a race drops the worse half of the candidates."""
LIMITS = MaxDrop(conservative=1.5, balanced=3, aggressive=10)
THREE_TYPES = ("VQA",) * 3 + ("Captioning",) * 3 + ("Document QA",) * 2

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """How block costs of datasets differ.

    `common`, `of_type`, `of_dataset`: their shares in the logarithms of costs. `deviation`: of
    these, between blocks. `sensitivity`: the deviation between datasets of what all blocks cost.
    `task_types`: of the datasets. `freedom`: of Student's t, of which effects are drawn; infinite:
    normal. `baselines`, `samples`: between which limits datasets' baselines and their shares of the
    number of samples lie.
    """

    name: str
    common: float
    of_type: float
    of_dataset: float
    deviation: float = 1.2
    sensitivity: float = 0.4
    task_types: tuple[str, ...] = THREE_TYPES
    num_blocks: int = 16
    freedom: float = np.inf
    baselines: tuple[float, float] = (0.7, 0.7)
    samples: tuple[float, float] = (1.0, 1.0)

    @property
    def datasets(self) -> dict[str, str]:
        """The datasets' task types."""
        return {f"dataset_{number:02}": each for number, each in enumerate(self.task_types)}

    def losses(self, rng: np.random.Generator) -> Floats:
        """Draw the probability (datasets, blocks) that removing a block spoils a right answer."""
        types = sorted(set(self.task_types))
        type_of = [types.index(task_type) for task_type in self.task_types]
        common = self._effects(rng, 1)
        of_type = self._effects(rng, len(types))[type_of]
        of_dataset = self._effects(rng, len(type_of))
        effects = self.common * common + self.of_type * of_type + self.of_dataset * of_dataset
        effects /= np.sqrt(self.common**2 + self.of_type**2 + self.of_dataset**2)
        sensitivity = np.exp(self.sensitivity * rng.normal(size=(len(type_of), 1)))
        return np.clip(0.02 * np.exp(self.deviation * effects) * sensitivity, 0, 0.7)

    def _effects(self, rng: np.random.Generator, count: int) -> Floats:
        shape = (count, self.num_blocks)
        if np.isinf(self.freedom):
            return rng.normal(size=shape)
        variance = self.freedom / (self.freedom - 2)
        return rng.standard_t(self.freedom, size=shape) / np.sqrt(variance)

    def draw(self, losses: Floats, n: int, rng: np.random.Generator) -> dict[str, "Samples"]:
        """Draw the samples of one role of all datasets, `n` of each if they have equal shares."""
        # Baselines and numbers of samples are those of the dataset, whatever the role.
        spread = np.linspace(0, 1, len(losses))
        baselines = self.baselines[0] + spread[::-1] * (self.baselines[1] - self.baselines[0])
        shares = self.samples[0] + spread * (self.samples[1] - self.samples[0])
        drawn = {}
        for row, dataset in enumerate(self.datasets):
            num_samples = round(n * shares[row])
            drawn[dataset] = Samples.draw(losses[row], baselines[row], num_samples, rng)
        return drawn


def true_drop(losses: Floats, combination: Combination) -> Floats:
    """Return what a combination costs each dataset, in % of the baseline: blocks spoil alone."""
    kept = np.prod(1 - losses[:, list(combination.blocks)], axis=1)
    drop: Floats = 100 * (1 - kept)
    return drop


@dataclass(frozen=True)
class Samples:
    """The samples of one dataset and role: answers right with all blocks, and who spoils which.

    `right`: (samples,). `spoiled`: (samples, blocks). `besides`: for some combinations the samples
    (samples,) that they spoil besides their blocks; `saved`: those that they do not spoil.
    """

    right: NDArray[np.bool_]
    spoiled: NDArray[np.bool_]
    besides: Mapping[Combination, NDArray[np.bool_]] = field(default_factory=dict)
    saved: Mapping[Combination, NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def draw(cls, losses: Floats, baseline: float, n: int, rng: np.random.Generator) -> "Samples":
        """Draw n samples of a dataset whose blocks spoil answers with these probabilities."""
        right = rng.random(n) < baseline
        return cls(right, rng.random((n, len(losses))) < losses)

    def lost(self, combinations: Sequence[Combination]) -> Floats:
        """Return 1 where a combination spoils a right answer: (combinations, samples)."""
        removed = [sum(1 << block for block in each.blocks) for each in combinations]
        lost = (np.array(removed, np.uint64)[:, None] & self._spoiled_bits) != 0
        for row, combination in enumerate(combinations):
            if combination in self.besides:
                lost[row] |= self.besides[combination]
            if combination in self.saved:
                lost[row] &= ~self.saved[combination]
        return (lost & self.right).astype(float)

    @cached_property
    def _spoiled_bits(self) -> NDArray[np.uint64]:
        """Which blocks spoil a sample, (samples,), a bit per block: quick to compare with many."""
        bits = np.uint64(1) << np.arange(self.spoiled.shape[1], dtype=np.uint64)
        return self.spoiled.astype(np.uint64) @ bits

    def first(self, share: float) -> "Samples":
        """Return the first samples, as many as this share of all."""
        count = round(share * len(self.right))
        return Samples(self.right[:count], self.spoiled[:count])

    def drops(self, combinations: Sequence[Combination], relative: bool = True) -> Drops:
        """Return the drops in % of the baseline, or in score units."""
        counts = np.ones(len(self.right))
        drops = paired_drops(self.lost(combinations), self.right, counts, relative, 1)
        return drops.scaled(100) if relative else drops

    def sums(self, combinations: Sequence[Combination], splits: Sequence[str]) -> pl.DataFrame:
        """Return what `shards.by_cluster` gives, each sample a cluster of its own."""
        n = len(self.right)
        tables = []
        for combination, lost in zip(combinations, self.lost(combinations), strict=True):
            columns = {
                "combination": str(combination),
                "role": "search",
                "split": splits,
                "cluster": np.arange(n),
                "tier": 0,
                "n": 1,
                "drop": lost,
                "baseline": self.right.astype(float),
            }
            tables.append(pl.DataFrame(columns))
        return pl.concat(tables)


@dataclass(frozen=True)
class SimulatedEvidence(Evidence):
    """Evidence whose drops come straight from the simulated samples of each role."""

    simulated: Mapping[str, Mapping[str, Samples]] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Drops are compared on the same samples."""
        return True

    def _drops(self, dataset: str) -> Drops:
        return self.simulated[self.role][dataset].drops(list(self.row_index[dataset]))


Measured = Mapping[str, Mapping[str, set[Combination]]]
"""Which combinations were measured, by role and dataset."""


def simulated_evidence(
    task_types: Mapping[str, str],
    simulated: Mapping[str, Mapping[str, Samples]],
    measured: Measured,
) -> SimulatedEvidence:
    """Return the evidence of what was measured on simulated samples."""
    rows = []
    for role, by_dataset in measured.items():
        for dataset, combinations in by_dataset.items():
            samples = simulated[role][dataset]
            key = {"dataset": dataset, "task_type": task_types[dataset], "role": role}
            for row in evaluations(samples, [NONE, *sorted(combinations)]):
                rows.append(key | row)
    num_blocks = next(iter(simulated["search"].values())).spoiled.shape[1]
    table = pl.DataFrame(rows, schema=SCHEMA)
    return SimulatedEvidence(table, "relative", LIMITS, num_blocks=num_blocks, simulated=simulated)


def evaluations(samples: Samples, combinations: Sequence[Combination]) -> list[dict[str, object]]:
    """Return the numbers in the rows of evaluations.parquet of one dataset and role."""
    n = len(samples.right)
    points = samples.drops(combinations, relative=False)
    relative = samples.drops(combinations)
    se = standard_errors(points)
    relative_se = standard_errors(relative)
    baseline = float(samples.right.mean())
    rows = []
    for place, combination in enumerate(combinations):
        drop = float(points.means[place])
        interval = student_interval(drop, se[place], n)
        rows.append(
            {
                "bounded": True,
                "combination": str(combination),
                "removed": list(combination.blocks),
                "size": combination.size,
                "n": n,
                "n_clusters": n,
                "baseline": baseline,
                "baseline_se": float(np.sqrt(baseline * (1 - baseline) / n)),
                "max_change": 1.0,
                "score": baseline - drop,
                "drop": drop,
                "se": interval.se,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "relative": float(relative.means[place]) / 100,
                "relative_se": relative_se[place] / 100,
                "wins": 0,
                "losses": round(drop * n),
            }
        )
    return rows


def standard_errors(drops: Drops) -> list[float]:
    """Return the standard errors of all combinations' drops."""
    errors: list[float] = np.sqrt((drops.influences**2).sum(axis=1) + drops.added**2).tolist()
    return errors


@dataclass(frozen=True)
class Search:
    """A simulated search: its world, its block losses (datasets, blocks), and what it left."""

    world: World
    losses: Floats
    evidence: SimulatedEvidence

    @classmethod
    def of(cls, world: World, n: int, rng: np.random.Generator) -> "Search":
        """Draw a world, search it with n samples, and measure the finalists with n others."""
        losses = world.losses(rng)
        simulated = {role: world.draw(losses, n, rng) for role in ("search", "holdout")}
        searched = beam_search(simulated["search"])
        chosen = simulated_evidence(world.datasets, simulated, {"search": searched})
        document = finalists(chosen, ())
        choices = [Choice.of_row(row) for row in document["choices"]]
        measured = set(map(Combination.parse, document["combinations"]))
        everywhere = {dataset: each | measured for dataset, each in searched.items()}
        judged = dict.fromkeys(searched, measured)
        evidence = simulated_evidence(
            world.datasets, simulated, {"search": everywhere, "holdout": judged}
        )
        return cls(world, losses, replace(evidence, choices=choices))

    def losses_of(self, datasets: Sequence[str]) -> Floats:
        """Return the losses of some datasets."""
        names = list(self.world.datasets)
        return self.losses[[names.index(dataset) for dataset in datasets]]

    def truth(self, combination: Combination, datasets: Sequence[str] = ()) -> float:
        """Return the true mean drop over some datasets, or over all."""
        drops = true_drop(self.losses_of(list(datasets) or self.evidence.datasets), combination)
        return float(drops.mean())


def beam_search(
    samples: Mapping[str, Samples], rounds: Sequence[float] = ()
) -> dict[str, set[Combination]]:
    """Return what own beams and the generic one evaluate on each dataset up to the largest size.

    `rounds`: after which shares of the samples the worse half of the candidates is dropped, but for
    single blocks. What was dropped is left out.
    """
    sites = block_sites(next(iter(samples.values())).spoiled.shape[1])
    singles = [Combination.of([site]) for site in sites]
    own = {dataset: singles for dataset in samples}
    generic = singles
    measured: dict[str, set[Combination]] = {dataset: set() for dataset in samples}
    for size in range(1, LARGEST_SIZE + 1):
        if size > 1:
            own = {dataset: children_of(beam, sites) for dataset, beam in own.items()}
            generic = children_of(generic, sites)
            for share in rounds:
                part = {dataset: each.first(share) for dataset, each in samples.items()}
                own, generic = _best(part, own, generic, kept_share=0.5)
        for dataset in samples:
            measured[dataset].update(own[dataset], generic)
        own, generic = _best(samples, own, generic, kept_share=0)
    return measured


def _best(
    samples: Mapping[str, Samples],
    own: Mapping[str, list[Combination]],
    generic: Sequence[Combination],
    kept_share: float,
) -> tuple[dict[str, list[Combination]], list[Combination]]:
    """Return a share of what costs least on each dataset and on average, at least a beam."""
    best = {}
    generic_drops = []
    for dataset, candidates in own.items():
        drops = samples[dataset].drops(candidates).means
        best[dataset] = _first(candidates, drops, kept_share)
        generic_drops.append(samples[dataset].drops(generic).means)
    mean_drops = np.mean(generic_drops, axis=0)
    return best, _first(generic, mean_drops, kept_share)


def _first(
    candidates: Sequence[Combination], drops: Floats, kept_share: float
) -> list[Combination]:
    num_kept = max(BEAM_WIDTH, math.ceil(kept_share * len(candidates)))
    order = np.argsort(drops, kind="stable")[:num_kept]
    return [candidates[place] for place in order]


def largest_drops(
    task_types: dict[str, str], samples: Mapping[str, Samples], rounds: Sequence[float] = ()
) -> DropsOfSize:
    """Return what a search, racing in these rounds, measured of the largest combinations."""
    searched = beam_search(samples, rounds)
    every_combination = sorted(set().union(*searched.values()))
    combinations = [each for each in every_combination if each.size == LARGEST_SIZE]
    num_blocks = next(iter(samples.values())).spoiled.shape[1]
    singles = [Combination.of([site]) for site in block_sites(num_blocks)]
    drops = np.full((len(samples), len(combinations)), np.nan)
    expected = np.zeros_like(drops)
    noise = np.zeros(len(samples))
    for row, (dataset, its_samples) in enumerate(samples.items()):
        alone = its_samples.drops(singles).means
        expected[row] = [alone[list(each.blocks)].sum() for each in combinations]
        is_measured = np.array([each in searched[dataset] for each in combinations])
        measured = [each for each in combinations if each in searched[dataset]]
        of_dataset = its_samples.drops(measured)
        drops[row, is_measured] = of_dataset.means
        noise[row] = sampling_noise(of_dataset)
    return DropsOfSize(combinations, task_types, drops, expected, noise, np.ones(len(samples)))
