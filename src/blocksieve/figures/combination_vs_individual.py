"""Draw what combinations cost beside what independent blocks would, and where the two differ."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    LOGARITHMIC,
    counted,
    diagonal,
    drop_axis,
    estimates,
    extent,
    figure,
    histogram,
    interval,
    names_axis,
    panel,
    sentence,
    symlog_between,
    symlog_places,
    tooltip,
)
from blocksieve.statistics import ROUNDING
from blocksieve.units import Scale, drop_title

TITLE = "Synergy: a combination's drop against that of independent blocks"
LABELS = ["synergy", "none", "antagonism", "not tested"]
COLOURS = ["#009e73", "#7f7f7f", "#d55e00", "#d9d9d9"]
SHAPES = ["triangle-down", "circle", "triangle-up", "circle"]
TOP = 10
# Pixels; of points that are closer, one is drawn.
SIDE = 300
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
    full = tested.filter("full").sort("interaction", maintain_order=True)
    shown_label = pl.when(is_tested).then("label").otherwise(pl.lit("not tested"))
    panels = [
        _scatter(table.with_columns(label=shown_label), scale),
        _distribution(tested["interaction"], scale),
        _top(full, "synergy", "less", scale),
        _top(full.reverse(), "antagonism", "more", scale),
    ]
    num_synergies = (table["label"] == "synergy").sum()
    num_antagonisms = (table["label"] == "antagonism").sum()
    subtitle = [
        "expected of blocks that spoil answers independently: 1 - (1 - a) (1 - b) of the baseline,"
        " where they alone lose the shares a and b; interaction = measured - expected",
        f"{counted(len(tested), 'combination')} tested, on samples that did not choose them:"
        f" {num_synergies} synergistic, {num_antagonisms} antagonistic at a 5 % false discovery"
        f" rate; {len(table) - len(tested):,} not tested",
        "lists below: of the tested combinations that every dataset has",
    ]
    left_out = table["left_out"].explode().drop_nulls().unique().sort()
    if len(left_out):
        subtitle.append(
            f"without {', '.join(left_out)}, where a spoiled answer may score by guessing"
        )
    return figure(panels, TITLE, subtitle)


def _distribution(interactions: pl.Series, scale: Scale) -> ChartType:
    title = "Distribution of the interaction"
    if interactions.is_empty():
        return sentence(title, "No combination was tested on samples that did not choose it.")
    return histogram(interactions, scale, "interaction,", "combinations tested", title)


def _top(rows: pl.DataFrame, label: str, less_or_more: str, scale: Scale) -> ChartType:
    """Draw the first combinations of this label, and no others: those are not shown to differ."""
    kind = "Synergies" if label == "synergy" else "Antagonisms"
    shown = rows.filter(label=label)
    if shown.is_empty():
        text = (
            f"No tested combination that every dataset has is shown to cost {less_or_more} than"
            " expected of independent blocks."
        )
        if not rows.is_empty():
            combination, ends = rows.select("combination", interval(decimals=1)).row(0)
            text += f" The furthest is {combination}, 95 % interval {ends}."
        return sentence(kind, text)
    top = shown.head(TOP)
    top = top.with_columns(value="interaction", about=pl.format("{} datasets", "coverage"))
    return estimates(
        top,
        drop_axis(scale, "interaction,"),
        names_axis("combination", top["combination"].to_list()),
        f"{kind} (cost {less_or_more} than expected): {len(top)} of {len(shown)}, 95 % interval",
        "about",
        colour=_label_colour(None),
        shape=_label_shape(None),
        tips={"measured": "measured drop", "expected": "expected drop"},
    )


def _scatter(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the measured drop of every combination against that of independent blocks."""
    ends = extent(rows["expected"], rows["measured"])
    x = symlog_between(
        alt.X("expected:Q", title=f"{drop_title(scale, 'expected')}, {LOGARITHMIC}"), ends
    )
    y = symlog_between(alt.Y("measured:Q", title=drop_title(scale, "measured")), ends)
    points = _distinct_points(rows)
    dots = alt.Chart(points).mark_point(filled=True, size=26, opacity=0.75)
    legend = alt.Legend(title=None)
    said = {
        "combination": "blocks",
        "expected": "expected drop",
        "measured": "measured drop",
        "interval": "interaction, 95 % interval",
        "coverage": "datasets",
        "label": "label",
    }
    layers = [
        diagonal(x, y, ("expected", "measured"), ends),
        dots.encode(
            x=x,
            y=y,
            color=_label_colour(legend),
            shape=_label_shape(legend),
            tooltip=tooltip(points, said),
        ),
    ]
    title = "Measured against expected; dashed: no interaction"
    return panel(layers, title, SIDE, SIDE)


def _distinct_points(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one point of those in a cell of the panel, in the order in which they are drawn.

    Those not tested lie lowest, then those without a label. A large search has tens of thousands of
    combinations.
    """
    points = rows.select(
        "combination", "coverage", "label", "expected", "measured", interval=interval()
    )
    cells = []
    for column in ("expected", "measured"):
        places = pl.Series(f"{column}_cell", symlog_places(points[column].to_numpy()))
        _, width = extent(places - places.min())
        step = max(width, ROUNDING) * APART / SIDE
        cells.append((places / step).round())
    distinct = points.with_columns(cells).unique(
        ["label", "expected_cell", "measured_cell"],
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
