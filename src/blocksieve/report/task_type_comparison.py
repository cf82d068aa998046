"""The report's section on how much each task type loses."""

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


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per task type."""
    section = table_section(
        title="Task types",
        notes=[
            "Over the combinations that every dataset has; std, min, median and max describe these"
            " combinations."
        ],
        columns=[text("task type"), *drop_columns(unit)],
        records=table.to_dicts(),
    )
    return [section]


def drop_columns(unit: str) -> list[Column]:
    """Return the columns of a task type's mean drop and its distribution over combinations."""
    return [
        signed(f"mean {unit}", "mean"),
        interval(),
        unsigned("std"),
        count("combinations"),
        signed("min"),
        signed("max"),
        signed("median"),
        count("evaluated"),
        count("samples"),
    ]
