"""What analyses over datasets claim, against planted truth: rows of claim, goal, seen and draws.

    python benchmarks/claims_over_datasets.py

Every function simulates worlds whose truth is known and returns rows.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.analysis import (
    combination_vs_individual,
    dataset_pairwise_comparison,
    task_type_comparison,
)
from blocksieve.evaluations import drop_columns
from blocksieve.evidence import Evidence
from blocksieve.report.findings import task_types
from blocksieve.statistics import (
    clustered_mean,
    clustered_relative_drop,
    population_interval,
    spread,
)

Scores = dict[str, NDArray[np.bool_]]
NUM_BLOCKS = 16
NUM_DATASETS = 8


class Row(NamedTuple):
    """A claim, what it should come to, what was seen, and in how many draws."""

    claim: str
    goal: str
    seen: float
    draws: int


def evidence_of(world: dict[str, Scores], paired: bool = True) -> Evidence:
    """Return the evidence of search samples: `world` holds a score per sample, by combination.

    `none` is among the combinations. `paired`: whether the samples are known beside the table.
    """
    rows = []
    sums = {}
    for dataset, scores in world.items():
        baseline = scores["none"].astype(float)
        tables = []
        for name, score in scores.items():
            rows.append(_row(dataset, name, baseline, baseline - score))
            if name != "none":
                tables.append(_sums(name, baseline, baseline - score))
        sums[dataset] = pl.concat(tables).lazy()
    table = pl.DataFrame(rows, infer_schema_length=None)
    return Evidence(table, "relative", sums=sums if paired else {}, num_blocks=NUM_BLOCKS)


def _row(
    dataset: str, name: str, baseline: NDArray[np.float64], drops: NDArray[np.float64]
) -> dict[str, object]:
    clusters = np.arange(len(drops))
    drop = clustered_mean(drops, clusters, max_change=1)
    relative = clustered_relative_drop(drops, baseline, clusters, max_change=1)
    removed = [] if name == "none" else [int(block) for block in name.split("-")]
    return {
        "dataset": dataset,
        "task_type": f"type {int(dataset.split()[1]) % 2}",
        "combination": name,
        "removed": removed,
        "size": len(removed),
        "role": "search",
        "n": len(drops),
        "n_clusters": len(drops),
        "baseline": baseline.mean(),
        "score": (baseline - drops).mean(),
        **drop_columns(drops, drop, relative),
        "bounded": True,
        "not_evaluable": None,
    }


def _sums(name: str, baseline: NDArray[np.float64], drops: NDArray[np.float64]) -> pl.DataFrame:
    """Return what `shards.by_cluster` gives for one combination, a cluster per sample."""
    columns = {
        "combination": name,
        "role": "search",
        "split": "validation",
        "cluster": np.arange(len(drops)),
        "tier": 0,
        "n": 1,
        "drop": drops,
        "baseline": baseline,
    }
    return pl.DataFrame(columns)


def spoiled_answers(
    rng: np.random.Generator, costs: NDArray[np.float64], n: int, planted: dict[str, float]
) -> Scores:
    """Return right and wrong answers where each block spoils answers independently of the others.

    `costs`: (blocks,), the share that each spoils. All pairs are there. `planted`: for some pairs
    the share of answers that they spoil besides, or below 0 the share that they save.
    """
    right = rng.random(n) < 0.8
    spoiled = rng.random((len(costs), n)) < costs[:, None]  # (blocks, samples)
    scores = {"none": right}
    for block, lost in enumerate(spoiled):
        scores[str(block)] = right & ~lost
    for first, second in itertools.combinations(range(len(costs)), 2):
        name = f"{first}-{second}"
        lost = spoiled[first] | spoiled[second]
        share = planted.get(name, 0.0)
        drawn = rng.random(n) < abs(share)
        lost = lost | drawn if share > 0 else lost & ~drawn
        scores[name] = right & ~lost
    return scores


def synergy(draws: int = 10, n: int = 1000) -> list[Row]:
    """Test all pairs of blocks: most are independent, eight interact."""
    rng = np.random.default_rng(1)
    # Costs are 20 %; a saved share of 0.2 of the 36 % that two spoil is 7 % of all answers.
    planted = dict.fromkeys(("0-1", "2-3", "4-5", "6-7"), 0.05)
    planted |= dict.fromkeys(("0-2", "1-3", "8-9", "10-11"), -0.2)
    z: list[float] = []
    reports_with_false: list[bool] = []
    false_share: list[float] = []
    found: list[float] = []
    for with_planted in (False, True):
        for _ in range(draws):
            costs = np.full(NUM_BLOCKS, 0.2)
            extra = planted if with_planted else {}
            world = {
                f"dataset {number}": spoiled_answers(rng, costs, n, extra)
                for number in range(NUM_DATASETS)
            }
            table = combination_vs_individual.analyse(evidence_of(world))
            labelled = table.filter(pl.col("label") != "none")["combination"].to_list()
            num_false = sum(name not in extra for name in labelled)
            if with_planted:
                found.append(sum(name in extra for name in labelled) / len(extra))
                false_share.append(num_false / max(len(labelled), 1))
            else:
                reports_with_false.append(num_false > 0)
                z += (table["interaction"] / table["se"]).to_list()
    at = f"{NUM_DATASETS} x {n:,}"
    num_tests = len(z)
    any_false = float(np.mean(reports_with_false))
    return [
        Row(f"independent blocks interact, reports, {at}", "<= 5 %", any_false, draws),
        Row("independent blocks: mean z of the interaction", "0", float(np.mean(z)), num_tests),
        Row("independent blocks: sd of z", "<= 1", float(np.std(z)), num_tests),
        Row("planted interactions: false of found", "<= 5 %", float(np.mean(false_share)), draws),
        Row(f"planted interactions: found, {at}", ">= 70 %", float(np.mean(found)), draws),
    ]


def task_types_without_samples(draws: int = 60, n: int = 200) -> list[Row]:
    """Compare task types whose datasets are alike, in a table that comes without samples."""
    rng = np.random.default_rng(2)
    num_false = 0
    costs = np.full(8, 0.1)
    for _ in range(draws):
        world = {f"dataset {number}": spoiled_answers(rng, costs, n, {}) for number in range(4)}
        table = task_type_comparison.analyse(evidence_of(world, paired=False))
        (sentence,) = task_types(table, "%")
        num_false += "loses more than" in sentence
    return [Row("table without samples: like types told apart", "<= 5 %", num_false / draws, draws)]


def correlations(draws: int = 100) -> list[Row]:
    """Correlate two datasets over 16 blocks whose true costs correlate, with all their pairs."""
    rng = np.random.default_rng(3)
    rows = []
    for truth in (0.0, 0.5, 0.8):
        covered = []
        for _ in range(draws):
            covariance = 0.02**2 * np.array([[1, truth], [truth, 1]])
            costs = rng.multivariate_normal([0.1, 0.1], covariance, NUM_BLOCKS)  # (blocks, 2)
            pair = dataset_pairwise_comparison.analyse(_additive(costs)).row(0, named=True)
            covered.append(pair["pearson_low"] <= truth <= pair["pearson_high"])
        claim = f"interval of Pearson's correlation of two datasets, truth {truth}"
        rows.append(Row(claim, "93 to 97 %", float(np.mean(covered)), draws))
    return rows


def _additive(costs: NDArray[np.float64]) -> Evidence:
    """Return two datasets without noise whose blocks' costs (blocks, 2) add up, with all pairs."""
    combinations = [(block,) for block in range(len(costs))]
    combinations += itertools.combinations(range(len(costs)), 2)
    rows = []
    for place in (0, 1):
        rows.append(_row(f"dataset {place}", "none", np.ones(2), np.zeros(2)))
        for combination in combinations:
            cost = costs[list(combination), place].sum()
            name = "-".join(map(str, combination))
            rows.append(_row(f"dataset {place}", name, np.ones(2), np.full(2, cost)))
    return Evidence(pl.DataFrame(rows, infer_schema_length=None), "relative")


