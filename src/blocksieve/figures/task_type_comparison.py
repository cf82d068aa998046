"""Draw how much the task types lose: mean, distribution, stability, number of combinations."""

import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    bars,
    boxes,
    counted,
    drop_axis,
    estimates,
    figure,
    names_axis,
    sentence,
    stacked,
    symlog_drop_axis,
)
from blocksieve.units import SHORT_DROP_TITLES, Scale

TITLE = "Task types: what removing blocks costs on their datasets"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `task_type_comparison`, in % of the baseline or pp."""
    compared = table.filter(pl.col("combinations") > 0)
    if compared.is_empty():
        text = "No combination was evaluated on every dataset, so task types cannot be compared."
        return figure([sentence("Task types", text)], TITLE, [])
    rows = compared.with_columns(
        value="mean",
        about=pl.format("{} samples", "samples"),
        evaluated_text=pl.format("{} evaluated", "evaluated"),
        members=pl.col("datasets").list.join(", "),
    ).drop("datasets")
    y = names_axis("task_type", rows["task_type"].to_list())
    shared = counted(rows["combinations"][0], "combination")
    panels = [
        estimates(
            rows,
            drop_axis(scale, "mean"),
            y,
            f"Mean over {shared}, 95 % interval",
            "about",
            tips={"members": "datasets"},
        ),
        boxes(
            rows,
            symlog_drop_axis(scale),
            y,
            "Distribution: least, middle half, median, greatest",
        ),
        bars(
            rows,
            "std",
            f"standard deviation of the {SHORT_DROP_TITLES[scale]}",
            y,
            "Stability over combinations (low: stable)",
            text="evaluated_text",
        ),
    ]
    subtitle = (
        f"compared over the {shared} that every dataset has; evaluated: on any dataset of the type"
    )
    return stacked(panels, TITLE, [subtitle])
