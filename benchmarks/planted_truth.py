"""Whether what the report says is true: simulated searches whose truth is planted.

Prints a table (claim, goal, seen, draws) and writes it as JSON. A claim is a function of the number
of draws in CLAIMS that yields rows; add one there for every new kind of statement.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.analysis import combination_vs_individual, pruning_recommendations
from blocksieve.analysis import task_specific_vs_generic as own_lists
from blocksieve.choices import Choice
from blocksieve.combination import NONE, Combination, Site, block_sites
from blocksieve.evaluations import SCHEMA
from blocksieve.evidence import Evidence
from blocksieve.pooling import DropsOfSize, sampling_noise
from blocksieve.search.finalists import finalists
from blocksieve.search.plan import children_of
from blocksieve.specs import MaxDrop
from blocksieve.statistics import (
    Drops,
    clustered_relative_drop,
    paired_drops,
    student_interval,
)
from blocksieve.verdicts import Verdict

OUT = Path("build/benchmarks/planted_truth.json")
NUM_BLOCKS = 16
LARGEST_SIZE = 4
BEAM_WIDTH = 4
BASELINE = 0.7
PER_DRAW = 4
TYPES = (
    "VQA",
    "VQA",
    "VQA",
    "Captioning",
    "Captioning",
    "Captioning",
    "Document QA",
    "Document QA",
)
LIMITS = MaxDrop(conservative=1.5, balanced=3, aggressive=10)
COMBINATIONS = [
    Combination.of(sites)
    for size in range(1, LARGEST_SIZE + 1)
    for sites in itertools.combinations(block_sites(NUM_BLOCKS), size)
]

Floats = NDArray[np.float64]
DATASETS = [f"dataset_{number}" for number in range(len(TYPES))]


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


@dataclass(frozen=True)
class SimulatedEvidence(Evidence):
    """Evidence whose drops come straight from the simulated samples of either role."""

    simulated: Mapping[str, Mapping[str, Samples]] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Drops are compared on the same samples."""
        return True

    def _drops(self, dataset: str) -> Drops:
        return self.simulated[self.role][dataset].drops(list(self.row_index[dataset]))


@dataclass(frozen=True)
class Search:
    """A simulated search: its block losses (datasets, blocks), and what it left."""

    losses: Floats
    evidence: SimulatedEvidence

    @classmethod
    def of(cls, world: World, n: int, rng: np.random.Generator) -> "Search":
        """Draw a world, search it with n samples, and measure the finalists with n others."""
        losses = world.losses(rng)
        simulated: dict[str, dict[str, Samples]] = {}
        for role in ("search", "holdout"):
            drawn = [Samples.draw(of_dataset, n, rng) for of_dataset in losses]
            simulated[role] = dict(zip(DATASETS, drawn, strict=True))
        searched = beam_search(simulated["search"])
        chosen = cls._evidence({"search": searched}, simulated)
        document = finalists(chosen, ())
        choices = [Choice.of_row(row) for row in document["choices"]]
        measured = set(map(Combination.parse, document["combinations"]))
        everywhere = {dataset: searched[dataset] | measured for dataset in DATASETS}
        judged = dict.fromkeys(DATASETS, measured)
        evidence = cls._evidence({"search": everywhere, "holdout": judged}, simulated)
        return cls(losses, replace(evidence, choices=choices))

    @staticmethod
    def _evidence(
        measured: Mapping[str, Mapping[str, set[Combination]]],
        simulated: Mapping[str, Mapping[str, Samples]],
    ) -> SimulatedEvidence:
        rows = []
        for role, by_dataset in measured.items():
            for dataset, combinations in by_dataset.items():
                samples = simulated[role][dataset]
                rows += evaluations(dataset, role, samples, [NONE, *sorted(combinations)])
        table = pl.DataFrame(rows, schema=SCHEMA)
        return SimulatedEvidence(
            table, "relative", LIMITS, num_blocks=NUM_BLOCKS, simulated=simulated
        )


@cache
def searched(world: World, n: int, draw: int) -> Search:
    """Return a search that all claims share."""
    return Search.of(world, n, np.random.default_rng([n, draw]))


