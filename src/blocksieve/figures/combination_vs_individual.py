"""Draw what combinations cost beside the sum of their blocks, and where the two differ."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    SHOWN,
    UNITS,
    WIDTH,
    counted,
    drop_axis,
    ends,
    estimates,
    figure,
    histogram,
    panel_title,
    rows_axis,
    sentence,
)
from blocksieve.figures.theme import SUBDUED
from blocksieve.statistics import ROUNDING

TITLE = "Synergy: a combination's drop against the sum of its blocks' drops"
LABELS = ["synergy", "none", "antagonism"]
COLOURS, SHAPES = ["#009e73", "#b5b5b5", "#d55e00"], ["triangle-down", "circle", "triangle-up"]
TOP = 10
APART = 2  # pixels


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `combination_vs_individual`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination of two blocks or more was evaluated together with all its single blocks."
        return figure([sentence("Interactions", text)], TITLE, [])
    counts = {label: table.filter(pl.col("label") == label).height for label in LABELS}
    rows = table.with_columns(value="interaction", about=pl.format("{} datasets", "coverage"))
    full = rows.filter("full").sort("interaction", maintain_order=True)
    axis = drop_axis(scale, "interaction,")
    panels = [
        _scatter(rows, scale),
        histogram(rows["interaction"], axis, "combinations", "Distribution of the interaction"),
    ]
    for kind, less, found in (
        ("Synergies", "less", full.filter(pl.col("interaction") < -ROUNDING)),
        ("Antagonisms", "more", full.reverse().filter(pl.col("interaction") > ROUNDING)),
    ):
        top = found.head(TOP)
        title = f"{kind} (cost {less} than the sum): top {len(top)} of {len(found)}, 95 % interval"
        y = rows_axis("combination", top["combination"].to_list())
        none = sentence(
            kind, f"No combination that every dataset has costs {less} than the sum of its blocks."
        )
        panels.append(
            none if top.is_empty() else estimates(top, axis, y, title, "about", **_looks(None))
        )
    subtitle = [
        f"interaction = measured - summed, on the same datasets; {counted(len(rows), 'combination')};"
        f" {counts['synergy']} synergistic, {counts['antagonism']} antagonistic at a 5 % false discovery rate",
        "top lists: combinations that every dataset has",
    ]
    return figure(panels, TITLE, subtitle)


def _looks(legend: alt.Legend | None) -> dict[str, Any]:
    return {
        "color": alt.Color("label:N", legend=legend, scale=alt.Scale(domain=LABELS, range=COLOURS)),
        "shape": alt.Shape("label:N", legend=legend, scale=alt.Scale(domain=LABELS, range=SHAPES)),
    }


def _scatter(rows: pl.DataFrame, scale: Scale) -> Any:
    line = ends(rows["summed"], rows["measured"])
    diagonal = alt.Chart(pl.DataFrame({"summed": line, "measured": line})).mark_line(
        color=SUBDUED, strokeDash=[4, 3]
    )
    shown = alt.Scale(domain=SHOWN)
    x = alt.X("summed:Q", title=f"sum of the blocks' own {UNITS[scale]}", scale=shown)
    y = alt.Y("measured:Q", title=f"measured {UNITS[scale]}", scale=shown)
    # Of points too close to be told apart one is drawn: large searches have tens of thousands.
    step = max(line[1] - line[0], ROUNDING) * APART / WIDTH
    places = [
        (pl.col(name) / step).round().alias(f"{name} place") for name in ("summed", "measured")
    ]
    distinct = rows.select("label", "summed", "measured").with_columns(places)
    distinct = distinct.unique(
        ["label", "summed place", "measured place"], keep="first", maintain_order=True
    )
    order = distinct.select("label", "summed", "measured").sort(
        pl.col("label") != "none", maintain_order=True
    )
    dots = alt.Chart(order).mark_point(filled=True, size=26, opacity=0.75)
    return alt.layer(
        diagonal.encode(x=x, y=y),
        dots.encode(x=x, y=y, **_looks(alt.Legend(title="label"))),
        title=panel_title("Measured against summed; dashed: no interaction"),
        width=WIDTH,
        height=260,
    )
