"""Draw how alike the datasets respond to a combination."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    bars,
    boxes,
    counted,
    figure,
    interval,
    names_axis,
    panel,
    sentence,
    shape_by,
    tooltip,
)
from blocksieve.figures.theme import FULL
from blocksieve.units import UNITS, Scale, drop_title

TITLE = "Consistency: how alike the datasets respond to a combination"
TOP = 15
# Combinations that a box needs.
FEWEST = 5
SCATTER_HEIGHT = 300
GROUPED_BY = {"size": "removed blocks", "coverage": "datasets evaluated"}
CV = "variation: spread over datasets / mean, without noise"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `consistency_analysis`."""
    mean, low, high = (pl.col(name).round(1) for name in ("mean", "low", "high"))
    about = pl.format("{} [{}, {}] {}", mean, low, high, pl.lit(UNITS[scale]))
    rows = table.drop_nulls("cv").with_columns(value="cv", about=about)
    if rows.is_empty():
        text = (
            "No combination has a mean drop clearly above 0 on two datasets or more, so no"
            " variation is known."
        )
        return figure([sentence("Consistency", text)], TITLE, [])
    panels = [_scatter(rows, scale), _most_consistent(rows)]
    for column, word in (("size", "removed"), ("coverage", "datasets")):
        groups = _groups(rows, column, word)
        if len(groups) > 1:
            panels.append(_boxes(groups, f"By number of {GROUPED_BY[column]}"))
    subtitle = (
        f"{counted(len(rows), 'combination')} of {len(table):,} whose mean drop is clearly above 0"
        " (95 % interval); for the others a ratio to the mean says nothing"
    )
    return figure(panels, TITLE, [subtitle, f"boxes of {FEWEST} combinations or more"])


def _scatter(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the variation against the mean drop, by which alone it falls."""
    names = [f"{size} removed" for size in rows["size"].unique().sort()]
    points = rows.with_columns(removed=pl.format("{} removed", "size"), interval=interval())
    x = alt.X("mean:Q", title=f"{drop_title(scale, 'mean')}, logarithmic").scale(type="log")
    y = alt.Y("cv:Q", title=CV)
    shape = shape_by("removed", names, "blocks")
    dots = alt.Chart(points).mark_point(size=30, opacity=0.8, color=FULL)
    said = {
        "combination": "blocks",
        "cv": "variation",
        "spread": "spread",
        "mean": "mean drop",
        "interval": "95 % interval",
        "coverage": "datasets",
    }
    dots = dots.encode(
        x=x,
        y=y,
        shape=shape,
        tooltip=tooltip(points, said),
    )
    return panel([dots], "Variation against the mean drop", height=SCATTER_HEIGHT)


def _most_consistent(rows: pl.DataFrame) -> ChartType:
    """Draw the least variation among the half of lists that cost less.

    A list that ruins every answer costs all datasets alike, and tells nothing on tasks.
    """
    full = rows.filter("full")
    cheap = full.filter(pl.col("mean") <= pl.median("mean"))
    top = cheap.sort("cv", "mean", maintain_order=True).head(TOP)
    if top.is_empty():
        return sentence("Most consistent", "No such combination was evaluated on every dataset.")
    y = names_axis("combination", top["combination"].to_list())
    title = f"Most consistent {len(top)} of the cheaper half of {len(full)} on all; mean drop"
    return bars(top, "cv", CV, y, title, text="about")


def _groups(rows: pl.DataFrame, column: str, word: str) -> pl.DataFrame:
    """Collect the coefficients of variation by value of the column, where they are enough."""
    count = pl.format("n = {}", pl.len())
    groups = rows.group_by(column).agg(drops="cv", about=count)
    num_combinations = pl.col("drops").list.len()
    groups = groups.filter(num_combinations >= FEWEST).sort(column)
    return groups.with_columns(name=pl.format("{} {}", column, pl.lit(word)))


def _boxes(groups: pl.DataFrame, title: str) -> ChartType:
    x = alt.X("value:Q", title=CV)
    names = groups["name"].to_list()
    return boxes(
        groups,
        x.axis(tickCount=6),
        names_axis("name", names),
        title,
        "about",
    )
