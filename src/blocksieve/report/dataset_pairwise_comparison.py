"""The report's section on how alike two datasets respond."""

import polars as pl

from blocksieve.report.columns import (
    Column,
    count,
    interval,
    signed,
    table_section,
    text,
    unsigned,
)
from blocksieve.report.section import Section

TOP = 5


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the most and the least correlated pairs."""
    if table.is_empty():
        return []
    pairs = _most_and_least_correlated(table)
    columns = [
        text("dataset", "dataset_a"),
        text("and", "dataset_b"),
        Column("task type", lambda record: "same" if record["same_task_type"] else "different"),
        signed("Pearson", "pearson"),
        interval("pearson"),
        signed("Spearman", "spearman"),
        interval("spearman"),
        unsigned(f"difference {unit}", "mean_difference"),
        count("combinations"),
    ]
    section = table_section(
        title=(
            f"Pairs of datasets, the most and the least correlated: {len(pairs)} of {len(table)}"
        ),
        columns=columns,
        records=pairs.to_dicts(),
        text_columns=3,
    )
    return [section]


def _most_and_least_correlated(table: pl.DataFrame) -> pl.DataFrame:
    correlated = table.drop_nulls("pearson").sort(
        "pearson", "dataset_a", "dataset_b", descending=[True, False, False]
    )
    if len(correlated) <= 2 * TOP:
        return correlated
    return pl.concat([correlated.head(TOP), correlated.tail(TOP)])