def beam_search(samples: Mapping[str, Samples]) -> dict[str, set[Combination]]:
    """Return what own beams and the generic one evaluate on each dataset up to the largest size."""
    sites = block_sites(NUM_BLOCKS)
    singles = [Combination.of([site]) for site in sites]
    own = {dataset: singles for dataset in samples}
    generic = singles
    measured: dict[str, set[Combination]] = {dataset: set() for dataset in samples}
    for size in range(1, LARGEST_SIZE + 1):
        if size > 1:
            own = {dataset: children_of(beam, sites) for dataset, beam in own.items()}
            generic = children_of(generic, sites)
        for dataset in samples:
            measured[dataset].update(own[dataset], generic)
        drops = [samples[dataset].drops(generic).means for dataset in samples]
        for dataset, candidates in own.items():
            own[dataset] = _first(candidates, samples[dataset].drops(candidates).means)
        generic = _first(generic, np.mean(drops, axis=0))
    return measured


def _first(candidates: Sequence[Combination], drops: Floats) -> list[Combination]:
    order = np.argsort(drops, kind="stable")[:BEAM_WIDTH]
    return [candidates[place] for place in order]


def evaluations(
    dataset: str, role: str, samples: Samples, combinations: Sequence[Combination]
) -> list[dict[str, object]]:
    """Return the rows of evaluations.parquet of one dataset and role."""
    n = len(samples.right)
    lost = samples.lost(combinations)
    counts = np.ones(n)
    points = paired_drops(lost, samples.right, counts, False, 1)
    relative = paired_drops(lost, samples.right, counts, True, 1)
    se = standard_errors(points)
    relative_se = standard_errors(relative)
    rows = []
    for place, combination in enumerate(combinations):
        drop = float(points.means[place])
        interval = student_interval(drop, se[place], n)
        baseline = float(samples.right.mean())
        rows.append(
            {
                "dataset": dataset,
                "task_type": TYPES[DATASETS.index(dataset)],
                "bounded": True,
                "combination": str(combination),
                "removed": list(combination.blocks),
                "size": combination.size,
                "role": role,
                "n": n,
                "n_clusters": n,
                "baseline": baseline,
                "score": baseline - drop,
                "drop": drop,
                "se": interval.se,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "relative": float(relative.means[place]),
                "relative_se": relative_se[place],
                "wins": 0,
                "losses": int(lost[place].sum()),
            }
        )
    return rows


def standard_errors(drops: Drops) -> list[float]:
    """Return the standard errors of all combinations' drops."""
    errors: list[float] = np.sqrt((drops.influences**2).sum(axis=1) + drops.added**2).tolist()
    return errors


Claim = Callable[[int], Iterator[Row]]
"""A function of the number of draws that yields rows of the table."""


def coverage_of_intervals(draws: int) -> Iterator[Row]:
    """Yield how often 95 % intervals of single combinations hold the true drop."""
    for n in (96, 200, 1000):
        rng = np.random.default_rng(n)
        held = []
        for _ in range(PER_DRAW * draws):
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
            bool(93 <= share <= 97),
        )  # fmt: skip


def pooled_choices(draws: int) -> Iterator[Row]:
    """Yield what lists of the largest size truly cost above the best possible, by who chose them.

    Seen: own, task type, generic, pooled (pooled by task type), in % of the baseline.
    """
    for world, n in itertools.product(WORLDS, (96, 200, 1000)):
        rng = np.random.default_rng(n)
        # Without holdout samples and analyses a draw is cheap.
        regrets = [_regrets(world, n, rng) for _ in range(PER_DRAW * draws)]
        own, task_type, generic, pooled, pooled_type = np.mean(regrets, axis=0)
        yield Row(
            claim=f"pooled lists, {world.name}, n = {n}",
            goal="at most 0.05 above own, generic",
            seen=f"{own:.2f} {task_type:.2f} {generic:.2f} {pooled:.2f} ({pooled_type:.2f})",
            draws=PER_DRAW * draws,
            ok=bool(pooled <= min(own, generic) + 0.05),
        )


def strategies(draws: int) -> Iterator[Row]:
    """Yield how often the list of a strategy truly loses more than its limit."""
    for world, n in itertools.product(WORLDS, (200, 1000)):
        above: list[bool] = []
        for draw in range(draws):
            search = searched(world, n, draw)
            document = pruning_recommendations.analyse(search.evidence)
            for strategy in document["strategies"].values():
                combination = Combination.parse(strategy["combination"])
                truth = true_drop(search.losses, combination).mean()
                above.append(bool(truth > strategy["max_drop"]))
        yield _share(f"strategies above their limit, {world.name}, n = {n}", above, 2.5)


def own_lists_pay(draws: int) -> Iterator[Row]:
    """Yield how often it is falsely said that another list costs more, or less, than the own one.

    A search counts once, whatever the number of its false verdicts.
    """
    for world, n in itertools.product(WORLDS, (200, 1000)):
        wrong: list[bool] = []
        for draw in range(draws):
            search = searched(world, n, draw)
            rows = own_lists.analyse(search.evidence)["rows"]
            wrong.append(any(_is_false(search.losses, row) for row in rows))
        yield _share(f"own lists pay, {world.name}, n = {n}", wrong, 5)


