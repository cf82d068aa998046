"""Draw how alike two datasets respond, for every pair of datasets."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    count_range,
    counted,
    estimates,
    figure,
    grid,
    interval,
    names_axis,
    panel,
    sentence,
    tooltip,
)
from blocksieve.figures.theme import CELL_BORDER, INK, SUBDUED
from blocksieve.statistics import ROUNDING
from blocksieve.units import Scale, drop_title

TITLE = "Pairs of datasets: how alike they respond"
CELL, TOP = 40, 5
# So many datasets have room for panels beside their matrix.
BESIDE = 10
SAME_ORDER = 1 - ROUNDING
SAID = {"pair": "", "spearman": "Spearman", "interval": "95 % interval", "blocks": "blocks"}
KINDS = {True: "within a task type", False: "across task types"}
# Light enough for dark numbers.
CORRELATION_SHADES = ["#f2b48a", "#ffffff", "#8fc1de"]
LIGHT_GREYS = alt.Scale(
    scheme=alt.SchemeParams(name="greys", extent=[0.0, 0.35]),
    zero=True,
)


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `dataset_pairwise_comparison`, in % of the baseline or pp."""
    pairs = table.drop_nulls("spearman")
    if pairs.is_empty():
        text = (
            "A correlation needs two datasets with three blocks or more that were removed alone on"
            " both, and whose drops differ; there are none."
        )
        return figure([sentence("Correlations", text)], TITLE, [])
    ascending = pairs.sort("spearman", "dataset_a")
    matrices = grid([_matrix(pairs), _task_type_pairs(table, scale)], columns=1)
    intervals = grid(
        [
            _within_across(pairs),
            _extremes(ascending.reverse(), "most"),
            _extremes(ascending, "least"),
        ],
        columns=1,
    )
    columns = 2 if len(_datasets(pairs)) <= BESIDE else 1
    subtitle = (
        f"{counted(len(pairs), 'pair')} of datasets,"
        f" {count_range(pairs['blocks'], 'd')} blocks each, removed alone; 95 % intervals over"
        " blocks"
    )
    return figure([matrices, intervals], TITLE, [subtitle], columns)


def _datasets(pairs: pl.DataFrame) -> list[str]:
    both_columns = pl.concat([pairs["dataset_a"], pairs["dataset_b"]])
    return both_columns.unique(maintain_order=True).to_list()


def _within_across(pairs: pl.DataFrame) -> ChartType:
    """Draw the correlation of every pair, those within a task type apart from the others."""
    kinds = pl.col("same_task_type").replace_strict(KINDS, return_dtype=pl.String)
    rows = pairs.with_columns(kind=kinds)
    means = rows.group_by("kind", maintain_order=True).agg(
        number=pl.len(),
        mean=pl.mean("spearman"),
    )
    means = means.with_columns(row=pl.format("{} (n = {})", "kind", "number"))
    points = rows.join(means, on="kind", maintain_order="left").select(
        "row",
        "spearman",
        "blocks",
        pair=_pair(),
        interval=interval("spearman_low", "spearman_high"),
    )

    title = "Spearman's correlation of drops"
    x = alt.X("spearman:Q", title=title)
    x = x.scale(domain=[-1, 1])
    mean_x = alt.X("mean:Q", title=title)
    names = means.sort("kind", descending=True)["row"].to_list()
    y = names_axis("row", names)
    dots = alt.Chart(points).mark_point(size=34, opacity=0.7)
    ticks = alt.Chart(means).mark_tick(color=INK, thickness=2, height=18)
    layers = [
        dots.encode(x=x, y=y, tooltip=tooltip(points, SAID)),
        ticks.encode(x=mean_x, y=y),
    ]
    heading = "Same or different task type; bar: mean"
    return panel(layers, heading, height=alt.Step(34))


