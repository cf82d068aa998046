"""Draw what the halves of blocks cost alone: by block, and by depth and task type."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.combination import HALF_NAMES
from blocksieve.compared_halves import BOTH, DIFFERENCE, EVERYWHERE
from blocksieve.figures.parts import (
    LINEAR,
    LOGARITHMIC,
    TICKS,
    WIDE,
    ZERO_LINE,
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
    titled,
    tooltip,
)
from blocksieve.units import Scale, drop_title

TITLE = "Halves of blocks: token mixers (attention) against channel mixers (MLP)"
KINDS = (*HALF_NAMES.values(), BOTH)
BLOCK_WIDTH, HEIGHT = 26, 280
MARGIN = 1.1
"""How far the axis goes beyond the data."""


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `halves`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No half of a block was removed alone on every dataset."
        return figure([sentence("Halves", text)], TITLE, [])
    blocks = table.filter(pl.col("level") == "block", pl.col("what").is_in(KINDS))
    differences = table.filter(level="group", what=DIFFERENCE)
    panels: list[ChartType] = [_by_block(blocks, scale)]
    if not differences.is_empty():
        panels.append(_by_group(differences, scale))
    datasets = counted(table["datasets"][0], "dataset")
    subtitle = f"each removed alone; mean over {datasets}, on {table['role'][0]} samples"
    return titled(grid(panels, columns=1), TITLE, [subtitle])


def _by_block(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw what each half costs, and both together where that was measured."""
    rows = rows.with_columns(interval=interval())
    blocks = sorted(rows["block"].unique())
    x = alt.X("block:O", title="block").scale(domain=blocks).axis(grid=False, labelAngle=0)
    offset = alt.XOffset("what:N").scale(domain=list(KINDS))
    low, high = extent(rows["mean"], rows["low"], rows["high"])
    domain = [MARGIN * min(low, 0), MARGIN * max(high, 1)]
    symlog = alt.Scale(type="symlog", constant=LINEAR, domain=domain, nice=False)
    y = alt.Y("mean:Q", title=f"{drop_title(scale, 'mean')}, {LOGARITHMIC}", scale=symlog)
    y = y.axis(values=TICKS, gridColor=ZERO_LINE)
    colour = colour_by("what", KINDS, "removed alone")
    said = {"block": "block", "what": "removed", "mean": "mean drop", "interval": "95 % interval"}
    tips = tooltip(rows, said)
    bars = alt.Chart(rows.drop_nulls(["low", "high"])).mark_rule(strokeWidth=2)
    dots = alt.Chart(rows).mark_point(filled=True, size=45, opacity=1)
    layers = [
        bars.encode(
            x=x,
            xOffset=offset,
            y=for_column(y, "low"),
            y2="high:Q",
            color=colour,
            tooltip=tips,
        ),
        dots.encode(
            x=x,
            xOffset=offset,
            y=y,
            color=colour,
            shape=shape_by("what", KINDS, "removed alone"),
            tooltip=tips,
        ),
    ]
    width = max(WIDE, BLOCK_WIDTH * len(blocks))
    return panel(layers, "Every half alone: mean with 95 % interval", width, HEIGHT)


def _by_group(differences: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw how much more token mixers cost than channel mixers, by position and task type."""
    group = pl.col("group").replace(EVERYWHERE, "all datasets")
    rows = differences.with_columns(
        value="mean",
        name=pl.format("{}, {} blocks", group, "position"),
        about=pl.when("shown").then(pl.lit("shown")).otherwise(pl.lit("")),
    )
    rows = rows.sort(pl.col("group") != EVERYWHERE, "group", maintain_order=True)
    y = names_axis("name", rows["name"].to_list())
    title = "Token mixers minus channel mixers, mean over blocks: above 0 token mixers cost more"
    by_group = estimates(rows, drop_axis(scale, "difference of mean"), y, title, "about")
    by_group.width = WIDE
    return by_group
