"""The parts of figures: axes, panels of intervals, boxes, bars and sentences, and titles."""

import textwrap
from collections.abc import Sequence
from typing import TypeVar

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType, Optional
from numpy.typing import NDArray

from blocksieve.figures.theme import (
    BAR_INK,
    CATEGORIES,
    DASHED,
    FULL,
    GAIN_TO_LOSS,
    GRID,
    INK,
    SUBDUED,
)
from blocksieve.statistics import ROUNDING
from blocksieve.units import Scale, drop_title

# Pixels.
WIDTH = 330
ROW_HEIGHT = 20
BAR_HEIGHT = 11
# A dot at the very left keeps clear of its label.
LABEL_PADDING = 7
NOTE_LETTERS = 63
NOTE_LINE_HEIGHT = 15

SHAPES = [
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
]
ZERO_LINE = {"condition": {"test": "datum.value === 0", "value": SUBDUED}, "value": GRID}
# At least so much of an axis is shown, so that it has a scale where all drops are 0.
SHOWN = alt.DomainUnionWith(unionWith=[0, 1])
# Where one vital block would flatten all others, an axis is linear up to here and logarithmic
# beyond.
LINEAR = 2
LOGARITHMIC = f"logarithmic beyond ±{LINEAR}"
MAGNITUDES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
TICKS = [-magnitude for magnitude in reversed(MAGNITUDES)] + MAGNITUDES + [0]

Axis = TypeVar("Axis", alt.X, alt.Y)


def drop_axis(scale: Scale, prefix: str = "") -> alt.X:
    """Return the x axis of drops in the column `value`, its zero line drawn."""
    return (
        alt.X("value:Q")
        .title(drop_title(scale, prefix))
        .scale(domain=SHOWN)
        .axis(gridColor=ZERO_LINE, tickCount=6)
    )


def symlog_drop_axis(scale: Scale) -> alt.X:
    """Return the same for drops of which few are large: linear around 0, logarithmic beyond."""
    return (
        alt.X("value:Q")
        .title(f"{drop_title(scale)}, {LOGARITHMIC}")
        .scale(type="symlog", constant=LINEAR, domain=SHOWN)
        .axis(gridColor=ZERO_LINE, values=TICKS)
    )


def names_axis(column: str, names: Sequence[str]) -> alt.Y:
    """Return a y axis of names, in their order."""
    axis = alt.Y(f"{column}:N", title=None)
    return axis.scale(domain=list(names)).axis(
        ticks=False,
        domain=False,
        grid=False,
        labelPadding=LABEL_PADDING,
    )


def for_column(axis: Axis, column: str) -> Axis:
    """Return the same axis for another column of numbers."""
    copy = axis.copy(deep=False)
    copy.shorthand = f"{column}:Q"
    return copy


def colour_by(column: str, names: Sequence[str], title: str | None) -> alt.Color:
    """Return a colour for each name, in their order; with a legend if there is a title."""
    colours = []
    for number in range(len(names)):
        colours.append(CATEGORIES[number % len(CATEGORIES)])
    colour = alt.Color(f"{column}:N")
    colour = colour.scale(domain=list(names), range=colours)
    if title is None:
        return colour.legend(None)
    return colour.legend(title=title, symbolOpacity=1)


def gain_to_loss_colour(
    column: str, title: Sequence[str], values: pl.Series, level: float
) -> alt.Color:
    """Return colours from gains over 0 to losses.

    They saturate where a share `level` of the values lies, so that one vital block does not bleach
    all others.
    """
    magnitudes = values.abs().to_numpy()
    bound = max(float(np.quantile(magnitudes, level)), 1.0)
    colour = alt.Color(f"{column}:Q", title=list(title))
    return colour.scale(
        domain=[-bound, 0, bound],
        range=GAIN_TO_LOSS,
        interpolate="rgb",
        clamp=True,
    )


def shape_by(column: str, names: Sequence[str], title: str | None) -> alt.Shape:
    """Return a shape for each name, so that colours are not needed to tell them apart.

    Pairs of colour and shape differ for up to 64 names.
    """
    shapes = []
    for number in range(len(names)):
        # Where the colours begin anew, the shapes are shifted by one.
        rounds = number // len(CATEGORIES)
        shape_number = (number + rounds) % len(SHAPES)
        shapes.append(SHAPES[shape_number])
    shape = alt.Shape(f"{column}:N")
    shape = shape.scale(domain=list(names), range=shapes)
    if title is None:
        return shape.legend(None)
    return shape.legend(title=title)


