"""Draw what early, middle and late blocks cost, alone and together."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    LINEAR,
    LOGARITHMIC,
    TICKS,
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
    names_axis,
    panel,
    sentence,
    shape_by,
    symlog_drop_axis,
    titled,
)
from blocksieve.figures.theme import SUBDUED
from blocksieve.units import Scale, drop_title

TITLE = "Position: what early, middle and late blocks cost"
POSITIONS = ("early", "middle", "late")
BLOCK_WIDTH, STRIP_WIDTH, STRIP_HEIGHT = 17, 1130, 300


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `block_position_analysis`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination was evaluated on every dataset, so positions cannot be compared."
        return figure([sentence("Positions", text)], TITLE, [])
    rows: list[ChartType] = []
    singles = table.filter(pl.col("level") == "combination", pl.col("size") == 1)
    if not singles.is_empty():
        rows.append(_strip(singles, scale))
    panels = _position_panels(table.filter(pl.col("level") == "position"), scale)
    if panels:
        rows.append(grid(panels, columns=3))
    datasets = counted(len(table["datasets"][0]), "dataset")
    subtitle = (
        f"mean over {datasets}; combinations that every dataset has; n counts combinations;"
        " mixed: of several thirds"
    )
    return titled(alt.vconcat(*rows, spacing=34), TITLE, [subtitle])


def _position_panels(positions: pl.DataFrame, scale: Scale) -> list[ChartType]:
    """Draw the mean and the distribution of every size and position, single blocks apart."""
    count = pl.format("n = {}", "combinations")
    rows = positions.with_columns(value="mean", about=count)
    x = drop_axis(scale, "mean")
    panels: list[ChartType] = []

    alone = rows.filter(pl.col("size") == 1)
    if not alone.is_empty():
        alone = alone.with_columns(name=pl.format("{} ({})", "position", "blocks"))
        y = names_axis("name", alone["name"].to_list())
        title = "Single blocks: mean, 95 % interval"
        panels.append(estimates(alone, x, y, title, "about"))

    together = rows.filter(pl.col("size") > 1)
    if not together.is_empty():
        name = pl.format("{} removed, {}", "size", "position")
        together = together.with_columns(name=name)
        y = names_axis("name", together["name"].to_list())
        title = "Combinations by size and position: mean, 95 % interval"
        panels.append(estimates(together, x, y, title, "about"))
        title = "Combinations by size and position: distribution"
        panels.append(boxes(together, symlog_drop_axis(scale), y, title, "about"))
    return panels


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
    by_dataset = alt.Chart(singles.select("combination", "drops").explode("drops"))
    circles = by_dataset.mark_point(
        size=16,
        opacity=0.7,
        color=SUBDUED,
        strokeWidth=1,
    )
    means = singles.drop("drops", "datasets")
    bars = alt.Chart(means.drop_nulls(["low", "high"])).mark_rule(strokeWidth=2.5)
    dots = alt.Chart(means).mark_point(filled=True, size=52, opacity=1)
    layers = [
        circles.encode(x=x, y=for_column(y, "drops")),
        bars.encode(
            x=x,
            y=for_column(y, "low"),
            y2="high:Q",
            color=colour,
        ),
        dots.encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
        ),
    ]
    title = "Every block alone: mean with 95 % interval; small circles: single datasets"
    width = max(STRIP_WIDTH, BLOCK_WIDTH * len(blocks))
    return panel(layers, title, width, STRIP_HEIGHT)
