"""Draw how alike two datasets respond, for every pair of datasets."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    UNITS,
    WIDTH,
    counted,
    ends,
    estimates,
    grid,
    panel_title,
    rows_axis,
    sentence,
    titled,
)
from blocksieve.figures.theme import INK

TITLE = "Pairs of datasets: how alike they respond"
CELL, TOP = 40, 5
KINDS = {True: "within a task type", False: "across task types"}


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `dataset_pairwise_comparison`, in % of the baseline or pp."""
    known = table.drop_nulls("pearson")
    if known.is_empty():
        text = (
            "A correlation needs two datasets with three combinations or more in common, whose drops differ; there are"
            " none."
        )
        return titled(grid([sentence("Correlations", text)]), TITLE, [])
    fewest, most = map(round, ends(known["combinations"]))
    subtitle = [
        f"{counted(len(known), 'pair')} of datasets, {fewest}{f' to {most}' if most > fewest else ''} combinations"
        " each; intervals over combinations"
    ]
    upper = grid([_within_across(known), _type_pairs(table, scale)])
    matrices = grid([_matrix(known, kind) for kind in ("pearson", "spearman")])
    extremes = [
        _ends(known.sort("pearson", "dataset_a").reverse(), "most"),
        _ends(known.sort("pearson", "dataset_a"), "least"),
    ]
    return titled(alt.vconcat(upper, matrices, grid(extremes), spacing=34), TITLE, subtitle)


def _within_across(known: pl.DataFrame) -> Any:
    groups = known.with_columns(
        kind=pl.col("same_task_type").replace_strict(KINDS, return_dtype=pl.String)
    )
    counts = groups.group_by("kind", maintain_order=True).agg(
        number=pl.len(), mean=pl.mean("pearson")
    )
    labels = counts.with_columns(row=pl.format("{} (n = {})", "kind", "number"))
    rows = groups.join(labels, on="kind")
    order = labels.sort("kind", descending=True)["row"].to_list()
    y = rows_axis("row", order)
    x = alt.X("pearson:Q", title="Pearson's correlation of drops", scale=alt.Scale(domain=[-1, 1]))
    dots = alt.Chart(rows.select("row", "pearson")).mark_point(size=34, opacity=0.7)
    means = alt.Chart(labels).mark_tick(color=INK, thickness=2, height=18)
    return alt.layer(
        dots.encode(x=x, y=y),
        means.encode(x=alt.X("mean:Q", title="Pearson's correlation of drops"), y=y),
        title=panel_title("Same or different task type; bar: mean"),
        width=WIDTH,
        height=alt.Step(34),
    )


def _type_pairs(table: pl.DataFrame, scale: Scale) -> Any:
    pairs = table.drop_nulls("mean_difference").with_columns(
        first=pl.min_horizontal("task_type_a", "task_type_b"),
        second=pl.max_horizontal("task_type_a", "task_type_b"),
    )
    cells = pairs.group_by("first", "second").agg(
        difference=pl.mean("mean_difference"), number=pl.len()
    )
    cells = cells.with_columns(
        text=pl.format("{} (n = {})", pl.col("difference").round(1), "number")
    )
    order = sorted({*cells["first"], *cells["second"]})
    x = alt.X("second:N", title=None, scale=alt.Scale(domain=order)).axis(labelAngle=-30)
    y = alt.Y("first:N", title=None, scale=alt.Scale(domain=order))
    shade = alt.Color(
        "difference:Q",
        title=["mean absolute", "difference of", UNITS[scale]],
        scale=_light("oranges"),
    )
    base = alt.Chart(cells.sort("first", "second")).encode(x=x, y=y)
    return alt.layer(
        base.mark_rect(stroke="white").encode(color=shade),
        base.mark_text(fontSize=9, color=INK).encode(text="text:N"),
        title=panel_title("Mean absolute difference by pair of task types; n pairs of datasets"),
        width=alt.Step(72),
        height=alt.Step(26),
    )


def _light(scheme: str) -> alt.Scale:
    """Colours light enough for dark numbers on them."""
    return alt.Scale(scheme=alt.SchemeParams(name=scheme, extent=[0.0, 0.5]), zero=True)  # type: ignore[arg-type]


def _matrix(known: pl.DataFrame, kind: str) -> Any:
    order = list(dict.fromkeys([*known["dataset_a"], *known["dataset_b"]]))
    mirrored = known.rename({"dataset_a": "dataset_b", "dataset_b": "dataset_a"})
    cells = pl.concat([known, mirrored], how="diagonal").select(
        "dataset_a", "dataset_b", "combinations", value=kind
    )
    x = alt.X("dataset_b:N", title=None, scale=alt.Scale(domain=order)).axis(labelAngle=-40)
    y = alt.Y("dataset_a:N", title=None, scale=alt.Scale(domain=order))
    shade = alt.Scale(domain=[-1, 0, 1], range=["#f2b48a", "#ffffff", "#8fc1de"], interpolate="rgb")
    base = alt.Chart(cells.sort("dataset_a", "dataset_b")).encode(x=x, y=y)
    return alt.layer(
        base.mark_rect(stroke="white").encode(
            color=alt.Color("value:Q", title="correlation", scale=shade)
        ),
        base.mark_text(fontSize=10, dy=-5, color=INK).encode(
            text=alt.Text("value:Q", format=".2f")
        ),
        base.mark_text(fontSize=7.5, dy=8, color=INK).encode(text="combinations:Q"),
        title=panel_title(
            f"{kind.capitalize()}'s correlation; below it the number of combinations"
        ),
        width=alt.Step(CELL),
        height=alt.Step(CELL - 10),
    )


def _ends(order: pl.DataFrame, which: str) -> Any:
    rows = order.head(TOP).with_columns(
        value="pearson", low="pearson_low", high="pearson_high",
        pair=pl.format("{} / {}", "dataset_a", "dataset_b"), about=pl.format("n = {}", "combinations"),
    )  # fmt: skip
    x = alt.X(
        "value:Q", title="Pearson's correlation, 95 % interval", scale=alt.Scale(domain=[-1, 1])
    )
    y = rows_axis("pair", rows["pair"].to_list())
    return estimates(
        rows,
        x.axis(tickCount=5),
        y,
        f"The {which} correlated pairs: {len(rows)} of {len(order)}",
        "about",
    )