def spreads(draws: int = 2000) -> list[Row]:
    """Estimate how different datasets are, and cover the mean over all of their kind."""
    rng = np.random.default_rng(4)
    rows = []
    for truth in (0.0, 3.0):
        for n in (96, 200, 1000, 4000):
            error = 36 / np.sqrt(n)
            noise = np.full(NUM_DATASETS, error)
            squares, covered = [], []
            for _ in range(draws):
                drops = rng.normal(2, truth, NUM_DATASETS) + rng.normal(0, error, NUM_DATASETS)
                squares.append((spread(drops.tolist(), (noise**2).tolist()) or 0.0) ** 2)
                half = 1.96 * error / np.sqrt(NUM_DATASETS)
                mean = drops.mean()
                low, high = population_interval(drops.tolist(), mean - half, mean + half)
                covered.append(low <= 2 <= high)
            rms = float(np.sqrt(np.mean(squares)))
            claim = f"spread of datasets that differ by {truth:g}, n = {n}"
            rows.append(Row(claim, f"{truth:g}", rms, draws))
            claim = f"interval for datasets of this kind that differ by {truth:g}, n = {n}"
            rows.append(Row(claim, ">= 95 %", float(np.mean(covered)), draws))
    return rows


CLAIMS: tuple[Callable[[], list[Row]], ...] = (
    task_types_without_samples,
    spreads,
    correlations,
    synergy,
)


def main() -> None:
    """Print a table of all claims."""
    for row in itertools.chain.from_iterable(claim() for claim in CLAIMS):
        print(f"{row.claim} | {row.goal} | {row.seen:.3f} | {row.draws:,}")


if __name__ == "__main__":
    main()
