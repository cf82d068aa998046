"""Draw what removing each block alone costs on each dataset."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.combination import Site
from blocksieve.figures.parts import (
    count_range,
    counted,
    faint_unless,
    gain_to_loss_colour,
    interval,
    panel,
    sentence,
    titled,
    tooltip,
)
from blocksieve.figures.theme import CELL_BORDER, INK
from blocksieve.units import Scale, drop_title

TITLE = "Importance: what removing each block alone costs on each dataset"
# Pixels; beyond so many blocks, cells are too small for numbers.
CELL, SMALL_CELL, MAX_NUMBERED = 34, 15, 32


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `importance_heatmap`, in % of the baseline or pp."""
    if table.is_empty():
        note = sentence("Importance", "No single block was removed.")
        return titled(alt.hconcat(note), TITLE, [])
    num_significant = int(table["significant"].sum())
    num_cells = counted(len(table), "cell")
    subtitle = (
        f"{count_range(table['n'])} {table['role'][0]} samples per dataset;"
        f" {num_significant} of {num_cells} are shown to differ from 0, the others are pale"
    )
    heatmap = _heatmap(table, scale)
    return titled(alt.hconcat(heatmap), TITLE, [subtitle])


def _heatmap(table: pl.DataFrame, scale: Scale) -> ChartType:
    mark = (
        pl.when(~pl.col("significant"))
        .then(pl.lit(""))
        .when(pl.col("drop") > 0)
        .then(pl.lit("*"))
        .otherwise(pl.lit("+"))
    )
    text = pl.col("drop").map_elements(_short, pl.String)
    rows = table.with_columns(text=text, mark=mark, interval=interval())
    sites = sorted(table["site"].unique(), key=Site.parse)
    datasets = table["dataset"].unique(maintain_order=True).to_list()
    x = alt.X("site:N", title="removed alone")
    x = x.scale(domain=sites).axis(labelAngle=0, grid=False)
    y = alt.Y("dataset:N", title=None)
    y = y.scale(domain=datasets).axis(grid=False)

    shade = gain_to_loss_colour("drop", drop_title(scale), table["drop"])
    said = {
        "site": "removed",
        "dataset": "dataset",
        "drop": "drop",
        "interval": "95 % interval",
        "n": "samples",
        "q": "false discovery rate",
    }
    # Numbers lie over their cells, and say the same.
    base = alt.Chart(rows).encode(x=x, y=y, tooltip=tooltip(rows, said))
    with_numbers = len(sites) <= MAX_NUMBERED
    rects = base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5)
    layers = [
        rects.encode(
            color=shade,
            fillOpacity=faint_unless("significant"),
        )
    ]
    if with_numbers:
        layers.append(base.mark_text(fontSize=9, color=INK, dy=4).encode(text="text:N"))
    marks = base.mark_text(fontSize=16, fontWeight="bold", color=INK, dy=-5 if with_numbers else 3)
    layers.append(marks.encode(text="mark:N"))
    return panel(
        layers,
        "Drop on every dataset: * loss, + gain, at a 5 % false discovery rate",
        width=alt.Step(CELL if with_numbers else SMALL_CELL),
        height=alt.Step(CELL - 6),
    )


def _short(drop: float) -> str:
    """Return a drop in four characters at most."""
    text = f"{drop:.1f}" if abs(drop) < 10 else f"{drop:.0f}"
    return "0" if text in ("0.0", "-0.0") else text
