"""Draw what early, middle and late blocks cost, alone and together."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    LINEAR,
    LOGARITHMIC,
    TICKS,
    WIDE,
    ZERO_LINE,
    boxes,
    colour_by,
    counted,
    drop_axis,
    estimates,
    extent,
    figure,
    for_column,
    grid,
    interval,
    names_axis,
    panel,
    sentence,
    shape_by,
    symlog_drop_axis,
    titled,
    tooltip,
)
from blocksieve.figures.theme import SUBDUED
from blocksieve.units import Scale, drop_title

TITLE = "Position: what early, middle and late blocks cost"
POSITIONS = ("early", "middle", "late")
BLOCK_WIDTH, STRIP_HEIGHT = 17, 300
# Combinations that a position needs.
FEWEST = 3


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `block_position_analysis`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination was evaluated on every dataset, so positions cannot be compared."
        return figure([sentence("Positions", text)], TITLE, [])
    panels: list[ChartType] = []
    singles = table.filter(pl.col("level") == "combination", pl.col("size") == 1)
    if not singles.is_empty():
        panels.append(_strip(singles, scale))
    positions = table.filter(pl.col("level") == "position")
    many = positions.filter(pl.col("combinations") >= FEWEST)
    if not many.is_empty():
        panels += _position_panels(many, scale)
    datasets = counted(len(table["datasets"][0]), "dataset")
    subtitle = f"mean over {datasets}; combinations that every dataset has"
    below = (
        "below: n counts combinations; mixed: of several thirds;"
        f" {len(positions) - len(many)} of {len(positions)} groups have fewer than {FEWEST}"
    )
    return titled(grid(panels, columns=1), TITLE, [subtitle, below])


def _position_panels(positions: pl.DataFrame, scale: Scale) -> list[ChartType]:
    """Draw the mean and the distribution of every size and position."""
    # Only of single blocks is it known which ones they are.
    blocks = pl.when(pl.col("size") == 1).then(pl.format(" ({})", "blocks")).otherwise(pl.lit(""))
    rows = positions.with_columns(
        value="mean",
        about=pl.format("n = {}", "combinations"),
        name=pl.format("{} removed, {}{}", "size", "position", blocks),
    ).drop("datasets")
    y = names_axis("name", rows["name"].to_list())
    x = drop_axis(scale, "mean")
    means = estimates(
        rows.drop("drops"), x, y, "By size and position: mean, 95 % interval", "about"
    )
    title = "By size and position: least, middle half, median, greatest"
    distributions = boxes(rows, symlog_drop_axis(scale), y, title, "about")
    for panel_of_positions in (means, distributions):
        panel_of_positions.width = WIDE
    return [means, distributions]


def _strip(singles: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw every block alone along the decoder: its mean, and each dataset."""
    blocks = singles["combination"].to_list()
    x = alt.X("combination:N", title="removed block")
    x = x.scale(domain=blocks).axis(grid=False, labelAngle=0)

    low, high = extent(singles["low"], singles["high"], singles["drops"].explode())
    domain = [low - 0.5 - abs(low) / 5, high + 0.5 + abs(high) / 5]
    symlog = alt.Scale(type="symlog", constant=LINEAR, domain=domain)
    y = alt.Y("mean:Q", title=f"{drop_title(scale)}, {LOGARITHMIC}", scale=symlog)
    y = y.axis(values=TICKS, gridColor=ZERO_LINE)

    colour = colour_by("position", POSITIONS, "position")
    shape = shape_by("position", POSITIONS, "position")
    drops = singles.select("combination", dataset="datasets", drop="drops")
    drops = drops.explode("dataset", "drop")
    circles = alt.Chart(drops).mark_point(
        size=16,
        opacity=0.7,
        color=SUBDUED,
        strokeWidth=1,
    )
    means = singles.drop("drops", "datasets").with_columns(interval=interval())
    bars = alt.Chart(means.drop_nulls(["low", "high"])).mark_rule(strokeWidth=2)
    dots = alt.Chart(means).mark_point(
        filled=True,
        size=90,
        opacity=1,
        stroke="white",
        strokeWidth=1,
    )
    each = {"combination": "block", "dataset": "dataset", "drop": "drop"}
    said = {"combination": "block", "mean": "mean drop", "interval": "95 % interval"}
    tip = tooltip(means, said)
    layers = [
        circles.encode(x=x, y=for_column(y, "drop"), tooltip=tooltip(drops, each)),
        bars.encode(
            x=x,
            y=for_column(y, "low"),
            y2="high:Q",
            color=colour,
            tooltip=tip,
        ),
        dots.encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=tip,
        ),
    ]
    title = "Every block alone: mean with 95 % interval; small circles: single datasets"
    width = max(WIDE, BLOCK_WIDTH * len(blocks))
    return panel(layers, title, width, STRIP_HEIGHT)