def _is_false(losses: Floats, row: own_lists.ComparedLists) -> bool:
    of_dataset = losses[[DATASETS.index(row["dataset"])]]
    combination = Combination.parse(row["combination"])
    regret = true_drop(of_dataset, combination) - true_drop(
        of_dataset, Combination.parse(row["own"])
    )
    if row["verdict"] == Verdict.COSTS_MORE:
        return bool(regret[0] <= 0)
    return bool(row["verdict"] == Verdict.COSTS_LESS and regret[0] >= 0)


def interactions(draws: int) -> Iterator[Row]:
    """Yield how often blocks that spoil answers independently are said to interact.

    A search counts once, whatever the number of its labels.
    """
    for world in WORLDS:
        labelled: list[bool] = []
        for draw in range(draws):
            table = combination_vs_individual.analyse(searched(world, 1000, draw).evidence)
            labelled.append(bool((table["label"].drop_nulls() != "none").any()))
        yield _share(f"interactions without any, {world.name}, n = 1000", labelled, 5)


def _share(claim: str, wrong: Sequence[bool], most: float) -> Row:
    """Return a row about a share of false statements that is to be small."""
    share = 100 * float(np.mean(wrong))
    seen = f"{sum(wrong)} of {len(wrong)} ({share:.1f} %)"
    return Row(claim, f"at most {most:g} %", seen, len(wrong), share <= most)


def _regrets(world: World, n: int, rng: np.random.Generator) -> list[float]:
    """Search a world once; return the mean regrets of the five ways of choosing."""
    losses = world.losses(rng)
    drawn = [Samples.draw(of_dataset, n, rng) for of_dataset in losses]
    samples = dict(zip(DATASETS, drawn, strict=True))
    drops = largest_drops(samples)
    measured = drops.drops
    generic = drops.combinations[int(np.nanargmin(measured.mean(axis=0)))]
    regrets = []
    for row, (dataset, task_type) in enumerate(zip(DATASETS, TYPES, strict=True)):
        same_type = [name for name, each in zip(DATASETS, TYPES, strict=True) if each == task_type]
        of_type = measured[[DATASETS.index(name) for name in same_type]].mean(axis=0)
        lists = [
            drops.combinations[int(np.nanargmin(measured[row]))],
            drops.combinations[int(np.nanargmin(of_type))],
            generic,
            drops.least([dataset]),
            drops.least(same_type),
        ]
        harmless = np.argsort(losses[row])[:LARGEST_SIZE]
        best = Combination(tuple(Site(int(block)) for block in sorted(harmless)))
        least = true_drop(losses[row : row + 1], best)[0]
        regrets.append(
            [true_drop(losses[row : row + 1], each)[0] - least for each in lists if each]
        )
    mean: Floats = np.mean(regrets, axis=0)
    return mean.tolist()


def largest_drops(samples: Mapping[str, Samples]) -> DropsOfSize:
    """Return what a search measured of combinations of the largest size."""
    searched = beam_search(samples)
    every_combination = sorted(set().union(*searched.values()))
    combinations = [each for each in every_combination if each.size == LARGEST_SIZE]
    singles = [Combination.of([site]) for site in block_sites(NUM_BLOCKS)]
    drops = np.full((len(DATASETS), len(combinations)), np.nan)
    expected = np.zeros_like(drops)
    noise = np.zeros(len(DATASETS))
    for row, dataset in enumerate(DATASETS):
        alone = samples[dataset].drops(singles).means
        expected[row] = [alone[list(each.blocks)].sum() for each in combinations]
        is_measured = np.array([each in searched[dataset] for each in combinations])
        measured = [each for each in combinations if each in searched[dataset]]
        of_dataset = samples[dataset].drops(measured)
        drops[row, is_measured] = of_dataset.means
        noise[row] = sampling_noise(of_dataset)
    task_types = dict(zip(DATASETS, TYPES, strict=True))
    weights = np.ones(len(DATASETS))
    return DropsOfSize(combinations, task_types, drops, expected, noise, weights)


CLAIMS: tuple[Claim, ...] = (
    coverage_of_intervals,
    pooled_choices,
    strategies,
    own_lists_pay,
    interactions,
)


def main() -> None:
    """Print and write what every claim shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5, help="simulated searches per row")
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
