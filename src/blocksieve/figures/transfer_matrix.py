"""Draw what the list chosen for one dataset costs on another."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from blocksieve.analysis.task_specific_vs_generic import SAME
from blocksieve.evidence import Scale
from blocksieve.figures.parts import UNITS, counted, ends, grid, panel_title, sentence, titled
from blocksieve.figures.theme import INK

TITLE = "Transfer: the list chosen for one dataset, used on another"
METHOD = "beam"
CELL, SMALL_CELL, NUMBERS_UP_TO = 40, 18, 12
MARKS = {"costs more": "*", "can share": "=", SAME: "·"}
SHADES = ["#8fc1de", "#ffffff", "#ee9a62"]


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `transfer_matrix`, a panel a size, in % of the baseline or pp."""
    rows = table.filter(method=METHOD)
    if rows["source"].n_unique() < 2:
        text = "Two datasets or more with lists measured on holdout samples are needed; there are none."
        return titled(grid([sentence("Transfer", text)]), TITLE, [])
    datasets = rows.sort("source_place")["source"].unique(maintain_order=True).to_list()
    bound = max(float(np.quantile(rows["regret"].abs().to_numpy(), 0.95)), 1.0)
    panels = [
        _panel(own, int(size), datasets, bound, scale)
        for (size,), own in rows.group_by("size", maintain_order=True)
    ]
    fewest, most = map(round, ends(rows["n"]))
    samples = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    subtitle = [
        f"regret against the dataset's own list on the same {samples} holdout samples; datasets clustered by it",
        f"* costs more (5 % false discovery rate), = at most {rows['limit'][0]:g} by its 95 % interval, · same list",
    ]
    return titled(grid(panels), TITLE, subtitle)


def _panel(rows: pl.DataFrame, size: int, datasets: list[str], bound: float, scale: Scale) -> Any:
    with_numbers = len(datasets) <= NUMBERS_UP_TO
    other = pl.col("combination") != pl.col("own")
    text = pl.when(other).then(pl.col("regret").round(1).cast(pl.String)).otherwise(pl.lit(""))
    mark = pl.col("verdict").replace_strict(MARKS, default="")
    cells = rows.select("source", "target", "regret", text=text, mark=mark)
    x = alt.X("target:N", title="used on", scale=alt.Scale(domain=datasets)).axis(
        labelAngle=-40, grid=False
    )
    y = alt.Y("source:N", title="chosen for", scale=alt.Scale(domain=datasets)).axis(grid=False)
    shades = alt.Scale(domain=[-bound, 0, bound], range=SHADES, interpolate="rgb", clamp=True)
    shade = alt.Color("regret:Q", title=["regret in", UNITS[scale]], scale=shades)
    base = alt.Chart(cells).encode(x=x, y=y)
    layers = [base.mark_rect(stroke="#cccccc", strokeWidth=0.5).encode(color=shade)]
    if with_numbers:
        layers.append(base.mark_text(fontSize=9, color=INK, dy=4).encode(text="text:N"))
    layers.append(
        base.mark_text(fontSize=12, color=INK, dy=-7 if with_numbers else 2).encode(text="mark:N")
    )
    cell = CELL if with_numbers else SMALL_CELL
    title = panel_title(f"{counted(size, 'block')} removed")
    return alt.layer(
        *layers,
        title=title,
        width=alt.Step(cell),
        height=alt.Step(cell - (10 if with_numbers else 0)),
    )
