"""Whether what the report says is true: simulated searches whose truth is planted.

Prints a table (claim, goal, seen, draws) and writes it as JSON. A claim is a function of the number
of draws in CLAIMS that yields rows; add one there for every new kind of statement.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.combination import Combination, block_sites
from blocksieve.evidence import Evidence
from blocksieve.search.plan import children_of
from blocksieve.specs import MaxDrop
from blocksieve.statistics import Drops, clustered_mean, clustered_relative_drop, paired_drops

OUT = Path("build/benchmarks/planted_truth.json")
NUM_BLOCKS = 16
LARGEST_SIZE = 4
BEAM_WIDTH = 4
BASELINE = 0.7
TYPES = ("VQA", "VQA", "VQA", "Captioning", "Captioning", "Captioning", "Document QA", "Document QA")
LIMITS = MaxDrop(conservative=1.5, balanced=3, aggressive=10)
COMBINATIONS = [
    Combination.of(sites)
    for size in range(1, LARGEST_SIZE + 1)
    for sites in itertools.combinations(block_sites(NUM_BLOCKS), size)
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """How much the datasets' block costs have in common: shares of all, of a type, of their own."""

    name: str
    common: float
    of_type: float
    of_dataset: float

    def losses(self, rng: np.random.Generator) -> Floats:
        """Draw the probability (datasets, blocks) that removing a block spoils a right answer."""
        num_types = len(set(TYPES))
        type_of = [sorted(set(TYPES)).index(task_type) for task_type in TYPES]
        common = rng.normal(size=NUM_BLOCKS)
        of_type = rng.normal(size=(num_types, NUM_BLOCKS))[type_of]
        of_dataset = rng.normal(size=(len(TYPES), NUM_BLOCKS))
        effects = self.common * common + self.of_type * of_type + self.of_dataset * of_dataset
        effects /= np.sqrt(self.common**2 + self.of_type**2 + self.of_dataset**2)
        sensitivity = np.exp(0.4 * rng.normal(size=(len(TYPES), 1)))
        return np.clip(0.02 * np.exp(1.2 * effects) * sensitivity, 0, 0.7)


WORLDS = (
    World("all alike", 1, 0, 0),
    World("types differ", 0.3, 1, 0.1),
    World("datasets differ", 0.3, 0.1, 1),
    World("mostly common", 0.85, 0.4, 0.35),
)


@dataclass(frozen=True)
class Row:
    """A line of the table; `ok` is None where there is no goal."""

    claim: str
    goal: str
    seen: str
    draws: int
    ok: bool | None


def true_drop(losses: Floats, combination: Combination) -> Floats:
    """Return what a combination costs each dataset, in % of the baseline: blocks spoil alone."""
    kept = np.prod(1 - losses[:, list(combination.blocks)], axis=1)
    drop: Floats = 100 * (1 - kept)
    return drop


@dataclass(frozen=True)
class Samples:
    """The samples of one dataset and role: answers right with all blocks, and who spoils which."""

    right: NDArray[np.bool_]  # (samples,)
    spoiled: NDArray[np.bool_]  # (samples, blocks)

    @classmethod
    def draw(cls, losses: Floats, n: int, rng: np.random.Generator) -> "Samples":
        """Draw n samples of a dataset whose blocks spoil answers with these probabilities."""
        right = rng.random(n) < BASELINE
        return cls(right, rng.random((n, len(losses))) < losses)

    def lost(self, combinations: Sequence[Combination]) -> Floats:
        """Return 1 where a combination spoils a right answer: (combinations, samples)."""
        rows = [self.spoiled[:, list(each.blocks)].any(axis=1) for each in combinations]
        return (np.array(rows) & self.right).astype(float)

    def drops(self, combinations: Sequence[Combination]) -> Drops:
        """Return the drops in % of the baseline."""
        counts = np.ones(len(self.right))
        relative = paired_drops(self.lost(combinations), self.right, counts, True, 1)
        return relative.scaled(100)


Claim = Callable[[int], Iterator[Row]]
"""A function of the number of draws that yields rows of the table."""


def coverage_of_intervals(draws: int) -> Iterator[Row]:
    """Yield how often 95 % intervals of single combinations hold the true drop."""
    for n in (96, 200, 1000):
        rng = np.random.default_rng(n)
        held = []
        for _ in range(draws):
            losses = WORLDS[3].losses(rng)
            for of_dataset in losses:
                (combination,) = rng.choice(COMBINATIONS, 1)
                samples = Samples.draw(of_dataset, n, rng)
                lost = samples.lost([combination])[0]
                interval = clustered_relative_drop(lost, samples.right, np.arange(n), 1)
                truth = true_drop(of_dataset[None], combination)[0] / 100
                if lost.any():
                    held.append(interval.low <= truth <= interval.high)
        share = 100 * np.mean(held)
        yield Row(
            f"intervals of drops, n = {n}", "93 to 97 %", f"{share:.1f} %", len(held),
            93 <= share <= 97,
        )  # fmt: skip


CLAIMS: tuple[Claim, ...] = (coverage_of_intervals,)


def main() -> None:
    """Print and write what every claim shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20, help="simulated searches per row")
    parser.add_argument("--claims", nargs="*", default=[claim.__name__ for claim in CLAIMS])
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for claim in CLAIMS:
        if claim.__name__ not in arguments.claims:
            continue
        for row in claim(arguments.draws):
            verdict = {True: "holds", False: "FAILS", None: ""}[row.ok]
            print(f"{row.claim:44} | {row.goal:28} | {row.seen:40} | {row.draws:6} | {verdict}")
            rows.append(row)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
