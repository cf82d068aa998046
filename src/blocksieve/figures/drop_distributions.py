"""Draw how the measured drops are distributed."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    LINEAR,
    WIDTH,
    bin_edges,
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
        name=pl.format("{} removed", "size"),
        about=pl.format(
            "n = {}, {} % below 0", "drops_measured", (100 * pl.col("negative")).round(1)
        ),
    )
    everything = table["drops"].explode()
    y = rows_axis("name", rows["name"].to_list())
    axis = drop_axis(scale)
    total, gains = len(everything), (everything < 0).sum() / len(everything)
    panels = [
        histogram(everything, axis, "drops measured", "Overall"),
        _lines(
            _frequencies(rows),
            rows,
            "share of the size's drops (%)",
            "By number of removed blocks",
            scale,
        ),
        _lines(_cumulative(rows), rows, "drops at most so large (%)", "Cumulative", scale),
        boxes(rows, wide_axis(scale), y, "Least, middle half, median, greatest", "about"),
    ]
    subtitle = [
        f"{counted(total, 'drop')}, {100 * gains:.1f} % of them below 0 (gains, real or by chance);"
        " larger sizes hold what the search looked for"
    ]
    return figure(panels, TITLE, subtitle)


def _frequencies(rows: pl.DataFrame) -> pl.DataFrame:
    """How many of each size's drops lie in bins that are equally wide on the axis: rows name, value (middle), share."""
    drawn = {
        row["name"]: np.sign(row["drops"]) * np.log1p(np.abs(row["drops"]) / LINEAR)
        for row in rows.to_dicts()
    }
    edges = bin_edges(np.concatenate(list(drawn.values())))
    middles = (edges[1:] + edges[:-1]) / 2
    values = np.sign(middles) * LINEAR * np.expm1(np.abs(middles))
    return pl.concat(
        pl.DataFrame(
            {
                "name": name,
                "value": values,
                "share": 100 * np.histogram(found, edges)[0] / len(found),
            }
        )
        for name, found in drawn.items()
    )


def _cumulative(rows: pl.DataFrame) -> pl.DataFrame:
    """The drop that each share of a size's drops does not exceed: rows name, value, share."""
    shares = np.linspace(0, 100, 101)
    return pl.concat(
        pl.DataFrame(
            {
                "name": row["name"],
                "value": np.percentile(row["drops"], shares, method="inverted_cdf"),
                "share": shares,
            }
        )
        for row in rows.to_dicts()
    )


def _lines(points: pl.DataFrame, rows: pl.DataFrame, y: str, title: str, scale: Scale) -> Any:
    """A panel of a stepped line a size."""
    names = rows["name"].to_list()
    dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
    rising = title == "Cumulative"
    chart = alt.Chart(points).mark_line(
        strokeWidth=1.6, interpolate="step-after" if rising else "step"
    )
    return chart.encode(
        x=wide_axis(scale),
        y=alt.Y("share:Q", title=y),
        color=alt.Color(
            "name:N", title="blocks", sort=names, scale=alt.Scale(domain=names, scheme="viridis")
        ),
        strokeDash=alt.StrokeDash(
            "name:N", title="blocks", sort=names, scale=alt.Scale(domain=names, range=dashes)
        ),
        order="share:Q" if rising else "value:Q",
    ).properties(title=panel_title(title), width=WIDTH, height=200)
