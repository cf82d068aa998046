"""The report's sections on the ranked combinations, one per size."""

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
from blocksieve.report.numbers import UNKNOWN, count_blocks
from blocksieve.report.section import Section
from blocksieve.units import UNITS

TOP = 15


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return per size the ranked combinations, on both scales, and those of partial coverage."""
    if table.is_empty():
        return [Section(title="Rankings", notes=["No combination was evaluated."])]
    size_sections = []
    for (size,), of_size in table.group_by("size", maintain_order=True):
        removed = f"{count_blocks(size)} removed"
        role, ranked_by = of_size.select("role", "ranked_by").row(0)
        ranked = _ranking(
            title=f"{removed}, by {ranked_by} drop, {role} samples",
            table=of_size.filter(pl.col("full")),
        )
        partial = _ranking(
            title=f"{removed}, partial coverage, not ranked",
            table=of_size.filter(~pl.col("full")),
        )
        size_sections += [ranked, partial]
    return size_sections


def _ranking(title: str, table: pl.DataFrame) -> Section:
    columns = [Column("rank", _rank), text("combination")]
    for scale, scale_unit in UNITS.items():
        columns += [
            signed(f"drop {scale_unit}", f"{scale}_mean"),
            interval(f"{scale}_ci"),
            unsigned("spread", f"{scale}_spread"),
        ]
    columns += [
        Column("coverage", lambda record: f"{record['coverage']}/{record['num_datasets']}"),
        count("samples", "n_total"),
    ]
    top = table.head(TOP)
    return table_section(
        title=f"{title}: {len(top)} of {len(table)}",
        columns=columns,
        records=top.to_dicts(),
        text_columns=2,
    )


def _rank(record: Record) -> str:
    if record["rank"] is None:
        return UNKNOWN
    return f"{record['rank']} =" if record["tied"] else str(record["rank"])
