"""Draw how much the task types lose by number of removed blocks."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    SHOWN,
    UNITS,
    WIDTH,
    colour,
    ends,
    figure,
    like,
    panel_title,
    sentence,
    shape,
)

TITLE = "Task types by number of removed blocks"
HEIGHT = 220


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `task_type_detailed_comparison`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No combination was evaluated on every dataset, so task types cannot be compared."
        return figure([sentence("Task types", text)], TITLE, [])
    types = table["task_type"].unique().sort().to_list()
    # Side by side at each size, so that intervals of two types never hide each other.
    shift = {
        name: (place - (len(types) - 1) / 2) * 0.6 / max(len(types), 2)
        for place, name in enumerate(types)
    }
    rows = table.drop("drops", "datasets").with_columns(
        place=pl.col("size") + pl.col("task_type").replace_strict(shift, return_dtype=pl.Float64)
    )
    panels = [
        _panel(
            rows, types, "mean", f"mean {UNITS[scale]}", "Mean drop, 95 % interval", interval=True
        ),
        _panel(
            rows,
            types,
            "std",
            f"standard deviation, {UNITS[scale]}",
            "Stability over combinations (low: stable)",
        ),
        _panel(rows, types, "median", f"median {UNITS[scale]}", "Median drop"),
        _panel(
            rows,
            types,
            "evaluated",
            "combinations",
            "Combinations evaluated on any dataset of the type",
            count=True,
        ),
    ]
    smallest = round(ends(rows["samples"])[0])
    subtitle = [
        f"{smallest:,} samples or more a task type; the same combinations for all types of a size"
    ]
    chart = figure(panels, TITLE, subtitle)
    return chart.resolve_scale(x="independent", y="independent", color="shared", shape="shared")


def _panel(
    rows: pl.DataFrame,
    types: list[str],
    value: str,
    axis: str,
    title: str,
    interval: bool = False,
    count: bool = False,
) -> Any:
    sizes = rows["size"].unique().sort().to_list()
    x = alt.X(
        "place:Q",
        title="blocks removed",
        scale=alt.Scale(domain=[sizes[0] - 0.5, sizes[-1] + 0.5], nice=False),
    ).axis(values=sizes, format="d", grid=False)
    step: Any = {"tickMinStep": 1} if count else {}
    y = alt.Y(f"{value}:Q", title=axis, scale=alt.Scale(domain=SHOWN)).axis(**step)
    title_of = "task type"
    looks: dict[str, Any] = {
        "color": colour("task_type", types, title_of),
        "shape": shape("task_type", types, title_of),
    }
    known = rows.drop_nulls(value)
    if known.is_empty():
        return sentence(title, "Needs two combinations or more of a size.")
    base = alt.Chart(known).encode(x=x, color=looks["color"])
    layers = [
        base.mark_line(strokeWidth=1, opacity=0.6).encode(y=y),
        base.mark_point(filled=True, size=46, opacity=1).encode(y=y, shape=looks["shape"]),
    ]
    if interval:
        bars = alt.Chart(known.drop_nulls(["low", "high"])).mark_rule(strokeWidth=1.5)
        layers.append(bars.encode(x=x, y=like(y, "low"), y2="high:Q", color=looks["color"]))
    return alt.layer(*layers, title=panel_title(title), width=WIDTH, height=HEIGHT)
