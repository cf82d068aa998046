"""Draw what removing each block alone costs on each dataset."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import UNITS, counted, ends, panel_title, sentence, titled
from blocksieve.figures.theme import INK

TITLE = "Importance: what removing each block alone costs on each dataset"
CELL, SMALL_CELL = 34, 15
NUMBERS_UP_TO = 32
LIGHT = ["#8fc1de", "#ffffff", "#ee9a62"]


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `importance_heatmap`, in % of the baseline or pp."""
    if table.is_empty():
        return titled(
            alt.hconcat(sentence("Importance", "No single block was removed.")), TITLE, []
        )
    blocks = table["block"].unique().sort().to_list()
    datasets = table["dataset"].unique(maintain_order=True).to_list()
    with_numbers = len(blocks) <= NUMBERS_UP_TO
    rows = table.with_columns(
        text=pl.col("drop").map_elements(_short, pl.String),
        mark=pl.when(~pl.col("significant"))
        .then(pl.lit(""))
        .when(pl.col("drop") > 0)
        .then(pl.lit("*"))
        .otherwise(pl.lit("+")),
    )
    # Colour saturates where nine tenths of the drops lie, so that one vital block does not bleach all others.
    bound = max(float(np.quantile(table["drop"].abs().to_numpy(), 0.9)), 1.0)
    x = alt.X("block:O", title="block", scale=alt.Scale(domain=blocks)).axis(
        labelAngle=0, grid=False
    )
    y = alt.Y("dataset:N", title=None, scale=alt.Scale(domain=datasets)).axis(grid=False)
    shades = alt.Scale(domain=[-bound, 0, bound], range=LIGHT, interpolate="rgb", clamp=True)
    shade = alt.Color("drop:Q", title=[UNITS[scale], "(darkest beyond the ends)"], scale=shades)
    base = alt.Chart(rows).encode(x=x, y=y)
    layers = [base.mark_rect(stroke="#cccccc", strokeWidth=0.5).encode(color=shade)]
    if with_numbers:
        layers.append(base.mark_text(fontSize=9, color=INK, dy=2).encode(text="text:N"))
    layers.append(
        base.mark_text(fontSize=12, color=INK, dy=-7 if with_numbers else 3).encode(text="mark:N")
    )
    significant = int(table["significant"].sum())
    chart = alt.layer(
        *layers,
        title=panel_title(
            "Drop of every block on every dataset: * loss, + gain, at a 5 % false discovery rate"
        ),
        width=alt.Step(CELL if with_numbers else SMALL_CELL),
        height=alt.Step(CELL - 6),
    )
    smallest, largest = map(round, ends(table["n"]))
    samples = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
    subtitle = [
        f"{samples} samples a dataset; {significant} of {counted(len(table), 'cell')} differ from 0"
    ]
    return titled(alt.hconcat(chart), TITLE, subtitle)


def _short(value: float) -> str:
    """At most four signs."""
    text = f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"
    return "0" if text in ("0.0", "-0.0") else text
