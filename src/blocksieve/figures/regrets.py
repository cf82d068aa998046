"""Cells of regrets: what a list costs more than the one chosen for a dataset."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from blocksieve.figures.parts import faint_unless, interval, panel, rounded, tooltip
from blocksieve.figures.theme import CELL_BORDER, INK, SAME_CELL
from blocksieve.verdicts import Verdict

# Pixels; beyond so many columns, cells are too small for numbers.
CELL, SMALL_CELL, MAX_NUMBERED = 38, 18, 12
VERDICT_MARKS = {
    Verdict.COSTS_MORE: "*",
    Verdict.COSTS_LESS: "+",
    Verdict.CAN_SHARE: "=",
    Verdict.NOT_SHOWN: "",
    Verdict.SAME: "",
}
MARKS_READ = (
    "* costs more, + less, at a 5 % false discovery rate; paler: not shown to differ; grey: the"
    " same list"
)


def regret_matrix(
    rows: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    shade: alt.Color,
    title: str,
    titles: Mapping[str, str],
    num_columns: int,
) -> alt.LayerChart:
    """Draw a cell per row: its regret, coloured only where it is shown to differ from 0.

    Columns: `regret`, `regret_low`, `regret_high`, `combination`, `own`, `verdict`; tooltips say
    them after those of `titles`.
    """
    is_same = pl.col("combination") == pl.col("own")
    cells = rows.with_columns(
        text=pl.when(~is_same).then(rounded("regret", 1).cast(pl.String)).otherwise(pl.lit("")),
        mark=pl.col("verdict").replace_strict(VERDICT_MARKS, default=""),
        shown=pl.col("verdict").is_in([Verdict.COSTS_MORE, Verdict.COSTS_LESS]),
        interval=interval("regret_low", "regret_high"),
    )
    said = {
        **titles,
        "combination": "list",
        "own": "dataset's own list",
        "regret": "regret",
        "interval": "95 % interval",
        "verdict": "verdict",
    }
    tip = tooltip(cells, said)
    with_numbers = num_columns <= MAX_NUMBERED
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=tip)
    same = alt.Chart(cells.filter(is_same)).encode(x=x, y=y)
    layers = [
        base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5).encode(
            color=shade, fillOpacity=faint_unless("shown")
        ),
        same.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5, fill=SAME_CELL).encode(tooltip=tip),
    ]
    if with_numbers:
        layers.append(base.mark_text(fontSize=9, color=INK, dy=3).encode(text="text:N"))
    marks = base.mark_text(
        fontSize=14,
        fontWeight="bold",
        color=INK,
        dy=-6 if with_numbers else 4,
    )
    layers.append(marks.encode(text="mark:N"))
    return panel(
        layers,
        title,
        width=alt.Step(CELL if with_numbers else SMALL_CELL),
        height=alt.Step(CELL - 10 if with_numbers else SMALL_CELL),
    )
