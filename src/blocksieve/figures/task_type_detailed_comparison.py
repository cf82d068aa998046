"""Draw how much the task types lose by number of removed blocks."""

import altair as alt
import polars as pl
from altair.typing import ChartType, Optional

from blocksieve.figures.parts import (
    SHOWN,
    colour_by,
    extent,
    figure,
    for_column,
    panel,
    sentence,
    shape_by,
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
    deviation = f"standard deviation, {drop_title(scale)}"
    stability = "Stability over combinations (low: stable)"
    evaluated = "Combinations evaluated on any dataset of the type"
    panels = [
        _panel(rows, "mean", drop_title(scale, "mean"), "Mean drop, 95 % interval", interval=True),
        _panel(rows, "std", deviation, stability),
        _panel(rows, "median", drop_title(scale, "median"), "Median drop"),
        _panel(rows, "evaluated", "combinations", evaluated, counts=True),
    ]
    fewest, _ = extent(rows["samples"])
    subtitle = (
        f"{round(fewest):,} samples or more a task type;"
        " the same combinations for all types of a size"
    )
    chart = figure(panels, TITLE, [subtitle])
    shared: ChartType = chart.resolve_scale(
        x="independent", y="independent", color="shared", shape="shared"
    )
    return shared


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
    interval: bool = False,
    counts: bool = False,
) -> ChartType:
    """Draw a line per task type over the sizes, with the 95 % interval of `mean` if wanted."""
    drawn = rows.drop_nulls(column)
    if drawn.is_empty():
        return sentence(title, "Needs two combinations or more of a size.")
    sizes = rows["size"].unique().sort().to_list()
    size_scale = alt.Scale(domain=[sizes[0] - 0.5, sizes[-1] + 0.5], nice=False)
    x = alt.X("place:Q", title="blocks removed", scale=size_scale)
    x = x.axis(values=sizes, format="d", grid=False)
    tick_step: Optional[int] = 1 if counts else alt.Undefined
    y = alt.Y(f"{column}:Q", title=axis_title, scale=alt.Scale(domain=SHOWN))
    y = y.axis(tickMinStep=tick_step)

    types = rows["task_type"].unique().sort().to_list()
    colour = colour_by("task_type", types, "task type")
    shape = shape_by("task_type", types, "task type")
    base = alt.Chart(drawn).encode(x=x, color=colour)
    layers = [
        base.mark_line(strokeWidth=1, opacity=0.6).encode(y=y),
        base.mark_point(filled=True, size=46, opacity=1).encode(y=y, shape=shape),
    ]
    if interval:
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
