"""Evaluations frames with planted drops: what a run would have measured, had its blocks these exact effects."""

import importlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from blocksieve.analysis import DOCUMENTS, TABLES
from blocksieve.evaluations import merge_shards
from blocksieve.evidence import Evidence, sum_clusters
from blocksieve.specs import DatasetSpec

MAX_DROP = {"conservative": 1.5, "balanced": 3, "aggressive": 10}

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
    """Build the frame of a run whose removal of `combination` from `dataset` costs `drops[dataset][combination]`.

    Drops and baselines in score units. A dataset has its baseline row whether or not it has drops; a combination not
    planted for a dataset was not evaluated there. Every row has the same n, one sample a cluster, and the same se.
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


def planted_definition(
    task_type: str = "VQA", metric: str = "exact_match", prompt: str = "{question}"
) -> DatasetSpec:
    """Return the definition of a dataset that is never read."""
    return DatasetSpec(
        task_type, {"kind": "demo"}, ["validation"], prompt, metric, max_new_tokens=4
    )


def planted_evidence(evaluations: pl.DataFrame, scale: str = "relative", **rest: Any) -> Evidence:
    """What analyses are made from, with the demo's settings."""
    return Evidence(evaluations, {"across_datasets": scale, "max_drop": MAX_DROP}, **rest)


def all_analyses(evidence: Evidence) -> dict[str, Any]:
    """What every analysis gives, by its name."""
    names = (*TABLES, *DOCUMENTS)
    return {
        name: importlib.import_module(f"blocksieve.analysis.{name}").analyse(evidence)
        for name in names
    }


def planted_shard(
    scores: Mapping[str, Sequence[float]],
    clusters: Sequence[str],
    splits: Sequence[str] | None = None,
) -> pl.DataFrame:
    """A sample-level shard: `scores` by combination (`none` among them), one a sample; all samples choose."""
    about = {
        "sample_id": [f"sample {number}" for number in range(len(clusters))],
        "cluster": list(clusters),
        "split": list(splits) if splits else ["validation"] * len(clusters),
        "role": ["search"] * len(clusters),
        "near_tie": [False] * len(clusters),
        "non_finite": [False] * len(clusters),
        "unparsable": [False] * len(clusters),
        "refused": pl.Series([None] * len(clusters), dtype=pl.String),
    }
    tables = []
    for name, values in scores.items():
        removed = [int(block) for block in name.split("-")] if name != "none" else []
        tables.append(
            pl.DataFrame(about | {"score": list(values)}).with_columns(
                combination=pl.lit(name),
                removed=pl.Series([removed] * len(clusters), dtype=pl.List(pl.UInt8)),
                size=pl.lit(len(removed), pl.UInt8),
            )
        )
    return pl.concat(tables).with_columns(pl.col("score").cast(pl.Float32))


def planted_run(
    folder: Path,
    costs: Mapping[str, Sequence[float]],
    task_types: Mapping[str, str],
    n: int = 200,
    seed: int = 0,
) -> Evidence:
    """A run in which removing a block turns a right answer wrong with a probability, its blocks' costs added up.

    `costs`: a probability a block, by dataset. Right at first: 8 in 10; a wrong one comes right 1 in 10 times. Both
    roles have n samples, each a cluster of its own, half of either split; through shards, as a run would leave them.
    """
    rng = np.random.default_rng(seed)
    sums, shards = {}, []
    for dataset, own in costs.items():
        names = [
            blocks for size in (1, 2) for blocks in itertools.combinations(range(len(own)), size)
        ]
        parts = []
        for role in ("search", "holdout"):
            right = rng.random(n) < 0.8
            scores = {"none": right.astype(float)}
            for blocks in names:
                lost, found = (
                    rng.random(n) < sum(own[block] for block in blocks),
                    rng.random(n) < 0.1,
                )
                scores["-".join(map(str, blocks))] = np.where(right, ~lost, found).astype(float)
            clusters = [f"{role} {number}" for number in range(n)]
            part = planted_shard(
                scores, clusters, [("train", "validation")[number % 2] for number in range(n)]
            )
            parts.append(
                part.with_columns(
                    role=pl.lit(role), sample_id=pl.format("{} {}", pl.lit(role), "sample_id")
                )
            )
        shards.append(folder / f"{dataset}.parquet")
        pl.concat(parts).with_columns(dataset=pl.lit(dataset)).write_parquet(shards[-1])
        sums[dataset] = sum_clusters([shards[-1]]).lazy()
    definitions = {dataset: planted_definition(task_types[dataset]) for dataset in costs}
    return planted_evidence(merge_shards(definitions, shards, 0), sums=sums)
