"""The report's sections on combinations that cost less or more than their blocks one by one."""

import polars as pl

from blocksieve.report.columns import interval, signed, table_section, text, unsigned
from blocksieve.report.section import Section
from blocksieve.statistics import ROUNDING

TOP = 10


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the strongest synergies and antagonisms among combinations that every dataset has."""
    full = table.filter(pl.col("full")).sort("interaction", maintain_order=True)
    if full.is_empty():
        return []
    synergies = full.filter(pl.col("interaction") < -ROUNDING)
    antagonisms = full.reverse().filter(pl.col("interaction") > ROUNDING)
    return [
        _strongest(
            "Synergies: combinations that cost less than the sum of their blocks", synergies, unit
        ),
        _strongest("Antagonisms: combinations that cost more", antagonisms, unit),
    ]


def _strongest(title: str, interactions: pl.DataFrame, unit: str) -> Section:
    columns = [
        text("combination"),
        signed(f"measured {unit}", "measured"),
        signed(f"summed {unit}", "summed"),
        signed("interaction"),
        interval(),
        unsigned("q", digits=3),
        text("label"),
    ]
    top = interactions.head(TOP)
    return table_section(
        title=f"{title}: {len(top)} of {len(interactions)}",
        columns=columns,
        records=top.to_dicts(),
    )
