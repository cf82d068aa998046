"""Draw how alike the datasets respond to a combination."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    bars,
    boxes,
    counted,
    figure,
    histogram,
    names_axis,
    sentence,
)
from blocksieve.units import UNITS, Scale

TITLE = "Consistency: how alike the datasets respond to a combination"
TOP = 15
CV = "coefficient of variation (spread / mean), without sampling noise"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `consistency_analysis`."""
    mean, low, high = (pl.col(name).round(1) for name in ("mean", "low", "high"))
    interval = pl.format("{} [{}, {}] {}", mean, low, high, pl.lit(UNITS[scale]))
    rows = table.drop_nulls("cv").with_columns(value="cv", about=interval)
    if rows.is_empty():
        text = (
            "No combination has a mean drop clearly above 0 on two datasets or more, so no"
            " variation is known."
        )
        return figure([sentence("Consistency", text)], TITLE, [])
    axis = alt.X("value:Q", title=CV).axis(tickCount=6)
    panels = [
        histogram(rows["cv"], axis, "combinations", "Distribution"),
        _grouped(rows, "coverage", "datasets", axis, "By number of datasets evaluated"),
        _most_consistent(rows),
        _grouped(rows, "size", "removed", axis, "By number of removed blocks"),
    ]
    subtitle = (
        f"{counted(len(rows), 'combination')} of {len(table):,} whose mean drop is clearly above 0"
        " (95 % interval); for the others a ratio to the mean says nothing"
    )
    return figure(panels, TITLE, [subtitle])


def _most_consistent(rows: pl.DataFrame) -> ChartType:
    full = rows.filter("full").sort("cv", "mean", maintain_order=True)
    top = full.head(TOP)
    if top.is_empty():
        return sentence("Most consistent", "No such combination was evaluated on every dataset.")
    counts = f"{len(top)} of {len(full)} on every dataset"
    y = names_axis("combination", top["combination"].to_list())
    title = f"Most consistent: {counts}; mean drop, 95 % interval"
    return bars(top, "cv", CV, y, title, text="about")


def _grouped(rows: pl.DataFrame, column: str, word: str, axis: alt.X, title: str) -> ChartType:
    """Draw boxes of the coefficient of variation, one per value of the column."""
    count = pl.format("n = {}", pl.len())
    groups = rows.group_by(column).agg(drops="cv", about=count).sort(column)
    groups = groups.with_columns(name=pl.format("{} {}", column, pl.lit(word)))
    y = names_axis("name", groups["name"].to_list())
    return boxes(groups, axis, y, title, "about")
