"""Draw how the measured drops are distributed."""

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    WIDE,
    boxes,
    counted,
    figure,
    names_axis,
    panel_title,
    sentence,
    stacked,
    symlog_drop_axis,
)
from blocksieve.units import PERCENT, Scale

TITLE = "Drops: all that were measured, one per dataset and combination"
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3]]


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `drop_distributions`, in % of the baseline or pp."""
    if table.is_empty():
        return figure([sentence("Drops", "No combination was evaluated.")], TITLE, [])
    percent_negative = (PERCENT * pl.col("negative")).round(1)
    rows = table.with_columns(
        name=pl.format("{} removed", "size"),
        about=pl.format("n = {}, {} % below 0", "drops_measured", percent_negative),
    )
    drops = table["drops"].explode()
    names = rows["name"].to_list()
    panels = [
        _cumulative_lines(rows, scale),
        boxes(
            rows,
            symlog_drop_axis(scale),
            names_axis("name", names),
            "Least, middle half, median, greatest",
            "about",
        ),
    ]
    gains = (drops < 0).sum() / len(drops)
    subtitle = (
        f"{counted(len(drops), 'drop')}, {PERCENT * gains:.1f} % of them below 0"
        " (gains, real or by chance); larger sizes hold what the search looked for"
    )
    return stacked(panels, TITLE, [subtitle])


def _cumulative_lines(rows: pl.DataFrame, scale: Scale) -> ChartType:
    x, names = symlog_drop_axis(scale), rows["name"].to_list()
    chart: ChartType = (
        alt.Chart(_cumulative(rows))
        .mark_line(strokeWidth=1.6, interpolate="step-after")
        .encode(
            x=x,
            y=alt.Y("share:Q", title="drops at most this large (%)"),
            color=_size_colour(names),
            strokeDash=_size_dash(names),
            order="share:Q",
        )
        .properties(
            title=panel_title("How many drops are at most this large, by number of removed blocks"),
            width=WIDE,
            height=260,
        )
    )
    return chart


def _cumulative(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the drop that each share of a size's drops does not exceed: name, value, share."""
    shares = np.linspace(0, PERCENT, 101)
    tables = []
    for name, drops in rows.select("name", "drops").iter_rows():
        values = np.percentile(drops, shares, method="inverted_cdf")
        table = pl.DataFrame({"name": name, "value": values, "share": shares})
        tables.append(table)
    return pl.concat(tables)


def _size_colour(names: list[str]) -> alt.Color:
    colour = alt.Color("name:N", title="blocks", sort=names)
    return colour.scale(domain=names, scheme="viridis")


def _size_dash(names: list[str]) -> alt.StrokeDash:
    dashes = []
    for number in range(len(names)):
        dashes.append(DASHES[number % len(DASHES)])
    dash = alt.StrokeDash("name:N", title="blocks", sort=names)
    return dash.scale(domain=names, range=dashes)
