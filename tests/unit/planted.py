"""Evaluations with planted drops: what a run would have measured, had its blocks these effects."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from blocksieve.analysis import ANALYSES
from blocksieve.combination import Combination, block_sites
from blocksieve.evidence import Evidence
from blocksieve.merging import drop_columns, merge_shards
from blocksieve.search.plan import all_combinations
from blocksieve.shards import by_cluster
from blocksieve.specs import AnalysisSpec, DatasetSpec, MaxDrop
from blocksieve.statistics import clustered_mean, clustered_relative_drop, paired_drops
from blocksieve.units import Scale

LIMITS = MaxDrop(conservative=1.5, balanced=3, aggressive=10)
SETTINGS = AnalysisSpec("relative", LIMITS)

SCHEMA = {
    "dataset": pl.String,
    "task_type": pl.String,
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8,
    "role": pl.String,
    "n": pl.UInt32,
    "n_clusters": pl.UInt32,
    "baseline": pl.Float64,
    "score": pl.Float64,
    "drop": pl.Float64,
    "se": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "relative": pl.Float64,
    "relative_se": pl.Float64,
    "wins": pl.UInt32,
    "losses": pl.UInt32,
    "bounded": pl.Boolean,
    "near_ties": pl.UInt32,
    "non_finite": pl.UInt32,
    "unparsable": pl.UInt32,
    "not_evaluable": pl.String,
}


def planted_evaluations(
    drops: Mapping[str, Mapping[tuple[int, ...], float]],
    baselines: Mapping[str, float],
    *,
    unbounded: Sequence[str] = (),
    roles: Sequence[str] = ("search", "holdout"),
    se: float = 0.01,
    n: int = 100,
) -> pl.DataFrame:
    """Build the evaluations of a run in which a combination costs `drops[dataset][blocks]`.

    Drops and baselines in score units. A dataset has its baseline row whether or not it has drops;
    a combination not planted for a dataset was not evaluated there. Every row has the same n, one
    sample per cluster, and the same se.
    """
    rows = []
    for number, (dataset, baseline) in enumerate(baselines.items()):
        for role in roles:
            for removed, drop in {(): 0.0, **drops.get(dataset, {})}.items():
                error = se if removed else 0.0
                rows.append(
                    {
                        "dataset": dataset,
                        "task_type": f"type {number % 3}",
                        "combination": "-".join(map(str, removed)) or "none",
                        "removed": list(removed),
                        "size": len(removed),
                        "role": role,
                        "n": n,
                        "n_clusters": n,
                        "baseline": baseline,
                        "score": baseline - drop,
                        "drop": drop,
                        "se": error,
                        "ci_low": drop - 2 * error,
                        "ci_high": drop + 2 * error,
                        "relative": drop / baseline if baseline else None,
                        "relative_se": error / baseline if baseline else None,
                        "wins": 0,
                        "losses": 0,
                        "near_ties": 0,
                        "non_finite": 0,
                        "unparsable": 0,
                        "not_evaluable": None,
                        "bounded": dataset not in unbounded,
                    }
                )
    return pl.DataFrame(rows, schema=SCHEMA)


def planted_halves(drops: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """Build the same, combinations as text: `drops[dataset]["2a-7"]`; every baseline is 0.8."""
    whole = {dataset: {} for dataset in drops}
    baselines = planted_evaluations(whole, dict.fromkeys(drops, 0.8))
    parts = [baselines]
    for dataset, of_dataset in drops.items():
        for text, drop in of_dataset.items():
            combination = Combination.parse(text)
            row = planted_evaluations({dataset: {(0,): drop}}, {dataset: 0.8})
            row = row.filter(size=1).with_columns(
                combination=pl.lit(text),
                removed=pl.lit(list(combination.blocks), pl.List(pl.UInt8)),
                size=pl.lit(combination.size, pl.UInt8),
                task_type=pl.lit(f"type {list(drops).index(dataset) % 3}"),
            )
            parts.append(row)
    return pl.concat(parts)


def drawn_evaluations(
    losses: Mapping[str, Mapping[tuple[int, ...], float]], n: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Draw the evaluations of a run in which removing blocks turns right answers wrong.

    `losses`: the probability for each dataset and combination, which is the true relative drop.
    Right at first: 8 in 10. Both roles have n samples, each a cluster of its own.
    """
    baselines = dict.fromkeys(losses, 0.8)
    table = planted_evaluations(losses, baselines, n=n)
    drawn: dict[str, list[float]] = {"relative": [], "relative_se": [], "drop": [], "se": []}
    for of_dataset in losses.values():
        probabilities = np.array([0.0, *of_dataset.values()])[:, None]  # (combinations, 1)
        for _ in ("search", "holdout"):
            right = rng.random(n) < 0.8
            lost = right & (rng.random((len(probabilities), n)) < probabilities)
            for relative, prefix in ((True, "relative"), (False, "drop")):
                drops = paired_drops(lost, right, np.ones(n), relative, max_change=1)
                errors = np.sqrt((drops.influences**2).sum(axis=1) + drops.added**2)
                drawn[prefix] += drops.means.tolist()
                drawn["relative_se" if relative else "se"] += errors.tolist()
    return table.with_columns(pl.Series(name, values) for name, values in drawn.items())


def planted_definition(
    task_type: str = "VQA", metric: str = "exact_match", prompt: str = "{question}"
) -> DatasetSpec:
    """Return the definition of a dataset that is never read."""
    return DatasetSpec(
        task_type, {"kind": "demo"}, ["validation"], prompt, metric, max_new_tokens=4
    )


def planted_evidence(
    evaluations: pl.DataFrame, scale: Scale = "relative", **fields: Any
) -> Evidence:
    """Return what analyses are made from, with the demo's limits."""
    return Evidence(evaluations, scale, LIMITS, **fields)


