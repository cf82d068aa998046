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
    names_axis,
    panel,
    sentence,
    titled,
)
from blocksieve.figures.theme import INK
from blocksieve.units import Scale, drop_title

TITLE = "Pairs of datasets: how alike they respond"
CELL, TOP = 40, 5
KINDS = {True: "within a task type", False: "across task types"}
# Light enough for dark numbers.
CORRELATION_SHADES = ["#f2b48a", "#ffffff", "#8fc1de"]
LIGHT_ORANGES = alt.Scale(
    scheme=alt.SchemeParams(name="oranges", extent=[0.0, 0.5]),
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
    upper = grid([_within_across(pairs), _task_type_pairs(table, scale)])
    matrices = grid([_matrix(pairs, "spearman"), _matrix(pairs, "pearson")])
    ascending = pairs.sort("spearman", "dataset_a")
    extremes = grid([_extremes(ascending.reverse(), "most"), _extremes(ascending, "least")])
    subtitle = (
        f"{counted(len(pairs), 'pair')} of datasets,"
        f" {count_range(pairs['blocks'], 'd')} blocks each, removed alone; intervals over blocks"
    )
    return titled(alt.vconcat(upper, matrices, extremes, spacing=34), TITLE, [subtitle])


def _within_across(pairs: pl.DataFrame) -> ChartType:
    """Draw the correlation of every pair, those within a task type apart from the others."""
    kinds = pl.col("same_task_type").replace_strict(KINDS, return_dtype=pl.String)
    rows = pairs.with_columns(kind=kinds)
    means = rows.group_by("kind", maintain_order=True).agg(
        number=pl.len(),
        mean=pl.mean("spearman"),
    )
    means = means.with_columns(row=pl.format("{} (n = {})", "kind", "number"))
    points = rows.join(means, on="kind").select("row", "spearman")

    title = "Spearman's correlation of drops"
    x = alt.X("spearman:Q", title=title)
    x = x.scale(domain=[-1, 1])
    mean_x = alt.X("mean:Q", title=title)
    names = means.sort("kind", descending=True)["row"].to_list()
    y = names_axis("row", names)
    dots = alt.Chart(points).mark_point(size=34, opacity=0.7)
    ticks = alt.Chart(means).mark_tick(color=INK, thickness=2, height=18)
    layers = [dots.encode(x=x, y=y), ticks.encode(x=mean_x, y=y)]
    heading = "Same or different task type; bar: mean"
    return panel(layers, heading, height=alt.Step(34))


def _task_type_pairs(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the mean absolute difference of drops by pair of task types."""
    pairs = table.drop_nulls("mean_difference").with_columns(
        first=pl.min_horizontal("task_type_a", "task_type_b"),
        second=pl.max_horizontal("task_type_a", "task_type_b"),
    )
    cells = pairs.group_by("first", "second").agg(
        difference=pl.mean("mean_difference"), number=pl.len()
    )
    rounded = pl.col("difference").round(1)
    cells = cells.with_columns(text=pl.format("{} (n = {})", rounded, "number"))
    cells = cells.sort("first", "second")

    types = sorted({*cells["first"], *cells["second"]})
    x = alt.X("second:N", title=None)
    x = x.scale(domain=types).axis(labelAngle=-30)
    y = alt.Y("first:N", title=None)
    y = y.scale(domain=types)
    legend_title = ["mean absolute", "difference of", drop_title(scale)]
    shade = alt.Color("difference:Q", title=legend_title, scale=LIGHT_ORANGES)
    base = alt.Chart(cells).encode(x=x, y=y)
    layers = [
        base.mark_rect(stroke="white").encode(color=shade),
        base.mark_text(fontSize=9, color=INK).encode(text="text:N"),
    ]
    title = "Mean absolute difference by pair of task types; n pairs of datasets"
    return panel(layers, title, alt.Step(72), alt.Step(26))


def _matrix(pairs: pl.DataFrame, kind: str) -> ChartType:
    """Draw the correlation of every pair as a cell, on both sides of the diagonal.

    Below it stands the number of blocks; below Pearson's the block that dominates it, if one does.
    """
    below = "blocks" if kind == "spearman" else "dominant_block"
    both_columns = pl.concat([pairs["dataset_a"], pairs["dataset_b"]])
    datasets = both_columns.unique(maintain_order=True).to_list()
    mirrored = pairs.rename({"dataset_a": "dataset_b", "dataset_b": "dataset_a"})
    both_sides = pl.concat([pairs, mirrored], how="diagonal")
    cells = both_sides.select("dataset_a", "dataset_b", below, value=kind)

    x = alt.X("dataset_b:N", title=None)
    x = x.scale(domain=datasets).axis(labelAngle=-40)
    y = alt.Y("dataset_a:N", title=None)
    y = y.scale(domain=datasets)
    shades = alt.Scale(domain=[-1, 0, 1], range=CORRELATION_SHADES, interpolate="rgb")
    shade = alt.Color("value:Q", title="correlation", scale=shades)
    base = alt.Chart(cells.sort("dataset_a", "dataset_b")).encode(x=x, y=y)
    correlations = base.mark_text(fontSize=10, dy=-5, color=INK)
    counts = base.mark_text(fontSize=7.5, dy=8, color=INK)
    layers = [
        base.mark_rect(stroke="white").encode(color=shade),
        correlations.encode(text=alt.Text("value:Q", format=".2f")),
        counts.encode(text=f"{below}:Q"),
    ]
    said_below = "the number of blocks" if kind == "spearman" else "the block that dominates it"
    title = f"{kind.capitalize()}'s correlation; below it {said_below}"
    return panel(layers, title, alt.Step(CELL), alt.Step(CELL - 10))


def _extremes(pairs: pl.DataFrame, which: str) -> ChartType:
    """Draw the first pairs of an order, with their intervals."""
    rows = pairs.head(TOP).with_columns(
        value="spearman",
        low="spearman_low",
        high="spearman_high",
        pair=pl.format("{} / {}", "dataset_a", "dataset_b"),
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
