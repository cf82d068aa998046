"""The comparison of datasets for other programs: every pair, the means by kind of pair, the ends of the list."""

from typing import Any

import polars as pl

from blocksieve.analysis import dataset_pairwise_comparison
from blocksieve.evidence import Evidence

TOP = 5


def analyse(evidence: Evidence) -> dict[str, Any]:
    """Put `dataset_pairwise_comparison` into one document; schema pairwise_dataset_stats.schema.json.

    `most_correlated` and `least_correlated` name up to five pairs each, by Pearson's correlation.
    """
    table = dataset_pairwise_comparison.analyse(evidence)
    known = table.drop_nulls("pearson").sort("pearson", "dataset_a", "dataset_b")
    ends = {"least_correlated": known.head(TOP), "most_correlated": known.reverse().head(TOP)}
    return {
        "role": evidence.role,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "pairs": table.to_dicts(),
        "by_kind_of_pair": [
            {"same_task_type": same, "pairs": len(group), **_means(group)}
            for (same,), group in table.sort("same_task_type").group_by(
                "same_task_type", maintain_order=True
            )
        ],
        **{
            name: [[row["dataset_a"], row["dataset_b"]] for row in rows.to_dicts()]
            for name, rows in ends.items()
        },
    }


def _means(group: pl.DataFrame) -> dict[str, float | None]:
    names = ("pearson", "spearman", "mean_difference")
    return {
        f"mean_{name.removeprefix('mean_')}": group.select(pl.mean(name)).item() for name in names
    }
