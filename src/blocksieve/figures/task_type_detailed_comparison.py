"""Draw how much the task types lose by number of removed blocks."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    SHOWN,
    WIDTH,
    colour_by,
    extent,
    figure,
    for_column,
    grid,
    interval,
    panel,
    sentence,
    shape_by,
    titled,
    tooltip,
)
from blocksieve.units import Scale, drop_title

TITLE = "Task types by number of removed blocks"
HEIGHT = 220
# Of the distance between two sizes, so much holds the task types of a size.
GROUP_WIDTH = 0.6


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `task_type_detailed_comparison`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination was evaluated on every dataset, so task types cannot be compared."
        return figure([sentence("Task types", text)], TITLE, [])
    types = table["task_type"].unique().sort().to_list()
    shifts = pl.col("task_type").replace_strict(_shifts(types), return_dtype=pl.Float64)
    rows = table.drop("drops", "datasets").with_columns(place=pl.col("size") + shifts)
    rows = rows.with_columns(interval=interval())
    means = _panel(rows, "mean", drop_title(scale, "mean"), "Mean drop, 95 % interval", "task type")
    means.width = 2 * WIDTH
    deviation = f"standard deviation, {drop_title(scale)}"
    panels = [
        _panel(rows, "std", deviation, "Stability over combinations (low: stable)"),
        _panel(rows, "median", drop_title(scale, "median"), "Median drop"),
    ]
    fewest, _ = extent(rows["samples"])
    subtitle = (
        f"{round(fewest):,} samples or more a task type;"
        " the same combinations for all types of a size"
    )
    return titled(alt.vconcat(means, grid(panels), spacing=34), TITLE, [subtitle])


def _shifts(types: list[str]) -> dict[str, float]:
    """Return how far from its size each task type stands, so that intervals never hide others."""
    middle = (len(types) - 1) / 2
    step = GROUP_WIDTH / max(len(types), 2)
    shifts = {}
    for number, task_type in enumerate(types):
        shifts[task_type] = (number - middle) * step
    return shifts


def _panel(
    rows: pl.DataFrame,
    column: str,
    axis_title: str,
    title: str,
    legend: str | None = None,
) -> ChartType:
    """Draw a line per task type over the sizes, with the 95 % interval if it is the mean."""
    drawn = rows.drop_nulls(column)
    if drawn.is_empty():
        return sentence(title, "Needs two combinations or more of a size.")
    sizes = rows["size"].unique().sort().to_list()
    size_scale = alt.Scale(domain=[sizes[0] - 0.5, sizes[-1] + 0.5], nice=False)
    x = alt.X("place:Q", title="blocks removed", scale=size_scale)
    x = x.axis(values=sizes, format="d", grid=False)
    y = alt.Y(f"{column}:Q", title=axis_title, scale=alt.Scale(domain=SHOWN))

    types = rows["task_type"].unique().sort().to_list()
    colour = colour_by("task_type", types, legend)
    shape = shape_by("task_type", types, legend)
    said = {
        "task_type": "",
        "size": "blocks removed",
        column: title,
        "combinations": "combinations",
        "samples": "samples",
    }
    if column == "mean":
        said["interval"] = "95 % interval"
    base = alt.Chart(drawn).encode(x=x, color=colour, tooltip=tooltip(drawn, said))
    layers = [
        base.mark_line(strokeWidth=1, opacity=0.6).encode(y=y),
        base.mark_point(filled=True, size=46, opacity=1).encode(y=y, shape=shape),
    ]
    if column == "mean":
        bars = alt.Chart(drawn.drop_nulls(["low", "high"])).mark_rule(strokeWidth=1.5)
        layers.append(
            bars.encode(
                x=x,
                y=for_column(y, "low"),
                y2="high:Q",
                color=colour,
            )
        )
    return panel(layers, title, height=HEIGHT)
