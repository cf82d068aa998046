"""The report's sections on single blocks, and on early, middle and late ones."""

import polars as pl

from blocksieve.report.columns import count, interval, signed, table_section, text
from blocksieve.report.section import Section


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the single blocks, the least important first, and the positions."""
    return [_blocks(table, unit), _positions(table, unit)]


def _blocks(table: pl.DataFrame, unit: str) -> Section:
    singles = table.filter(level="combination", size=1).sort("mean", maintain_order=True)
    notes = []
    if singles.is_empty():
        notes.append("No single block was removed on every dataset.")
    columns = [
        text("place"),
        text("block", "combination"),
        text("position"),
        signed(f"drop {unit}", "mean"),
        interval(),
    ]
    return table_section(
        title="Least to most important block",
        notes=notes,
        columns=columns,
        records=singles.with_row_index("place", offset=1).to_dicts(),
        text_columns=3,
    )


def _positions(table: pl.DataFrame, unit: str) -> Section:
    columns = [
        text("removed", "size"),
        text("position"),
        text("blocks"),
        count("combinations"),
        signed(f"mean {unit}", "mean"),
        interval(),
    ]
    return table_section(
        title="Positions",
        columns=columns,
        records=table.filter(level="position").to_dicts(),
        text_columns=3,
    )
