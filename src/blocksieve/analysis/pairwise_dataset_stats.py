"""The comparison of datasets for other programs: every pair, means by kind, the extremes."""

from typing import TypedDict

import polars as pl

from blocksieve.analysis import dataset_pairwise_comparison
from blocksieve.evidence import Evidence
from blocksieve.specs import Role
from blocksieve.units import Scale

TOP = 5


class Pair(TypedDict):
    """A row of `dataset_pairwise_comparison`."""

    dataset_a: str
    dataset_b: str
    task_type_a: str
    task_type_b: str
    same_task_type: bool
    blocks: int
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    pearson: float | None
    pearson_low: float | None
    pearson_high: float | None
    dominant_site: str | None
    mean_difference: float | None
    difference_low: float | None
    difference_high: float | None
    noise_difference: float | None


class KindOfPair(TypedDict):
    """Means over the pairs within one task type, or over those across task types."""

    same_task_type: bool
    pairs: int
    mean_spearman: float | None
    mean_pearson: float | None
    mean_difference: float | None


class PairwiseDocument(TypedDict):
    """Content of pairwise_dataset_stats.json."""

    role: Role
    across_datasets: Scale
    unit: str
    pairs: list[Pair]
    by_kind_of_pair: list[KindOfPair]
    least_correlated: list[list[str]]
    most_correlated: list[list[str]]


def analyse(evidence: Evidence) -> PairwiseDocument:
    """Put `dataset_pairwise_comparison` into a document; schema pairwise_dataset_stats.schema.json.

    `most_correlated` and `least_correlated` name up to five pairs each, by Spearman's correlation,
    which no single block can dominate.
    """
    table = dataset_pairwise_comparison.analyse(evidence)
    correlated = table.drop_nulls("spearman").sort("spearman", "dataset_a", "dataset_b")
    pairs: list[Pair] = table.to_dicts()  # type: ignore[assignment]  # SCHEMA has these columns
    return {
        "role": evidence.role,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "pairs": pairs,
        "by_kind_of_pair": _by_kind_of_pair(table),
        "least_correlated": _names(correlated.head(TOP)),
        "most_correlated": _names(correlated.reverse().head(TOP)),
    }


def _by_kind_of_pair(table: pl.DataFrame) -> list[KindOfPair]:
    groups = table.sort("same_task_type").group_by("same_task_type", maintain_order=True)
    kinds: list[KindOfPair] = []
    for (same_task_type,), group in groups:
        kinds.append(
            {
                "same_task_type": bool(same_task_type),
                "pairs": len(group),
                "mean_spearman": group.select(pl.mean("spearman")).item(),
                "mean_pearson": group.select(pl.mean("pearson")).item(),
                "mean_difference": group.select(pl.mean("mean_difference")).item(),
            }
        )
    return kinds


def _names(pairs: pl.DataFrame) -> list[list[str]]:
    names = pairs.select("dataset_a", "dataset_b")
    return [list(row) for row in names.iter_rows()]
