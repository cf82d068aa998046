"""Evaluations frames with planted drops: what a run would have measured, had its blocks these exact effects."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from blocksieve.analysis import DOCUMENTS, TABLES
from blocksieve.evidence import Evidence

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
                        "not_evaluable": None,
                        "bounded": dataset not in unbounded,
                    }
                )
    return pl.DataFrame(rows, schema=SCHEMA)


def planted_evidence(evaluations: pl.DataFrame, scale: str = "relative", **rest: Any) -> Evidence:
    """What analyses are made from, with the demo's settings."""
    return Evidence(evaluations, {"across_datasets": scale, "max_drop": MAX_DROP}, **rest)


def all_analyses(evidence: Evidence) -> dict[str, Any]:
    """What every analysis gives, by its name."""
    names = (*TABLES, *DOCUMENTS)
    return {name: importlib.import_module(f"blocksieve.analysis.{name}").analyse(evidence) for name in names}


def planted_shard(
    scores: Mapping[str, Sequence[float]], clusters: Sequence[str], splits: Sequence[str] | None = None
) -> pl.DataFrame:
    """A sample-level shard: `scores` by combination (`none` among them), one a sample; all samples choose."""
    about = {
        "sample_id": [f"sample {number}" for number in range(len(clusters))],
        "cluster": list(clusters),
        "split": list(splits) if splits else ["validation"] * len(clusters),
        "role": ["search"] * len(clusters),
        "near_tie": [False] * len(clusters),
        "non_finite": [False] * len(clusters),
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
