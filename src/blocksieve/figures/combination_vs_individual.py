"""Draw what combinations cost beside the sum of their blocks, and where the two differ."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    SHOWN,
    WIDTH,
    counted,
    diagonal,
    drop_axis,
    estimates,
    extent,
    figure,
    histogram,
    names_axis,
    panel,
    sentence,
)
from blocksieve.statistics import ROUNDING
from blocksieve.units import Scale, drop_title

TITLE = "Synergy: a combination's drop against the sum of its blocks' drops"
LABELS = ["synergy", "none", "antagonism"]
COLOURS = ["#009e73", "#b5b5b5", "#d55e00"]
SHAPES = ["triangle-down", "circle", "triangle-up"]
TOP = 10
# Pixels; of points that are closer, one is drawn.
APART = 2


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `combination_vs_individual`, in % of the baseline or pp."""
    if table.is_empty():
        text = (
            "No combination of two blocks or more was evaluated together with all its single"
            " blocks."
        )
        return figure([sentence("Interactions", text)], TITLE, [])
    interactions = table["interaction"]
    axis = drop_axis(scale, "interaction,")
    full = table.filter("full").sort("interaction", maintain_order=True)
    synergies = full.filter(pl.col("interaction") < -ROUNDING)
    antagonisms = full.reverse().filter(pl.col("interaction") > ROUNDING)
    panels = [
        _scatter(table, scale),
        histogram(interactions, axis, "combinations", "Distribution of the interaction"),
        _top(synergies, "Synergies", "less", scale),
        _top(antagonisms, "Antagonisms", "more", scale),
    ]
    num_synergies = (table["label"] == "synergy").sum()
    num_antagonisms = (table["label"] == "antagonism").sum()
    subtitle = [
        "interaction = measured - summed, on the same datasets;"
        f" {counted(len(table), 'combination')}; {num_synergies} synergistic,"
        f" {num_antagonisms} antagonistic at a 5 % false discovery rate",
        "top lists: combinations that every dataset has",
    ]
    return figure(panels, TITLE, subtitle)


def _top(rows: pl.DataFrame, kind: str, less_or_more: str, scale: Scale) -> ChartType:
    """Draw the first combinations of some in the order of their interaction."""
    if rows.is_empty():
        text = (
            f"No combination that every dataset has costs {less_or_more} than the sum of its"
            " blocks."
        )
        return sentence(kind, text)
    top = rows.head(TOP)
    top = top.with_columns(value="interaction", about=pl.format("{} datasets", "coverage"))
    return estimates(
        top,
        drop_axis(scale, "interaction,"),
        names_axis("combination", top["combination"].to_list()),
        f"{kind} (cost {less_or_more} than the sum): top {len(top)} of {len(rows)}, 95 % interval",
        "about",
        colour=_label_colour(None),
        shape=_label_shape(None),
    )


def _scatter(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the measured drop of every combination against the sum of its blocks' drops."""
    low, high = extent(rows["summed"], rows["measured"])
    x_title = drop_title(scale, "sum of the blocks' own")
    x = alt.X("summed:Q", title=x_title)
    x = x.scale(domain=SHOWN)
    y_title = drop_title(scale, "measured")
    y = alt.Y("measured:Q", title=y_title)
    y = y.scale(domain=SHOWN)
    step = max(high - low, ROUNDING) * APART / WIDTH
    dots = alt.Chart(_distinct_points(rows, step))
    dots = dots.mark_point(filled=True, size=26, opacity=0.75)
    legend = alt.Legend(title="label")
    layers = [
        diagonal(x, y, ("summed", "measured"), (low, high)),
        dots.encode(
            x=x,
            y=y,
            color=_label_colour(legend),
            shape=_label_shape(legend),
        ),
    ]
    return panel(layers, "Measured against summed; dashed: no interaction", height=260)


def _distinct_points(rows: pl.DataFrame, step: float) -> pl.DataFrame:
    """Return one point of those in a cell of this width, label none first, so lowest.

    A large search has tens of thousands of combinations.
    """
    points = rows.select("label", "summed", "measured")
    cells = points.with_columns(
        summed_cell=(pl.col("summed") / step).round(),
        measured_cell=(pl.col("measured") / step).round(),
    )
    cell = ["label", "summed_cell", "measured_cell"]
    distinct = cells.unique(
        cell,
        keep="first",
        maintain_order=True,
    )
    has_label = pl.col("label") != "none"
    return distinct.select(points.columns).sort(has_label, maintain_order=True)


def _label_colour(legend: alt.Legend | None) -> alt.Color:
    colour = alt.Color("label:N", legend=legend)
    return colour.scale(domain=LABELS, range=COLOURS)


def _label_shape(legend: alt.Legend | None) -> alt.Shape:
    shape = alt.Shape("label:N", legend=legend)
    return shape.scale(domain=LABELS, range=SHAPES)
