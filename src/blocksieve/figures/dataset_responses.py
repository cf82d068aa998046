"""Draw how sensitive each dataset is."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    ROW,
    WIDTH,
    boxes,
    colour,
    counted,
    drop_axis,
    estimates,
    figure,
    panel_title,
    rows_axis,
    sentence,
    shape,
    wide_axis,
)
from blocksieve.figures.theme import INK

TITLE = "Dataset responses: how sensitive each dataset is"


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `dataset_responses`, in % of the baseline or pp."""
    known = table.filter(pl.col("combinations") > 0)
    if known.is_empty():
        text = "No combination was evaluated on every dataset, so datasets cannot be compared."
        return figure([sentence("Datasets", text)], TITLE, [])
    rows = known.with_columns(value="mean", about=pl.format("n = {}", "samples"))
    types = rows["task_type"].unique().sort().to_list()
    looks = {"color": colour("task_type", types, None), "shape": shape("task_type", types, None)}
    y = rows_axis("dataset", rows["dataset"].to_list())
    shared = counted(rows["combinations"][0], "combination")
    panels = [
        estimates(
            rows, drop_axis(scale, "mean"), y, "Mean sensitivity, 95 % interval", "about", **looks
        ),
        boxes(rows, wide_axis(scale), y, "Distribution: least, middle half, median, greatest"),
        _by_type(rows, types, scale),
    ]
    return figure(
        panels, TITLE, [f"over the {shared} that every dataset has; n counts samples"], columns=3
    )


def _by_type(rows: pl.DataFrame, types: list[str], scale: Scale) -> Any:
    y = rows_axis("task_type", types)
    plain = rows.select("task_type", "dataset", "value")
    means = plain.group_by("task_type", maintain_order=True).agg(pl.mean("value"))
    x = drop_axis(scale, "mean")
    return alt.layer(
        alt.Chart(means).mark_tick(color=INK, thickness=2, height=14).encode(x=x, y=y),
        alt.Chart(plain)
        .mark_point(filled=True, size=46, opacity=0.85)
        .encode(
            x=x, y=y, color=colour("task_type", types, None), shape=shape("task_type", types, None)
        ),
        title=panel_title("By task type: every dataset, bar at their mean"),
        width=WIDTH,
        height=alt.Step(ROW),
    )
