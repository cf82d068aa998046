"""The report's section on how all drops are distributed."""

import polars as pl

from blocksieve.report.columns import count, share, signed, table_section, text
from blocksieve.report.section import Section


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per size."""
    columns = [
        text("removed", "size"),
        count("drops", "drops_measured"),
        count("combinations"),
        signed("mean"),
        signed("std"),
        signed("min"),
        signed("lower quartile"),
        signed("median"),
        signed("upper quartile"),
        signed("max"),
        share("below 0 %", "negative"),
    ]
    section = table_section(
        title=f"All drops measured, in {unit}, one per dataset and combination",
        columns=columns,
        records=table.to_dicts(),
    )
    return [section]
