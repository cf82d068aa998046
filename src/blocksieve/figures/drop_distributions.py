"""Draw how the measured drops are distributed."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    WIDTH,
    bars,
    boxes,
    counted,
    drop_axis,
    figure,
    histogram,
    panel_title,
    rows_axis,
    sentence,
    wide_axis,
)

TITLE = "Drops: all that were measured, one a dataset and combination"
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3]]


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `drop_distributions`, in % of the baseline or pp."""
    if table.is_empty():
        return figure([sentence("Drops", "No combination was evaluated.")], TITLE, [])
    rows = table.with_columns(
        name=_size_name(), about=pl.format("n = {}", "drops_measured"), percent=100 * pl.col("negative")
    )
    everything = table["drops"].explode()
    y = rows_axis("name", rows["name"].to_list())
    axis = drop_axis(scale)
    total, gains = len(everything), (everything < 0).sum() / len(everything)
    panels = [
        histogram(everything, axis, "drops measured", "Overall"),
        boxes(rows, wide_axis(scale), y, "By number of removed blocks: least, middle half, median, greatest", "about"),
        _cumulative(rows, scale),
        bars(rows, "percent", "share of drops below 0 (%)", y, "Gains, real or by chance", ".1f"),
    ]
    subtitle = [f"{counted(total, 'drop')}, {gains:.1%} of them below 0; larger sizes hold what the search looked for"]
    return figure(panels, TITLE, subtitle)


def _size_name() -> pl.Expr:
    return pl.format("{} removed", "size")


def _cumulative(rows: pl.DataFrame, scale: Scale) -> Any:
    shares = np.linspace(0, 100, 101)
    lines = pl.concat(
        pl.DataFrame({"value": np.percentile(row["drops"], shares), "share": shares, "name": row["name"]})
        for row in rows.to_dicts()
    )
    names = rows["name"].to_list()
    dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
    chart = alt.Chart(lines).mark_line(strokeWidth=1.6, interpolate="step-after")
    return chart.encode(
        x=wide_axis(scale),
        y=alt.Y("share:Q", title="drops at most so large (%)"),
        color=alt.Color("name:N", title="blocks", sort=names, scale=alt.Scale(domain=names, scheme="viridis")),
        strokeDash=alt.StrokeDash("name:N", title="blocks", sort=names, scale=alt.Scale(domain=names, range=dashes)),
        order="share:Q",
    ).properties(title=panel_title("Cumulative"), width=WIDTH, height=220)
