"""Draw what combinations cost beside what independent blocks would, and where the two differ."""

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

TITLE = "Synergy: a combination's drop against that of independent blocks"
LABELS = ["synergy", "none", "antagonism", "not tested"]
COLOURS = ["#009e73", "#7f7f7f", "#d55e00", "#d9d9d9"]
SHAPES = ["triangle-down", "circle", "triangle-up", "circle"]
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
    is_tested = pl.col("untested").is_null()
    tested = table.filter(is_tested)
    axis = drop_axis(scale, "interaction,")
    full = tested.filter("full").sort("interaction", maintain_order=True)
    synergies = full.filter(pl.col("interaction") < -ROUNDING)
    antagonisms = full.reverse().filter(pl.col("interaction") > ROUNDING)
    shown_label = pl.when(is_tested).then("label").otherwise(pl.lit("not tested"))
    panels = [
        _scatter(table.with_columns(label=shown_label), scale),
        _distribution(tested["interaction"], axis),
        _top(synergies, "Synergies", "less", scale),
        _top(antagonisms, "Antagonisms", "more", scale),
    ]
    num_synergies = (table["label"] == "synergy").sum()
    num_antagonisms = (table["label"] == "antagonism").sum()
    subtitle = [
        "expected of blocks that spoil answers independently: 1 - (1 - a) (1 - b) of the baseline,"
        " where they alone lose the shares a and b; interaction = measured - expected",
        f"{counted(len(tested), 'combination')} tested, on samples that did not choose them:"
        f" {num_synergies} synergistic, {num_antagonisms} antagonistic at a 5 % false discovery"
        f" rate; {len(table) - len(tested):,} not tested",
        "top lists: tested combinations that every dataset has",
    ]
    return figure(panels, TITLE, subtitle)


def _distribution(interactions: pl.Series, axis: alt.X) -> ChartType:
    title = "Distribution of the interaction"
    if interactions.is_empty():
        return sentence(title, "No combination was tested on samples that did not choose it.")
    return histogram(interactions, axis, "combinations tested", title)


def _top(rows: pl.DataFrame, kind: str, less_or_more: str, scale: Scale) -> ChartType:
    """Draw the first combinations of some in the order of their interaction."""
    if rows.is_empty():
        text = (
            f"No tested combination that every dataset has costs {less_or_more} than expected of"
            " independent blocks."
        )
        return sentence(kind, text)
    top = rows.head(TOP)
    top = top.with_columns(value="interaction", about=pl.format("{} datasets", "coverage"))
    return estimates(
        top,
        drop_axis(scale, "interaction,"),
        names_axis("combination", top["combination"].to_list()),
        f"{kind} (cost {less_or_more} than expected): top {len(top)} of {len(rows)}, 95 % interval",
        "about",
        colour=_label_colour(None),
        shape=_label_shape(None),
    )


def _scatter(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the measured drop of every combination against that of independent blocks."""
    low, high = extent(rows["expected"], rows["measured"])
    x_title = drop_title(scale, "expected")
    x = alt.X("expected:Q", title=x_title)
    x = x.scale(domain=SHOWN)
    y_title = drop_title(scale, "measured")
    y = alt.Y("measured:Q", title=y_title)
    y = y.scale(domain=SHOWN)
    step = max(high - low, ROUNDING) * APART / WIDTH
    dots = alt.Chart(_distinct_points(rows, step))
    dots = dots.mark_point(filled=True, size=26, opacity=0.75)
    legend = alt.Legend(title="label")
    layers = [
        diagonal(x, y, ("expected", "measured"), (low, high)),
        dots.encode(
            x=x,
            y=y,
            color=_label_colour(legend),
            shape=_label_shape(legend),
        ),
    ]
    return panel(layers, "Measured against expected; dashed: no interaction", height=260)


def _distinct_points(rows: pl.DataFrame, step: float) -> pl.DataFrame:
    """Return one point of those in a cell of this width, in the order in which they are drawn.

    Those not tested lie lowest, then those without a label. A large search has tens of thousands of
    combinations.
    """
    points = rows.select("label", "expected", "measured")
    cells = points.with_columns(
        expected_cell=(pl.col("expected") / step).round(),
        measured_cell=(pl.col("measured") / step).round(),
    )
    cell = ["label", "expected_cell", "measured_cell"]
    distinct = cells.unique(
        cell,
        keep="first",
        maintain_order=True,
    )
    has_label = ~pl.col("label").is_in(["none", "not tested"])
    is_tested = pl.col("label") != "not tested"
    return distinct.select(points.columns).sort(is_tested, has_label, maintain_order=True)


def _label_colour(legend: alt.Legend | None) -> alt.Color:
    colour = alt.Color("label:N", legend=legend)
    return colour.scale(domain=LABELS, range=COLOURS)


def _label_shape(legend: alt.Legend | None) -> alt.Shape:
    shape = alt.Shape("label:N", legend=legend)
    return shape.scale(domain=LABELS, range=SHAPES)
