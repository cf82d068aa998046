"""The parts of figures: axes, panels of intervals, boxes, bars and sentences, and titles."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TypeVar

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType, Optional
from numpy.typing import NDArray

from blocksieve.combination import HALVES_COUNT
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
from blocksieve.specs import SearchUnit
from blocksieve.statistics import ROUNDING
from blocksieve.units import Scale, drop_title

# Pixels.
WIDTH = 330
WIDE = 560
ROW_HEIGHT = 20
BAR_HEIGHT = 11
# A dot at the very left keeps clear of its label.
LABEL_PADDING = 7
NOTE_LETTERS = 63
# Of names side by side over a panel.
LEGEND_COLUMNS = 4
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
UNKNOWN = "not known"
# Beside what is shown to differ, all else is as faint as this.
FAINT = 0.25
# Up to so many each count has a tick of its own.
FEW = 8
# Where one vital block would flatten all others, an axis is linear up to here and logarithmic
# beyond.
LINEAR = 2
LOGARITHMIC = f"logarithmic beyond ±{LINEAR}"
MAGNITUDES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
LEGEND_TICKS = [-200, -50, -10, -2, 0, 2, 10, 50, 200]
TICKS = [-magnitude for magnitude in reversed(MAGNITUDES)] + MAGNITUDES + [0]

CHANNELS = ("x", "y", "yOffset", "color", "shape", "size", "strokeDash")

Axis = TypeVar("Axis", alt.X, alt.Y)


def drop_axis(scale: Scale, prefix: str = "") -> alt.X:
    """Return the x axis of drops in the column `value`, its zero line drawn."""
    return (
        alt.X("value:Q")
        .title(drop_title(scale, prefix))
        .scale(domain=SHOWN)
        .axis(gridColor=ZERO_LINE, tickCount=6)
    )


def symlog_drop_axis(scale: Scale, prefix: str = "") -> alt.X:
    """Return the same for drops of which few are large: linear around 0, logarithmic beyond."""
    return (
        alt.X("value:Q")
        .title(f"{drop_title(scale, prefix)}, {LOGARITHMIC}")
        .scale(type="symlog", constant=LINEAR, domain=SHOWN)
        .axis(gridColor=ZERO_LINE, values=TICKS)
    )


def spanning(x: alt.X, *columns: pl.Series) -> alt.X:
    """Return the same axis over all values of some columns, so that panels have it in common."""
    low, high = extent(*columns)
    return x.scale(domain=[min(low, 0.0), max(high, 1.0)], nice=True)


def symlog_between(axis: Axis, ends: tuple[float, float]) -> Axis:
    """Return a symlog axis of drops between two values, the same for x and y and many panels."""
    low, high = ends
    scaled = axis.scale(
        type="symlog",
        constant=LINEAR,
        domain=[min(low, 0.0), max(high, 1.0)],
    )
    with_ticks: Axis = scaled.axis(gridColor=ZERO_LINE, values=TICKS)
    return with_ticks


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
    return colour.legend(title=title, symbolOpacity=1, columns=LEGEND_COLUMNS)


def gain_to_loss_colour(column: str, title: str, values: pl.Series) -> alt.Color:
    """Return colours from gains over 0 to losses, over all values.

    Beyond small ones they are logarithmic, so that one vital block does not bleach all others.
    """
    bound = max(float(values.abs().max() or 0), 1.0)  # type: ignore[arg-type]
    colour = alt.Color(f"{column}:Q", title=title)
    ticks = [tick for tick in LEGEND_TICKS if abs(tick) <= bound]
    legend = alt.Legend(values=ticks, gradientLength=160)
    return colour.legend(legend).scale(
        type="symlog",
        constant=LINEAR,
        domain=[-bound, 0, bound],
        range=GAIN_TO_LOSS,
        interpolate="rgb",
    )


def faint_unless(column: str) -> alt.FillOpacityValue:
    """Return the opacity that leaves full colours only to rows where the column is true."""
    shown = alt.ConditionalPredicateValueDefnumberExprRef(test=f"datum.{column}", value=1)
    return alt.FillOpacityValue(FAINT, condition=shown)


def interval(low: str = "low", high: str = "high", decimals: int = 2) -> pl.Expr:
    """Return the ends of intervals in words."""
    words = pl.format("{} to {}", rounded(low, decimals), rounded(high, decimals))
    return words.fill_null(UNKNOWN)


def rounded(column: str, decimals: int) -> pl.Expr:
    """Return a column's numbers with so many decimals, and 0.0 for -0.0."""
    # Numbers that are all unknown have no type of their own.
    number = pl.col(column).cast(pl.Float64).round(decimals)
    return pl.when(number == 0).then(0.0).otherwise(number)


