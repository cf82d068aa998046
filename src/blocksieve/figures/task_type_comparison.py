"""Draw how much the task types lose: mean, distribution, stability, number of combinations."""

from typing import Any

import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    bars,
    boxes,
    counted,
    drop_axis,
    estimates,
    figure,
    rows_axis,
    sentence,
    wide_axis,
)

TITLE = "Task types: what removing blocks costs on their datasets"


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `task_type_comparison`, in % of the baseline or pp."""
    known = table.filter(pl.col("combinations") > 0)
    subtitle = [f"{row['task_type']}: {', '.join(row['datasets'])}" for row in table.to_dicts()]
    if known.is_empty():
        text = "No combination was evaluated on every dataset, so task types cannot be compared."
        return figure([sentence("Task types", text)], TITLE, subtitle)
    rows = known.with_columns(value="mean", about=pl.format("{} samples", "samples"))
    y = rows_axis("task_type", rows["task_type"].to_list())
    shared = counted(rows["combinations"][0], "combination")
    counts = rows.select("task_type", "evaluated")
    panels = [
        estimates(rows, drop_axis(scale, "mean"), y, f"Mean over {shared}, 95 % interval", "about"),
        boxes(rows, wide_axis(scale), y, "Distribution: least, middle half, median, greatest"),
        bars(
            rows,
            "std",
            f"standard deviation of the {_unit(scale)}",
            y,
            "Stability over combinations (low: stable)",
        ),
        bars(
            counts,
            "evaluated",
            "combinations evaluated on any dataset of the type",
            y,
            "Combinations",
            ",d",
        ),
    ]
    return figure(panels, TITLE, [f"compared over the {shared} that every dataset has", *subtitle])


def _unit(scale: Scale) -> str:
    return "drop (% of baseline)" if scale == "relative" else "drop (pp)"
