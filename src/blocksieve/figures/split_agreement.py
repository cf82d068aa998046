"""Draw whether the train and the validation split of a dataset agree on which blocks matter."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    LOGARITHMIC,
    ZERO_LINE,
    counted,
    diagonal,
    estimates,
    extent,
    grid,
    names_axis,
    panel,
    sentence,
    symlog_between,
    titled,
    tooltip,
)
from blocksieve.figures.theme import DASHED, FULL, SUBDUED
from blocksieve.units import UNITS, Scale, drop_title
from blocksieve.verdicts import AGREEMENT

TITLE = "Splits: do train and validation samples agree on which blocks matter?"
SIDE, COLUMNS = 150, 4
FEW_TICKS = [-50, -10, -2, 0, 2, 10, 50]


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `split_agreement`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No dataset has samples of two source splits here, so their agreement is not known."
        return titled(alt.vconcat(sentence("Agreement", text)), TITLE, [])
    rows = table.with_columns(pair=_pair_names())
    ends = extent(rows["drop_a"], rows["drop_b"])
    scatters = []
    for (pair,), pair_rows in rows.group_by("pair", maintain_order=True):
        scatters.append(_scatter(pair_rows, str(pair), scale, ends))
    subtitle = (
        f"importance: {drop_title(scale)} of removing a block alone;"
        " n counts samples of either split; no interval for 1"
    )
    axes = (
        "below: a circle per drop on both splits, the larger the more blocks have it;"
        f" {LOGARITHMIC}; dashed: both agree"
    )
    correlations = _correlations(rows)
    columns = min(COLUMNS, len(scatters))
    correlations.width = columns * (SIDE + 44) - 90
    panels = grid([correlations, grid(scatters, COLUMNS)], columns=1)
    return titled(panels, TITLE, [subtitle, axes])


def _pair_names() -> pl.Expr:
    """Return what a dataset's pair of splits is called; the dataset where all pairs are alike."""
    with_splits = pl.format("{} ({}/{})", "dataset", "split_a", "split_b")
    num_pairs = pl.struct("split_a", "split_b").n_unique()
    return pl.when(num_pairs == 1).then("dataset").otherwise(with_splits)


def _correlations(rows: pl.DataFrame) -> ChartType:
    pairs = rows.unique("pair", maintain_order=True).with_columns(
        value="spearman",
        low="spearman_low",
        high="spearman_high",
        about=pl.format("n = {} and {}", "samples_a", "samples_b"),
    )
    x = (
        alt.X("value:Q")
        .title("Spearman's correlation over blocks, 95 % interval")
        .scale(domain=[-1, 1])
    )
    y = names_axis("pair", pairs["pair"].to_list())
    title = "Agreement of the two orders of blocks; dashed: 0.9"
    chart = estimates(pairs.drop_nulls("value"), x.axis(tickCount=5), y, title, "about")
    line = alt.Chart(pl.DataFrame({"value": [AGREEMENT]}))
    chart.layer.append(line.mark_rule(color=SUBDUED, strokeDash=DASHED).encode(x=x))
    return chart


def _scatter(rows: pl.DataFrame, pair: str, scale: Scale, ends: tuple[float, float]) -> ChartType:
    """Draw the drop of every block on one split against that on the other, on the same axes."""
    split_a, split_b = rows.select("split_a", "split_b").row(0)
    unit = UNITS[scale]
    x = symlog_between(alt.X("drop_a:Q", title=f"{split_a} (drop, {unit})"), ends)
    y = symlog_between(alt.Y("drop_b:Q", title=f"{split_b} (drop, {unit})"), ends)
    x = x.axis(values=FEW_TICKS, gridColor=ZERO_LINE)
    y = y.axis(values=FEW_TICKS, gridColor=ZERO_LINE)

    # Blocks that cost nothing lie all on one point.
    points = rows.group_by("drop_a", "drop_b", maintain_order=True).agg(
        pl.col("site").str.join(", ").alias("blocks"),
        number=pl.len(),
    )
    said = {"blocks": "blocks", "drop_a": split_a, "drop_b": split_b}
    size = alt.Size("number:Q", legend=None)
    size = size.scale(domain=[1, rows["site"].n_unique()], range=[30, 300])
    dots = alt.Chart(points).mark_point(color=FULL)
    largest_drop = pl.max_horizontal("drop_a", "drop_b")
    label = alt.Chart(points.top_k(1, by=largest_drop))
    label = label.encode(x=x, y=y, text="blocks:N")
    # A rim keeps the number apart from the line.
    rim = label.mark_text(
        align="right",
        dx=-6,
        fontSize=9,
        stroke="white",
        strokeWidth=4,
    )
    number = label.mark_text(align="right", dx=-6, fontSize=9)
    line = diagonal(x, y, ("drop_a", "drop_b"), ends)
    circles = dots.encode(x=x, y=y, size=size, tooltip=tooltip(points, said))
    layers = [line, circles, rim, number]
    title = f"{pair}: {counted(len(rows), 'block')}"
    return panel(layers, title, SIDE, SIDE)
