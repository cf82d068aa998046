"""Merge shards into the table of evaluations: paired drops and intervals."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.combination import Combination
from blocksieve.evaluations import ORDER, SCHEMA
from blocksieve.metrics import load_metric
from blocksieve.model_description import REMOVED_SHARES, SiteShares, removed_shares
from blocksieve.shards import chunks
from blocksieve.specs import DatasetSpec
from blocksieve.statistics import (
    Estimate,
    cluster_bootstrap,
    clustered_mean,
    clustered_relative_drop,
)

# Zero where the model cannot run a combination.
COUNTS = ("n", "n_clusters", "wins", "losses", "near_ties", "non_finite", "unparsable")
Row = dict[str, object]


def merge_shards(
    definitions: Mapping[str, DatasetSpec], shards: Iterable[Path], seed: int
) -> pl.DataFrame:
    """Merge the shards of the defined datasets, each baseline's among them, into one table.

    One row per dataset, combination and role. A combination that the model cannot run has its
    reason in `not_evaluable`, n 0, and no numbers. Intervals are clustered by image; for a metric
    that is not bounded (CIDEr) they come from a bootstrap with `seed`. A combination may stand in
    several shards. DataError if a pair has two scores or a sample lacks its baseline.

    Where some combination answered only a part of a role's samples, a column `raced_out` says for
    each whether it did.
    """
    paths = list(shards)
    rows: list[Row] = []
    for name, definition in definitions.items():
        bound = _largest_change(definition)
        dataset = {
            "dataset": name,
            "task_type": definition.task_type,
            "bounded": bound is not None,
        }
        for pairs in chunks(paths, name):
            ordered = pairs.sort("combination", "role", "sample_id")
            for group in ordered.partition_by("combination", "role", maintain_order=True):
                rows.append({**dataset, **_evaluation(group, bound, seed)})
    table = pl.DataFrame(rows, schema=SCHEMA).fill_nan(None).sort(ORDER)
    is_evaluable = pl.col("not_evaluable").is_null()
    is_partial = pl.col("n") < pl.col("n").max().over("dataset", "role")
    marked = table.with_columns(raced_out=is_evaluable & is_partial)
    return marked if marked["raced_out"].any() else table


def with_removed_shares(evaluations: pl.DataFrame, sites: Mapping[str, SiteShares]) -> pl.DataFrame:
    """Fill the columns that say what a combination saves, from the shares of its sites."""
    rows = []
    for text in evaluations["combination"]:
        rows.append(removed_shares(Combination.parse(text), sites))
    shares = pl.DataFrame(rows, schema={name: SCHEMA[name] for name in REMOVED_SHARES})
    return evaluations.with_columns(shares)


def drop_columns(drops: NDArray[np.float64], drop: Estimate, relative: Estimate) -> Row:
    """Return the columns that drops (samples,) and the estimates of their mean give."""
    return {
        "drop": drop.mean,
        "se": drop.se,
        "ci_low": drop.low,
        "ci_high": drop.high,
        "relative": relative.mean,
        "relative_se": relative.se,
        "wins": int((drops < 0).sum()),
        "losses": int((drops > 0).sum()),
    }


def _largest_change(definition: DatasetSpec) -> float | None:
    """Return by how much one sample's score can change; None where the metric has no bound."""
    if not load_metric(definition.metric).bounded:
        return None
    # Above chance, a score lies from -1 (the wrong one of two choices) to 1.
    return 2.0 if definition.above_chance else 1.0


def _evaluation(pairs: pl.DataFrame, bound: float | None, seed: int) -> Row:
    """Evaluate one combination on the samples of one role; `bound`: see `_largest_change`."""
    key = pairs.select("combination", "removed", "size", "role").row(0, named=True)
    refusal = pairs["refused"][0]
    if refusal is not None:
        return {**key, **dict.fromkeys(COUNTS, 0), "not_evaluable": refusal}
    baselines = pairs["baseline"].to_numpy()
    scores = pairs["score"].to_numpy()
    drops = baselines - scores
    clusters = pairs["cluster"].to_numpy()
    if bound is not None:
        max_change = bound
        drop = clustered_mean(drops, clusters, max_change)
    else:
        max_change = float(baselines.mean())
        drop = cluster_bootstrap(drops, clusters, seed, max_change)
    relative = clustered_relative_drop(drops, baselines, clusters, max_change)
    return {
        **key,
        "n": len(pairs),
        "n_clusters": len(np.unique(clusters)),
        "baseline": baselines.mean(),
        "baseline_se": clustered_mean(baselines, clusters).se,
        "max_change": max_change,
        "score": scores.mean(),
        **drop_columns(drops, drop, relative),
        "near_ties": pairs["near_tie"].sum(),
        "non_finite": pairs["non_finite"].sum(),
        "unparsable": pairs["unparsable"].sum(),
    }
