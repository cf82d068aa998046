"""The report's section on how much each dataset loses."""

import polars as pl

from blocksieve.report.columns import count, interval, signed, table_section, text, unsigned
from blocksieve.report.section import Section


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per dataset."""
    columns = [
        text("dataset"),
        text("task type"),
        signed(f"mean {unit}", "mean"),
        interval(),
        unsigned("std"),
        signed("min"),
        signed("median"),
        signed("max"),
        count("combinations"),
        count("samples"),
    ]
    section = table_section(
        title="Dataset responses, over the combinations that every dataset has",
        columns=columns,
        records=table.to_dicts(),
        text_columns=2,
    )
    return [section]
