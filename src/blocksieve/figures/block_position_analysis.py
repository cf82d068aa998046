"""Draw what early, middle and late blocks cost, alone and together."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.analysis.block_position_analysis import POSITIONS
from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    LINEAR,
    LOGARITHMIC,
    TICKS,
    UNITS,
    ZERO_LINE,
    boxes,
    colour,
    counted,
    drop_axis,
    ends,
    estimates,
    figure,
    grid,
    panel_title,
    rows_axis,
    sentence,
    shape,
    titled,
    wide_axis,
)
from blocksieve.figures.theme import SUBDUED

TITLE = "Position: what early, middle and late blocks cost"
BLOCK_WIDTH, STRIP_WIDTH, STRIP_HEIGHT = 17, 1130, 300


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `block_position_analysis`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination was evaluated on every dataset, so positions cannot be compared."
        return figure([sentence("Positions", text)], TITLE, [])
    singles = table.filter(pl.col("level") == "combination", pl.col("size") == 1)
    groups = table.filter(pl.col("level") == "position").with_columns(
        value="mean",
        name=pl.format("{} removed, {}", "size", "position"),
        about=pl.format("n = {}", "combinations"),
    )
    alone = groups.filter(pl.col("size") == 1).with_columns(
        name=pl.format("{} ({})", "position", "blocks")
    )
    together = groups.filter(pl.col("size") > 1)
    panels = []
    if len(alone):
        y = rows_axis("name", alone["name"].to_list())
        panels.append(
            estimates(
                alone, drop_axis(scale, "mean"), y, "Single blocks: mean, 95 % interval", "about"
            )
        )
    if len(together):
        y = rows_axis("name", together["name"].to_list())
        heading = "Combinations by size and position: "
        panels.append(
            estimates(
                together, drop_axis(scale, "mean"), y, heading + "mean, 95 % interval", "about"
            )
        )
        panels.append(boxes(together, wide_axis(scale), y, heading + "distribution", "about"))
    datasets = counted(len(table["datasets"][0]), "dataset")
    subtitle = f"mean over {datasets}; combinations that every dataset has; n counts combinations; mixed: of several thirds"
    parts = ([_strip(singles, scale)] if len(singles) else []) + (
        [grid(panels, columns=3)] if panels else []
    )
    return titled(alt.vconcat(*parts, spacing=34), TITLE, [subtitle])


def _strip(singles: pl.DataFrame, scale: Scale) -> Any:
    blocks = singles["combination"].to_list()
    x = alt.X("combination:N", title="removed block", scale=alt.Scale(domain=blocks)).axis(
        grid=False, labelAngle=0
    )
    low, high = ends(singles["low"], singles["high"], singles["drops"].explode())
    symlog = alt.Scale(
        type="symlog",
        constant=LINEAR,
        domain=[low - 0.5 - abs(low) / 5, high + 0.5 + abs(high) / 5],
    )
    title = f"{UNITS[scale]}, {LOGARITHMIC}"
    axis: dict[str, Any] = {"values": TICKS, "gridColor": ZERO_LINE}
    each = singles.select("combination", "drops").explode("drops")
    dots = alt.Chart(each).mark_point(size=16, opacity=0.7, color=SUBDUED, strokeWidth=1)
    means = singles.drop("drops", "datasets")
    looks = {
        "color": colour("position", POSITIONS[:3], "position"),
        "shape": shape("position", POSITIONS[:3], "position"),
    }
    bars = alt.Chart(means.drop_nulls(["low", "high"])).mark_rule(strokeWidth=2.5)
    y = alt.Y("low:Q", title=title, scale=symlog).axis(**axis)
    return alt.layer(
        dots.encode(x=x, y=alt.Y("drops:Q", title=title, scale=symlog).axis(**axis)),
        bars.encode(x=x, y=y, y2="high:Q", color=looks["color"]),
        alt.Chart(means)
        .mark_point(filled=True, size=52, opacity=1)
        .encode(x=x, y=alt.Y("mean:Q", title=title, scale=symlog).axis(**axis), **looks),
        title=panel_title(
            "Every block alone: mean with 95 % interval; small circles: single datasets"
        ),
        width=max(STRIP_WIDTH, BLOCK_WIDTH * len(blocks)),
        height=STRIP_HEIGHT,
    )
