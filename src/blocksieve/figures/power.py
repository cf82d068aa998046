"""Draw how many samples small drops would need, and what these samples can show."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    WIDE,
    bars,
    colour_by,
    figure,
    names_axis,
    panel,
    sentence,
    shape_by,
    stacked,
    tooltip,
)
from blocksieve.figures.theme import INK
from blocksieve.units import Scale

TITLE = "Power: how many samples do you need?"
# Columns of the table by the drops, in percentage points, that so many samples would show.
NEEDED = {"n_for_2_pp": "2 points", "n_for_1_pp": "1 point", "n_for_0.5_pp": "0.5 points"}
# Room between the dots of a row, of which some lie on each other.
ROW_HEIGHT = 26


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `power`, in percentage points whatever the scale."""
    known = table.drop_nulls("detectable")
    if known.is_empty():
        text = "No combination has a known error, so what samples can show is not known."
        return figure([sentence("Power", text)], TITLE, [])
    rows = known.with_columns(
        about=pl.format("of {} samples ({} clusters)", "n", "n_clusters"),
    )
    y = names_axis("dataset", rows["dataset"].to_list())
    panels = [
        _samples_needed(rows, y),
        bars(
            rows,
            "detectable",
            "drop that these samples show (percentage points of the score)",
            y,
            "What these samples can show",
            text="about",
        ),
    ]
    subtitle = (
        "a drop counts as shown if a two-sided 5 % test finds it with 80 % probability, at the"
        " median error of the dataset's combinations"
    )
    return stacked(panels, TITLE, [subtitle])


def _samples_needed(rows: pl.DataFrame, y: alt.Y) -> ChartType:
    """Draw for every dataset the samples that each drop would need, and those it has."""
    title = "Samples that a dataset needs to show a drop of so many points; |: those it has"
    needed = rows.unpivot(
        list(NEEDED),
        index=["dataset", "n"],
        variable_name="gap",
        value_name="samples",
    )
    needed = needed.drop_nulls("samples").with_columns(pl.col("gap").replace_strict(NEEDED))
    if needed.is_empty():
        text = "Not known from a table of evaluations: it does not say how errors fall."
        return sentence(title, text)
    needed = needed.with_columns(more=pl.col("samples") / pl.col("n"))
    names = list(NEEDED.values())
    x = alt.X("samples:Q", title="samples, logarithmic").scale(type="log").axis(format="~s")
    said = {
        "dataset": "",
        "gap": "drop",
        "samples": "samples needed",
        "n": "samples here",
        "more": "times as many",
    }
    ranges = needed.group_by("dataset", maintain_order=True).agg(
        pl.min("samples"), most=pl.max("samples")
    )
    lines = alt.Chart(ranges).mark_rule(color=INK, opacity=0.25)
    dots = alt.Chart(needed).mark_point(filled=True, size=60, opacity=1)
    ticks = alt.Chart(rows).mark_tick(color=INK, thickness=2, height=16)
    layers = [
        lines.encode(x=x, x2="most:Q", y=y),
        ticks.encode(x=alt.X("n:Q"), y=y, tooltip=tooltip(rows, {"dataset": "", "n": "samples"})),
        dots.encode(
            x=x,
            y=y,
            color=colour_by("gap", names, "a drop of"),
            shape=shape_by("gap", names, "a drop of"),
            tooltip=tooltip(needed, said),
        ),
    ]
    return panel(layers, title, WIDE, alt.Step(ROW_HEIGHT))