def tooltip(rows: pl.DataFrame, titles: Mapping[str, str]) -> list[alt.Tooltip]:
    """Return what a mark says when it is pointed at: columns under their titles, in this order."""
    tips = []
    for column, title in titles.items():
        kind = rows.schema[column]
        if kind.is_float():
            tip = alt.Tooltip(f"{column}:Q", format=",.2f")
        elif kind.is_integer():
            tip = alt.Tooltip(f"{column}:Q", format=",d")
        else:
            tip = alt.Tooltip(f"{column}:N")
        tips.append(tip.title(title))
    return tips


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
    shape = shape.scale(
        domain=list(names),
        range=shapes,
    )
    if title is None:
        return shape.legend(None)
    return shape.legend(title=title, columns=LEGEND_COLUMNS)


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
    tips: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Draw a panel of dots with intervals, one per row.

    Columns: `value`; `low` and `high`, the interval, without a bar where an end is unknown; and the
    one named by `text`, written at the right. Tooltips say them, and the columns of `tips`.
    """
    rows = rows.with_columns(interval=interval())
    said = {_column_of(y): "", "value": _plain_title(x), "interval": "95 % interval"}
    if text is not None:
        said[text] = "of"
    tip = tooltip(rows, said | dict(tips or {}))
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
            tooltip=tip,
        ),
        dots.encode(
            x=x,
            y=y,
            yOffset=y_offset,
            color=colour,
            shape=shape,
            tooltip=tip,
        ),
    ]
    if text is not None:
        layers.append(_text_beside(alt.Chart(rows), y, text))
    return panel(layers, title)


def _column_of(channel: alt.X | alt.Y) -> str:
    return str(channel["shorthand"]).split(":")[0]


def _plain_title(x: alt.X) -> str:
    """Return what an axis measures, without remarks on the axis itself."""
    return str(x["title"]).removesuffix(f", {LOGARITHMIC}")


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

    said = {
        _column_of(y): "",
        "least": "least",
        "lower": "lower quartile",
        "value": "median",
        "upper": "upper quartile",
        "greatest": "greatest",
        "drawn": "n",
    }
    table = table.with_columns(drawn=drops.len())
    base = alt.Chart(table.drop("drops")).encode(tooltip=tooltip(table, said))
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
    text: str | None = None,
) -> ChartType:
    """Draw a panel of bars with their numbers: the column `value`.

    The column named by `text` is written at the right.
    """
    drawn = rows.drop_nulls(value)
    if drawn.is_empty():
        return sentence(title, "Needs two combinations or more.")
    _, greatest = extent(drawn[value])
    # Room for the number of the longest bar.
    end = 1.15 * (greatest or 1)
    x = alt.X(f"{value}:Q").title(axis_title).scale(domain=[0, end]).axis(tickCount=5)
    said = {_column_of(y): "", value: axis_title}
    if text is not None:
        said[text] = "of"
    base = alt.Chart(drawn).encode(x=x, y=y, tooltip=tooltip(drawn, said))
    number = alt.Text(f"{value}:Q", format=".2f")
    layers = [
        base.mark_bar(color=BAR_INK, height=BAR_HEIGHT),
        base.mark_text(align="left", dx=4, fontSize=9).encode(text=number),
    ]
    if text is not None:
        layers.append(_text_beside(base, y, text))
    return panel(layers, title)


def _text_beside(base: alt.Chart, y: alt.Y, text: str) -> ChartType:
    """Write the column `text` at the right of every row."""
    marks = base.mark_text(align="left", dx=6, fontSize=9, color=SUBDUED)
    chart: ChartType = marks.encode(
        x=alt.value("width"),
        y=y,
        text=f"{text}:N",
    )
    return chart


def histogram(
    values: pl.Series, scale: Scale, prefix: str, count_title: str, title: str
) -> alt.LayerChart:
    """Draw a panel of the distribution of some drops in bins that look equally wide."""
    edges = symlog_bin_edges(np.asarray(values, dtype=np.float64))
    counts, _ = np.histogram(values, bins=edges)
    bins = pl.DataFrame(
        {
            "value": edges[:-1],
            "end": edges[1:],
            "count": counts,
        }
    )
    x = symlog_drop_axis(scale, prefix)
    y = alt.Y("count:Q", title=count_title)
    if counts.max() <= FEW:
        # Vega marks halves where there are so few.
        y = y.axis(values=list(range(int(counts.max()) + 1)), format="d")
    columns = alt.Chart(bins).mark_rect(color=BAR_INK, stroke="white", strokeWidth=0.5)
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=INK, strokeDash=DASHED)
    said = {"value": "from", "end": "to", "count": count_title}
    layers = [
        columns.encode(
            x=x,
            x2="end:Q",
            y=y,
            y2=alt.datum(0),
            tooltip=tooltip(bins, said),
        ),
        zero.encode(x=x),
    ]
    return panel(layers, title, height=300)


def symlog_places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where a symlog axis draws values: linear around 0, logarithmic beyond."""
    places: NDArray[np.float64] = np.sign(values) * np.log1p(np.abs(values) / LINEAR)
    return places


