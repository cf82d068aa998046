"""The report's sections on combinations that cost less or more than independent blocks would."""

from collections.abc import Iterator

import polars as pl

from blocksieve.report.columns import interval, signed, table_section, text, unsigned
from blocksieve.report.section import Section
from blocksieve.statistics import ROUNDING

TOP = 10
UNTESTED = {
    "chosen": "the samples that measured them also chose them or their blocks",
    "over 100 %": "their blocks' drops sum to more than 100 % of a dataset's baseline",
    "guessed": "a spoiled answer may still score by guessing in all datasets; set above_chance in"
    " the datasets' files to measure scores above that",
}
"""Why interactions are not tested, by what the table says."""
EXPECTED = (
    "expected: what a combination would cost if each of its blocks spoiled answers independently of"
    " the others. For blocks that alone lose the shares a and b that is 1 - (1 - a) (1 - b) of the"
    " baseline, if a spoiled answer scores nothing. Where guesses score, as with yes or no, even"
    " independent blocks cost less together. interaction: measured - expected. summed: the plain"
    " sum of what the blocks cost alone, which independent blocks stay below; above sum:"
    " measured - summed."
)


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the strongest synergies and antagonisms among combinations that every dataset has."""
    tested = table.filter(pl.col("full"), pl.col("untested").is_null())
    ordered = tested.sort("interaction", maintain_order=True)
    synergies = ordered.filter(pl.col("interaction") < -ROUNDING)
    antagonisms = ordered.reverse().filter(pl.col("interaction") > ROUNDING)
    notes = [EXPECTED, *_left_out(table), *_untested(table)]
    if ordered.is_empty():
        notes = notes[1:]
    return [
        Section(title="Do blocks interact?", notes=notes),
        *_strongest("Synergies: combinations that cost less than expected", synergies, unit),
        *_strongest("Antagonisms: combinations that cost more", antagonisms, unit),
    ]


def _left_out(table: pl.DataFrame) -> Iterator[str]:
    """Name the datasets that do not count."""
    names = table["left_out"].explode().drop_nulls().unique().sort()
    if len(names):
        yield (
            f"Left out: {', '.join(names)}; a spoiled answer may still score by guessing there. Set"
            " above_chance in a dataset's file to measure scores above that."
        )


def _untested(table: pl.DataFrame) -> Iterator[str]:
    """Say how many combinations were not tested, and why."""
    for key, reason in UNTESTED.items():
        num_untested = len(table.filter(untested=key))
        if num_untested:
            yield f"Not tested: {num_untested:,} of {len(table):,} combinations; {reason}."


def _strongest(title: str, interactions: pl.DataFrame, unit: str) -> list[Section]:
    if interactions.is_empty():
        return []
    columns = [
        text("combination"),
        text("samples", "role"),
        signed(f"measured {unit}", "measured"),
        signed("expected"),
        signed("interaction"),
        interval(),
        unsigned("q", digits=3),
        text("label"),
        signed("summed"),
        signed("above sum", "beyond_sum"),
    ]
    top = interactions.head(TOP)
    section = table_section(
        title=f"{title}: {len(top)} of {len(interactions)}",
        columns=columns,
        records=top.to_dicts(),
        text_columns=2,
    )
    return [section]
