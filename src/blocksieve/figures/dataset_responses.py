"""Draw how sensitive each dataset is."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    boxes,
    colour_by,
    counted,
    drop_axis,
    estimates,
    figure,
    names_axis,
    panel,
    sentence,
    shape_by,
    spanning,
    stacked,
    symlog_drop_axis,
    tooltip,
)
from blocksieve.figures.theme import INK
from blocksieve.units import Scale

TITLE = "Dataset responses: how sensitive each dataset is"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `dataset_responses`, in % of the baseline or pp."""
    compared = table.filter(pl.col("combinations") > 0)
    if compared.is_empty():
        text = "No combination was evaluated on every dataset, so datasets cannot be compared."
        return figure([sentence("Datasets", text)], TITLE, [])
    rows = compared.with_columns(value="mean", about=pl.format("n = {}", "samples"))
    types = rows["task_type"].unique().sort().to_list()
    y = names_axis("dataset", rows["dataset"].to_list())
    x = spanning(drop_axis(scale, "mean"), rows["mean"], rows["low"], rows["high"])
    panels = [
        estimates(
            rows,
            x,
            y,
            "Mean sensitivity, 95 % interval",
            "about",
            colour=colour_by("task_type", types, None),
            shape=shape_by("task_type", types, None),
            tips={"task_type": "task type"},
        ),
        boxes(
            rows,
            symlog_drop_axis(scale),
            y,
            "Distribution: least, middle half, median, greatest",
        ),
        _by_task_type(rows, types, x),
    ]
    shared = counted(rows["combinations"][0], "combination")
    subtitle = f"over the {shared} that every dataset has; n counts samples"
    return stacked(panels, TITLE, [subtitle])


def _by_task_type(rows: pl.DataFrame, types: list[str], x: alt.X) -> ChartType:
    datasets = rows.select("task_type", "dataset", "value", "samples")
    total = (pl.col("value") * pl.col("weight")).sum()
    mean = total / pl.col("weight").sum()
    means = rows.group_by("task_type", maintain_order=True).agg(value=mean)
    y = names_axis("task_type", types)
    colour = colour_by("task_type", types, None)
    shape = shape_by("task_type", types, None)
    ticks = alt.Chart(means).mark_tick(color=INK, thickness=2, height=14)
    said = {"dataset": "", "task_type": "task type", "value": "mean drop", "samples": "samples"}
    dots = alt.Chart(datasets).mark_point(filled=True, size=46, opacity=0.85)
    layers = [
        ticks.encode(x=x, y=y),
        dots.encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=tooltip(datasets, said),
        ),
    ]
    return panel(layers, "By task type: every dataset, bar at their mean")