def _task_type_pairs(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the mean absolute difference of drops by pair of task types."""
    pairs = table.drop_nulls("mean_difference").with_columns(
        first=pl.min_horizontal("task_type_a", "task_type_b"),
        second=pl.max_horizontal("task_type_a", "task_type_b"),
    )
    cells = pairs.group_by("first", "second").agg(
        difference=pl.mean("mean_difference"), noise=pl.mean("noise_difference"), number=pl.len()
    )
    rounded = pl.col("difference").round(1)
    by_noise = pl.col("noise").round(1)
    cells = cells.with_columns(text=pl.format("{} / {} (n = {})", rounded, by_noise, "number"))
    cells = cells.sort("first", "second")

    said = {
        "first": "",
        "second": "",
        "difference": "mean absolute difference",
        "noise": "by noise alone",
        "number": "pairs of datasets",
    }
    types = sorted({*cells["first"], *cells["second"]})
    x = alt.X("second:N", title=None)
    x = x.scale(domain=types).axis(labelAngle=-30)
    y = alt.Y("first:N", title=None)
    y = y.scale(domain=types)
    legend_title = f"difference of {drop_title(scale)}"
    shade = alt.Color("difference:Q", title=legend_title, scale=LIGHT_GREYS)
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=tooltip(cells, said))
    layers = [
        base.mark_rect(stroke="white").encode(color=shade),
        base.mark_text(fontSize=9, color=INK).encode(text="text:N"),
    ]
    title = "Mean absolute difference / what noise alone gives; n pairs of datasets"
    return panel(layers, title, alt.Step(80), alt.Step(26))


def _matrix(pairs: pl.DataFrame) -> ChartType:
    """Draw Spearman's correlation of every pair above the diagonal, and Pearson's below it.

    Cells are coloured where the interval leaves out 0. One vital block can make any Pearson's
    correlation near 1: such a one is left grey, over the block that dominates it.
    """
    datasets = _datasets(pairs)
    above = pairs.select(
        "dataset_a",
        "dataset_b",
        "blocks",
        kind=pl.lit("Spearman"),
        value="spearman",
        interval=interval("spearman_low", "spearman_high"),
        shown=(pl.col("spearman_low") > 0) | (pl.col("spearman_high") < 0),
        dominant=pl.lit(""),
    )
    below = pairs.select(
        "blocks",
        dataset_a="dataset_b",
        dataset_b="dataset_a",
        kind=pl.lit("Pearson"),
        value="pearson",
        interval=interval("pearson_low", "pearson_high"),
        shown=(pl.col("pearson_low") > 0) | (pl.col("pearson_high") < 0),
        dominant=pl.format("by {}", "dominant_site").fill_null(""),
    )
    cells = pl.concat([above, below], how="diagonal")
    # Without an interval the correlation is 1 or -1: the two orders are the same.
    is_shown = pl.col("shown").fill_null(pl.col("value").abs() > SAME_ORDER)
    cells = cells.with_columns(shown=is_shown & (pl.col("dominant") == ""))

    x = alt.X("dataset_b:N", title=None)
    x = x.scale(domain=datasets).axis(labelAngle=-40)
    y = alt.Y("dataset_a:N", title=None)
    y = y.scale(domain=datasets)
    shades = alt.Scale(domain=[-1, 0, 1], range=CORRELATION_SHADES, interpolate="rgb")
    shade = alt.Color("value:Q", title="correlation", scale=shades)
    base = alt.Chart(cells.sort("dataset_a", "dataset_b"))
    said = {
        "dataset_a": "",
        "dataset_b": "",
        "kind": "correlation of",
        "value": "correlation",
        "interval": "95 % interval",
        "blocks": "blocks",
        "dominant": "dominated",
    }
    base = base.encode(x=x, y=y, tooltip=tooltip(cells, said))
    rects = base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5)
    numbers = base.mark_text(fontSize=10, dy=-4)
    grey_unless_shown = alt.condition("datum.shown", alt.value(INK), alt.value(SUBDUED))
    layers = [
        rects.encode(
            color=shade,
            fillOpacity=alt.condition("datum.shown", alt.value(1), alt.value(0)),
        ),
        numbers.encode(text=alt.Text("value:Q", format=".2f"), color=grey_unless_shown),
        base.mark_text(fontSize=7.5, dy=8, color=SUBDUED).encode(text="dominant:N"),
    ]
    title = "Above: Spearman's correlation; below: Pearson's, grey where one block dominates"
    return panel(layers, title, alt.Step(CELL), alt.Step(CELL - 10))


def _pair() -> pl.Expr:
    return pl.format("{} / {}", "dataset_a", "dataset_b")


def _extremes(pairs: pl.DataFrame, which: str) -> ChartType:
    """Draw the first pairs of an order, with their intervals."""
    rows = pairs.head(TOP).with_columns(
        value="spearman",
        low="spearman_low",
        high="spearman_high",
        pair=_pair(),
        about=pl.format("n = {}", "blocks"),
    )
    x = (
        alt.X("value:Q")
        .title("Spearman's correlation, 95 % interval")
        .scale(domain=[-1, 1])
        .axis(tickCount=5)
    )
    y = names_axis("pair", rows["pair"].to_list())
    title = f"The {which} correlated pairs: {len(rows)} of {len(pairs)}"
    return estimates(rows, x, y, title, "about")
