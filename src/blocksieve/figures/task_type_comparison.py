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
    symlog_drop_axis,
)
from blocksieve.units import SHORT_DROP_TITLES, Scale

TITLE = "Task types: what removing blocks costs on their datasets"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `task_type_comparison`, in % of the baseline or pp."""
    members = []
    for task_type, datasets in table.select("task_type", "datasets").iter_rows():
        members.append(f"{task_type}: {', '.join(datasets)}")
    compared = table.filter(pl.col("combinations") > 0)
    if compared.is_empty():
        text = "No combination was evaluated on every dataset, so task types cannot be compared."
        return figure([sentence("Task types", text)], TITLE, members)
    rows = compared.with_columns(value="mean", about=pl.format("{} samples", "samples"))
    y = names_axis("task_type", rows["task_type"].to_list())
    shared = counted(rows["combinations"][0], "combination")
    panels = [
        estimates(rows, drop_axis(scale, "mean"), y, f"Mean over {shared}, 95 % interval", "about"),
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
        ),
        bars(
            rows.select("task_type", "evaluated"),
            "evaluated",
            "combinations evaluated on any dataset of the type",
            y,
            "Combinations",
            number_format=",d",
        ),
    ]
    subtitle = [f"compared over the {shared} that every dataset has", *members]
    return figure(panels, TITLE, subtitle)