def symlog_bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of bins that are equally wide on a symlog axis: the more values, the more.

    Where all values are the same, five bins lie around them.
    """
    places = symlog_places(values)
    low = float(places.min())
    high = float(places.max())
    if high - low < ROUNDING:
        edges = np.linspace(low - 0.25, high + 0.25, 6)
    else:
        num_bins = round(len(values) ** 0.5)
        edges = np.linspace(low, high, min(40, max(8, num_bins)) + 1)
    inner = np.sign(edges) * LINEAR * np.expm1(np.abs(edges))
    # Rounding must leave no value outside.
    inner[0] = min(inner[0], values.min())
    inner[-1] = max(inner[-1], values.max())
    return np.asarray(inner, dtype=np.float64)


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
    """Put panels side by side, each column as wide as its widest, each with its own scales."""
    spacing = {"column": 36, "row": 28}
    chart = alt.concat(*panels, columns=columns, spacing=spacing, align="each")
    chart.resolve = alt.Resolve(scale=dict.fromkeys(CHANNELS, "independent"))
    return chart


def stacked(panels: Sequence[ChartType], title: str, subtitle: Sequence[str]) -> ChartType:
    """Put panels of one width below each other under one title, each with its own scales."""
    for each in panels:
        each.width = WIDE
    return figure(panels, title, subtitle, columns=1)


def named(
    chart: ChartType, model: str, run: str, unit: SearchUnit, on_search_samples: bool
) -> ChartType:
    """Say under a figure's title whose blocks it shows, on which samples, and if halves count."""
    whose = f"{model}, run {run}"
    if on_search_samples:
        whose += ", on search samples"
    if unit == "half":
        whose += f", in which {HALVES_COUNT}"
    title = chart.title
    return chart.properties(title=figure_title(title.text, [whose, *title.subtitle]))


def titled(panels: ChartType, title: str, subtitle: Sequence[str]) -> ChartType:
    """Give a figure of several panels its title."""
    panels.title = figure_title(title, subtitle)
    return panels


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