def planted_samples(
    scores: Mapping[str, Mapping[str, ArrayLike]], scale: Scale = "relative", **fields: Any
) -> Evidence:
    """Return what analyses are made from, of search samples that are clusters of their own.

    `scores`: by dataset and combination (`none` among them), one in [0, 1] per sample.
    """
    rows = []
    sums = {}
    for dataset, by_combination in scores.items():
        values = {name: np.asarray(each, dtype=float) for name, each in by_combination.items()}
        baseline = values.pop("none")
        rows.append(_sampled_row(dataset, "none", baseline, baseline))
        tables = []
        for name, score in values.items():
            rows.append(_sampled_row(dataset, name, baseline, score))
            tables.append(_sums_of_samples(name, baseline, score))
        sums[dataset] = pl.concat(tables).lazy()
    return planted_evidence(pl.DataFrame(rows, schema=SCHEMA), scale, sums=sums, **fields)


def _sampled_row(
    dataset: str, name: str, baseline: NDArray[np.float64], score: NDArray[np.float64]
) -> dict[str, object]:
    clusters = np.arange(len(score))
    removed = Combination.parse(name).blocks
    drops = baseline - score
    drop = clustered_mean(drops, clusters, 1)
    relative = clustered_relative_drop(drops, baseline, clusters, 1)
    return {
        "dataset": dataset,
        "task_type": "VQA",
        "combination": name,
        "removed": list(removed),
        "size": len(removed),
        "role": "search",
        "n": len(score),
        "n_clusters": len(score),
        "baseline": baseline.mean(),
        "score": score.mean(),
        **drop_columns(drops, drop, relative),
        "bounded": True,
    }


def _sums_of_samples(
    name: str, baseline: NDArray[np.float64], score: NDArray[np.float64]
) -> pl.DataFrame:
    """Return what `by_cluster` gives for one combination."""
    columns = {
        "combination": name,
        "role": "search",
        "split": "validation",
        "cluster": [f"{number:06d}" for number in range(len(score))],
        "tier": 0,
        "n": 1,
        "drop": baseline - score,
        "baseline": baseline,
    }
    return pl.DataFrame(columns)


def all_analyses(evidence: Evidence) -> dict[str, Any]:
    """Return what every analysis gives, by its name."""
    modules = {name: importlib.import_module(f"blocksieve.analysis.{name}") for name in ANALYSES}
    return {name: module.analyse(evidence) for name, module in modules.items()}


def planted_shard(
    scores: Mapping[str, Sequence[float]],
    clusters: Sequence[str],
    splits: Sequence[str] | None = None,
    dataset: str = "a",
) -> pl.DataFrame:
    """Return a shard in which all samples choose, one row per combination and sample.

    `scores`: by combination (`none` among them), one per sample.
    """
    count = len(clusters)
    samples = pl.DataFrame(
        {
            "dataset": [dataset] * count,
            "sample_id": [f"sample {number}" for number in range(count)],
            "cluster": list(clusters),
            "split": list(splits) if splits else ["validation"] * count,
            "role": ["search"] * count,
            "near_tie": [False] * count,
            "non_finite": [False] * count,
            "unparsable": [False] * count,
            "refused": pl.Series([None] * count, dtype=pl.String),
        }
    )
    tables = []
    for text, values in scores.items():
        combination = Combination.parse(text)
        removed = [list(combination.blocks)] * count
        table = samples.with_columns(
            combination=pl.lit(text),
            removed=pl.Series(removed, dtype=pl.List(pl.UInt8)),
            size=pl.lit(combination.size, pl.UInt8),
            score=pl.Series(list(values), dtype=pl.Float32),
        )
        tables.append(table)
    return pl.concat(tables)


def planted_run(
    folder: Path,
    costs: Mapping[str, Sequence[float]],
    task_types: Mapping[str, str],
    n: int = 200,
    seed: int = 0,
) -> Evidence:
    """Return a run in which removing a block turns right answers wrong with some probability.

    The costs of several blocks add up. `costs`: a probability per block, by dataset. Right at
    first: 8 in 10; a wrong one comes right 1 in 10 times. Both roles have n samples, each a cluster
    of its own, half of either split; through shards, as a run would leave them.
    """
    rng = np.random.default_rng(seed)
    paths = []
    for dataset, block_costs in costs.items():
        parts = []
        for role in ("search", "holdout"):
            scores = _planted_scores(block_costs, n, rng)
            clusters = [f"{role} {number}" for number in range(n)]
            splits = [("train", "validation")[number % 2] for number in range(n)]
            part = planted_shard(scores, clusters, splits, dataset)
            sample_id = pl.format("{} {}", pl.lit(role), "sample_id")
            parts.append(part.with_columns(role=pl.lit(role), sample_id=sample_id))
        paths.append(folder / f"{dataset}.parquet")
        pl.concat(parts).write_parquet(paths[-1])
    definitions = {dataset: planted_definition(task_types[dataset]) for dataset in costs}
    sums = {path.stem: by_cluster([path]).lazy() for path in paths}
    return planted_evidence(merge_shards(definitions, paths, 0), sums=sums)


def _planted_scores(
    block_costs: Sequence[float], n: int, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    right = rng.random(n) < 0.8
    scores = {"none": right.astype(float)}
    sites = block_sites(len(block_costs))
    for size in (1, 2):
        for combination in all_combinations(sites, size):
            cost = sum(block_costs[block] for block in combination.blocks)
            lost = rng.random(n) < cost
            mended = rng.random(n) < 0.1
            scores[str(combination)] = np.where(right, ~lost, mended).astype(float)
    return scores
