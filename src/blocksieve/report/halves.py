"""The report's section on halves of blocks."""

import polars as pl

from blocksieve.compared_halves import DIFFERENCE, EVERYWHERE
from blocksieve.report.columns import count, interval, signed, table_section, text, unsigned
from blocksieve.report.section import Section

MEANING = (
    "Every half removed alone, mean over the blocks of a position. token mixer: attention, or what"
    " stands for it; channel mixer: MLP or experts. shown: the difference is shown at a 5 % false"
    " discovery rate. q: adjusted over the rows of a table, differences of either sign apart."
)


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the halves by position and task type, and those of every block."""
    return [_groups(table, unit), _blocks(table, unit)]


def _groups(table: pl.DataFrame, unit: str) -> Section:
    columns = [
        text("datasets", "group"),
        text("position"),
        text("what"),
        count("blocks"),
        signed(f"mean {unit}", "mean"),
        interval(),
        unsigned("q", digits=3),
        text("shown", "verdict"),
    ]
    is_shown = pl.when("shown").then(pl.lit("yes")).otherwise(pl.lit("no"))
    verdict = pl.when(pl.col("what") == DIFFERENCE).then(is_shown).otherwise(pl.lit(""))
    groups = table.filter(level="group").with_columns(verdict=verdict)
    groups = groups.sort(pl.col("group") != EVERYWHERE, "group", maintain_order=True)
    notes = [MEANING]
    if not groups.is_empty():
        notes.append(f"On {groups['role'][0]} samples.")
    return table_section(
        title="Halves of blocks: token mixers against channel mixers",
        notes=notes,
        columns=columns,
        records=groups.to_dicts(),
        text_columns=3,
    )


def _blocks(table: pl.DataFrame, unit: str) -> Section:
    columns = [
        text("block"),
        text("what"),
        signed(f"mean {unit}", "mean"),
        interval(),
        unsigned("q", digits=3),
    ]
    return table_section(
        title="Halves of every block, each removed alone",
        columns=columns,
        records=table.filter(level="block").sort("block", maintain_order=True).to_dicts(),
        text_columns=2,
    )
