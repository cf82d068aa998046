"""The report's section on how much each task type loses at each size."""

import polars as pl

from blocksieve.report.columns import table_section, text
from blocksieve.report.section import Section
from blocksieve.report.task_type_comparison import drop_columns


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per size and task type."""
    section = table_section(
        title="Task types by number of removed blocks",
        columns=[text("removed", "size"), text("task type"), *drop_columns(unit)],
        records=table.to_dicts(),
        text_columns=2,
    )
    return [section]
