"""Draw what the list chosen for one dataset costs on another."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED
from blocksieve.figures.parts import (
    count_range,
    counted,
    figure,
    gain_to_loss_colour,
    grid,
    panel,
    sentence,
    titled,
)
from blocksieve.figures.theme import CELL_BORDER, INK
from blocksieve.units import Scale, drop_title
from blocksieve.verdicts import Verdict

TITLE = "Transfer: the list chosen for one dataset, used on another"
# Pixels; beyond so many datasets, cells are too small for numbers.
CELL, SMALL_CELL, MAX_NUMBERED = 40, 18, 12
VERDICT_MARKS = {Verdict.COSTS_MORE: "*", Verdict.CAN_SHARE: "=", Verdict.SAME: "·"}


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `transfer_matrix`, a panel per size, in % of the baseline or pp."""
    rows = table.filter(method=RECOMMENDED)
    if rows["source"].n_unique() < 2:
        text = (
            "Two datasets or more with lists measured on holdout samples are needed; there are"
            " none."
        )
        return figure([sentence("Transfer", text)], TITLE, [])
    datasets = rows.sort("source_place")["source"].unique(maintain_order=True).to_list()
    legend_title = ["regret in", drop_title(scale)]
    shade = gain_to_loss_colour("regret", legend_title, rows["regret"], level=0.95)
    panels = []
    for (size,), size_rows in rows.group_by("size", maintain_order=True):
        panels.append(_panel(size_rows, int(size), datasets, shade))
    subtitle = [
        f"regret against the dataset's own list on the same {count_range(rows['n'])} holdout"
        " samples; datasets clustered by it",
        "* costs more (5 % false discovery rate),"
        f" = at most {rows['limit'][0]:g} by its 95 % interval, · same list",
    ]
    return titled(grid(panels), TITLE, subtitle)


def _panel(rows: pl.DataFrame, size: int, datasets: list[str], shade: alt.Color) -> ChartType:
    with_numbers = len(datasets) <= MAX_NUMBERED
    regret = pl.col("regret").round(1).cast(pl.String)
    differs = pl.col("combination") != pl.col("own")
    cells = rows.select(
        "source",
        "target",
        "regret",
        text=pl.when(differs).then(regret).otherwise(pl.lit("")),
        mark=pl.col("verdict").replace_strict(VERDICT_MARKS, default=""),
    )
    x = alt.X("target:N", title="used on")
    x = x.scale(domain=datasets).axis(labelAngle=-40, grid=False)
    y = alt.Y("source:N", title="chosen for")
    y = y.scale(domain=datasets).axis(grid=False)
    base = alt.Chart(cells).encode(x=x, y=y)
    rects = base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5)
    layers = [rects.encode(color=shade)]
    if with_numbers:
        layers.append(base.mark_text(fontSize=9, color=INK, dy=4).encode(text="text:N"))
    marks = base.mark_text(fontSize=12, color=INK, dy=-7 if with_numbers else 2)
    layers.append(marks.encode(text="mark:N"))
    return panel(
        layers,
        f"{counted(size, 'block')} removed",
        width=alt.Step(CELL if with_numbers else SMALL_CELL),
        height=alt.Step(CELL - 10 if with_numbers else SMALL_CELL),
    )