def panel(
    layers: Sequence[ChartType],
    title: str,
    width: int | alt.Step = WIDTH,
    height: int | alt.Step | None = None,
) -> alt.LayerChart:
    """Put layers, the lowest first, into one panel; its height defaults to one step per row."""
    return alt.LayerChart(
        layer=list(layers),
        title=panel_title(title),
        width=width,
        height=alt.Step(ROW_HEIGHT) if height is None else height,
    )


def estimates(
    rows: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    title: str,
    text: str | None = None,
    *,
    colour: Optional[alt.Color] = alt.Undefined,
    shape: Optional[alt.Shape] = alt.Undefined,
    y_offset: Optional[alt.YOffset] = alt.Undefined,
) -> alt.LayerChart:
    """Draw a panel of dots with intervals, one per row.

    Columns: `value`; `low` and `high`, the interval, without a bar where an end is unknown; and the
    one named by `text`, written at the right.
    """
    with_interval = rows.drop_nulls(["low", "high"])
    bars = alt.Chart(with_interval).mark_rule(strokeWidth=2.5, color=FULL)
    dots = alt.Chart(rows).mark_point(
        filled=True,
        size=48,
        opacity=1,
        color=FULL,
    )
    low = for_column(x, "low")
    layers = [
        bars.encode(
            x=low,
            x2="high:Q",
            y=y,
            yOffset=y_offset,
            color=colour,
        ),
        dots.encode(
            x=x,
            y=y,
            yOffset=y_offset,
            color=colour,
            shape=shape,
        ),
    ]
    if text is not None:
        layers.append(_text_beside(alt.Chart(rows), y, text))
    return panel(layers, title)


def boxes(
    rows: pl.DataFrame, x: alt.X, y: alt.Y, title: str, text: str | None = None
) -> alt.LayerChart:
    """Draw a panel of boxes, one per row, from the lists in the column `drops`.

    Whiskers reach to the least and the greatest drop; the box is the middle half, with the median.
    """
    levels = {
        "least": 0,
        "lower": 0.25,
        "value": 0.5,
        "upper": 0.75,
        "greatest": 1,
    }
    drops = pl.col("drops").list
    table = rows.filter(drops.len() > 0)
    for name, level in levels.items():
        quantile = drops.eval(pl.element().quantile(level, "linear"))
        table = table.with_columns(quantile.list.first().alias(name))

    base = alt.Chart(table.drop("drops"))
    whiskers = base.mark_rule(color=SUBDUED)
    middle_halves = base.mark_bar(color=BAR_INK, height=BAR_HEIGHT)
    medians = base.mark_tick(color=INK, thickness=2, height=BAR_HEIGHT)
    layers = [
        whiskers.encode(x=for_column(x, "least"), x2="greatest:Q", y=y),
        middle_halves.encode(x=for_column(x, "lower"), x2="upper:Q", y=y),
        medians.encode(x=x, y=y),
    ]
    if text is not None:
        layers.append(_text_beside(base, y, text))
    return panel(layers, title)


def bars(
    rows: pl.DataFrame,
    value: str,
    axis_title: str,
    y: alt.Y,
    title: str,
    number_format: str = ".2f",
    text: str | None = None,
) -> ChartType:
    """Draw a panel of bars with their numbers: the column `value`, counts if the format ends in d.

    The column named by `text` is written at the right.
    """
    drawn = rows.drop_nulls(value)
    if drawn.is_empty():
        return sentence(title, "Needs two combinations or more.")
    _, greatest = extent(drawn[value])
    # Room for the number of the longest bar.
    end = 1.15 * (greatest or 1)
    tick_step: Optional[int] = 1 if number_format.endswith("d") else alt.Undefined
    x = (
        alt.X(f"{value}:Q")
        .title(axis_title)
        .scale(domain=[0, end])
        .axis(tickCount=5, tickMinStep=tick_step)
    )
    base = alt.Chart(drawn).encode(x=x, y=y)
    number = alt.Text(f"{value}:Q", format=number_format)
    layers = [
        base.mark_bar(color=BAR_INK, height=BAR_HEIGHT),
        base.mark_text(align="left", dx=4, fontSize=9).encode(text=number),
    ]
    if text is not None:
        layers.append(_text_beside(base, y, text))
    return panel(layers, title)


def _text_beside(base: alt.Chart, y: alt.Y, text: str) -> ChartType:
    """Write the column `text` at the right of every row."""
    marks = base.mark_text(align="left", fontSize=9, color=SUBDUED)
    chart: ChartType = marks.encode(
        x=alt.value(WIDTH + 6),
        y=y,
        text=f"{text}:N",
    )
    return chart


