"""The report's section on how alike two datasets respond to blocks removed alone."""

import polars as pl

from blocksieve.report.columns import (
    Column,
    Record,
    count,
    interval,
    signed,
    table_section,
    text,
    unsigned,
)
from blocksieve.report.numbers import number
from blocksieve.report.section import Section

TOP = 5


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the most and the least correlated pairs."""
    if table.is_empty():
        return []
    pairs = _most_and_least_correlated(table)
    notes = [
        "difference: mean absolute difference of the two drops of a block; by noise: what it would"
        " be if both datasets lost the same."
    ]
    if pairs["dominant_site"].count():
        notes.append(
            "*: one block makes up more than half of Pearson's correlation, so that it says little"
            " of the others; Spearman's is by the order of the blocks."
        )
    columns = [
        text("dataset", "dataset_a"),
        text("and", "dataset_b"),
        Column("task type", lambda record: "same" if record["same_task_type"] else "different"),
        signed("Spearman", "spearman"),
        interval("spearman"),
        Column("Pearson", _pearson),
        interval("pearson"),
        unsigned(f"difference {unit}", "mean_difference"),
        unsigned("by noise", "noise_difference"),
        count("blocks"),
    ]
    section = table_section(
        title=(
            f"Pairs of datasets, the most and the least correlated: {len(pairs)} of {len(table)}"
        ),
        columns=columns,
        records=pairs.to_dicts(),
        text_columns=3,
        notes=notes,
    )
    return [section]


def _pearson(record: Record) -> str:
    mark = "  " if record["dominant_site"] is None else " *"
    return number(record["pearson"]) + mark


def _most_and_least_correlated(table: pl.DataFrame) -> pl.DataFrame:
    correlated = table.drop_nulls("spearman").sort(
        "spearman", "dataset_a", "dataset_b", descending=[True, False, False]
    )
    if len(correlated) <= 2 * TOP:
        return correlated
    return pl.concat([correlated.head(TOP), correlated.tail(TOP)])