def histogram(values: pl.Series, x: alt.X, count_title: str, title: str) -> alt.LayerChart:
    """Draw a panel of the distribution of some values, with 0 marked."""
    numbers = np.asarray(values, dtype=np.float64)
    counts, edges = np.histogram(numbers, bins=bin_edges(numbers))
    bins = pl.DataFrame(
        {
            "value": edges[:-1],
            "end": edges[1:],
            "count": counts,
        }
    )
    y = alt.Y("count:Q", title=count_title).axis(tickMinStep=1)
    columns = alt.Chart(bins).mark_rect(color=BAR_INK, stroke="white", strokeWidth=0.5)
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=INK, strokeDash=DASHED)
    layers = [
        columns.encode(
            x=x,
            x2="end:Q",
            y=y,
            y2=alt.datum(0),
        ),
        zero.encode(x=x),
    ]
    return panel(layers, title, height=200)


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of bins for some values: the more values, the more bins.

    Where all values are the same, five bins span 1 around them.
    """
    low = float(values.min())
    high = float(values.max())
    if high - low < ROUNDING:
        return np.linspace(low - 0.5, high + 0.5, 6)
    num_bins = round(len(values) ** 0.5)
    num_bins = min(40, max(8, num_bins))
    return np.linspace(low, high, num_bins + 1)


def diagonal(x: alt.X, y: alt.Y, columns: tuple[str, str], ends: tuple[float, float]) -> ChartType:
    """Draw the dashed line on which the columns of x and y are equal, between two values."""
    points = pl.DataFrame({column: list(ends) for column in columns})
    line = alt.Chart(points).mark_line(color=SUBDUED, strokeDash=DASHED)
    chart: ChartType = line.encode(x=x, y=y)
    return chart


def sentence(title: str, text: str) -> ChartType:
    """Draw a panel that says why there is nothing to draw."""
    lines = textwrap.wrap(
        text,
        NOTE_LETTERS,
        break_long_words=False,
        break_on_hyphens=False,
    )
    note = alt.Chart(pl.DataFrame({"text": [""]})).mark_text(
        align="left",
        baseline="top",
        fontSize=11,
        color=SUBDUED,
        text=lines,
        lineHeight=NOTE_LINE_HEIGHT,
    )
    chart: ChartType = note.encode(x=alt.value(0), y=alt.value(8)).properties(
        title=panel_title(title), width=WIDTH, height=20 + NOTE_LINE_HEIGHT * len(lines)
    )
    return chart


def panel_title(text: str) -> alt.TitleParams:
    """Return a panel's title, over its whole width."""
    return alt.TitleParams(text, frame="group", anchor="start")


def figure(
    panels: Sequence[ChartType], title: str, subtitle: Sequence[str], columns: int = 2
) -> ChartType:
    """Put panels side by side under one title, each with its own scales."""
    return titled(grid(panels, columns), title, subtitle)


def grid(panels: Sequence[ChartType], columns: int = 2) -> alt.ConcatChart:
    """Put panels side by side."""
    spacing = {"column": 70, "row": 34}
    return alt.concat(*panels, columns=columns, spacing=spacing)


def titled(panels: ChartType, title: str, subtitle: Sequence[str]) -> ChartType:
    """Give a figure of several panels its title, and every panel its own scales."""
    chart: ChartType = panels.resolve_scale(
        x="independent",
        y="independent",
        yOffset="independent",
        color="independent",
        shape="independent",
        strokeDash="independent",
    )
    chart.title = figure_title(title, subtitle)
    return chart


def figure_title(title: str, subtitle: Sequence[str]) -> alt.TitleParams:
    """Return a figure's title over the lines of its subtitle."""
    return alt.TitleParams(
        title,
        subtitle=list(subtitle),
        fontSize=13,
        offset=14,
    )


def extent(*columns: pl.Series) -> tuple[float, float]:
    """Return the least and the greatest value of some columns."""
    values = np.concatenate([column.drop_nulls().to_numpy() for column in columns])
    low = float(values.min())
    high = float(values.max())
    return low, high


def count_range(counts: pl.Series, number_format: str = ",") -> str:
    """Return the least and the greatest count in words: `20`, or `20 to 1,000`."""
    low, high = extent(counts)
    fewest = format(round(low), number_format)
    most = format(round(high), number_format)
    return fewest if fewest == most else f"{fewest} to {most}"


def counted(number: int, thing: str) -> str:
    """Return a number of things in words, such as `1 block` or `1,000 blocks`."""
    plural = "" if number == 1 else "s"
    return f"{number:,} {thing}{plural}"
