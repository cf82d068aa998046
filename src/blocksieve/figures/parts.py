"""The parts that figures are put together from: intervals, boxes, histograms, sentences, titles."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Scale
from blocksieve.figures.theme import CATEGORIES, FULL, GRID, INK, SUBDUED
from blocksieve.statistics import ROUNDING

UNITS: dict[Scale, str] = {
    "relative": "relative drop (% of baseline)",
    "points": "drop (percentage points)",
}
WIDTH, ROW = 330, 20
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
BAR_INK = "#9fb8c8"
ZERO_LINE: Any = {"condition": {"test": "datum.value === 0", "value": SUBDUED}, "value": GRID}
NOTE_LETTERS = 62
# A dot at the very left keeps clear of its label.
LABEL_PADDING = 7
# Where one vital block would flatten all others, drops are drawn on an axis that is logarithmic beyond this.
LINEAR = 2
LOGARITHMIC = f"logarithmic beyond ±{LINEAR}"
TICKS = sorted(
    sign * value for sign in (-1, 1) for value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
) + [0]
# At least so much of an axis is shown, so that it has a scale where all drops are 0.
SHOWN = alt.DomainUnionWith(unionWith=[0, 1])


def drop_axis(scale: Scale, what: str = "") -> alt.X:
    """The x axis of a drop, its zero line drawn."""
    axis = alt.X("value:Q", title=f"{what} {UNITS[scale]}".strip(), scale=alt.Scale(domain=SHOWN))
    return axis.axis(gridColor=ZERO_LINE, tickCount=6)


def wide_axis(scale: Scale) -> alt.X:
    """The same for drops of which few are large: linear around 0, logarithmic further out."""
    symlog = alt.Scale(type="symlog", constant=LINEAR, domain=SHOWN)
    return alt.X("value:Q", title=f"{UNITS[scale]}, {LOGARITHMIC}", scale=symlog).axis(
        gridColor=ZERO_LINE, values=TICKS
    )


def ends(*series: pl.Series) -> tuple[float, float]:
    """The least and the greatest value."""
    values = np.concatenate([part.drop_nulls().to_numpy() for part in series])
    return float(values.min()), float(values.max())


def like(axis: Any, field: str) -> Any:
    """The same axis for another column."""
    same = axis.copy(deep=False)
    same.shorthand = f"{field}:Q"
    return same


def rows_axis(field: str, order: Sequence[Any], **options: Any) -> alt.Y:
    """A y axis of names in the given order."""
    return alt.Y(f"{field}:N", title=None, scale=alt.Scale(domain=list(order)), **options).axis(
        ticks=False, domain=False, grid=False, labelPadding=LABEL_PADDING
    )


def colour(field: str, order: Sequence[Any], title: str | None) -> alt.Color:
    """A colour a name, in the given order; a legend if there is a title."""
    colours = [CATEGORIES[place % len(CATEGORIES)] for place in range(len(order))]
    legend = alt.Legend(title=title, symbolOpacity=1) if title else None
    return alt.Color(
        f"{field}:N", legend=legend, scale=alt.Scale(domain=list(order), range=colours)
    )


def shape(field: str, order: Sequence[Any], title: str | None) -> alt.Shape:
    """A shape a name, in the given order; with `colour` readable without colours, up to 64 names."""
    shapes = [
        SHAPES[(place + place // len(CATEGORIES)) % len(SHAPES)] for place in range(len(order))
    ]
    legend = alt.Legend(title=title) if title else None
    return alt.Shape(f"{field}:N", legend=legend, scale=alt.Scale(domain=list(order), range=shapes))


def estimates(
    rows: pl.DataFrame, x: alt.X, y: Any, title: str, text: str | None = None, **encoding: Any
) -> Any:
    """A panel of dots with intervals: columns value, low, high (unknown ends: no bar), and a text at the right."""
    bars = alt.Chart(rows.drop_nulls(["low", "high"])).mark_rule(strokeWidth=2.5, color=FULL)
    dots = alt.Chart(rows).mark_point(filled=True, size=48, opacity=1, color=FULL)
    own = {key: value for key, value in encoding.items() if key != "shape"}
    layers = [
        bars.encode(x=like(x, "low"), x2="high:Q", y=y, **own),
        dots.encode(x=x, y=y, **encoding),
    ]
    if text is not None:
        layers.append(_beside(alt.Chart(rows), y, text))
    return alt.layer(*layers, title=panel_title(title), width=WIDTH, height=alt.Step(ROW))


def boxes(rows: pl.DataFrame, x: alt.X, y: Any, title: str, text: str | None = None) -> Any:
    """A panel of boxes from lists of `drops`: whiskers to the least and the greatest, middle half, median."""
    quantiles = {"least": 0, "lower": 0.25, "value": 0.5, "upper": 0.75, "greatest": 1}
    drops = pl.col("drops").list
    table = rows.filter(drops.len() > 0).with_columns(
        **{
            name: drops.eval(pl.element().quantile(level, "linear")).list.first()
            for name, level in quantiles.items()
        }
    )
    base = alt.Chart(table.drop("drops"))
    layers = [
        base.mark_rule(color=SUBDUED).encode(x=like(x, "least"), x2="greatest:Q", y=y),
        base.mark_bar(color=BAR_INK, height=11).encode(x=like(x, "lower"), x2="upper:Q", y=y),
        base.mark_tick(color=INK, thickness=2, height=11).encode(x=x, y=y),
    ]
    if text is not None:
        layers.append(_beside(base, y, text))
    return alt.layer(*layers, title=panel_title(title), width=WIDTH, height=alt.Step(ROW))


def bars(
    rows: pl.DataFrame,
    value: str,
    axis: str,
    y: Any,
    title: str,
    form: str = ".2f",
    text: str | None = None,
) -> Any:
    """A panel of bars with their numbers, a number of things where the form has no decimals; text at the right."""
    known = rows.drop_nulls(value)
    if known.is_empty():
        return sentence(title, "Needs two combinations or more.")
    whole: Any = {"tickMinStep": 1} if form.endswith("d") else {}
    # Room for the number of the longest bar.
    scale = alt.Scale(domain=[0, 1.15 * (ends(known[value])[1] or 1)])
    base = alt.Chart(known).encode(
        y=y, x=alt.X(f"{value}:Q", title=axis, scale=scale).axis(tickCount=5, **whole)
    )
    numbers = base.mark_text(align="left", dx=4, fontSize=9).encode(
        text=alt.Text(f"{value}:Q", format=form)
    )
    layers = [base.mark_bar(color=BAR_INK, height=11), numbers]
    if text is not None:
        layers.append(_beside(base, y, text))
    return alt.layer(*layers, title=panel_title(title), width=WIDTH, height=alt.Step(ROW))


def _beside(base: Any, y: Any, text: str) -> Any:
    """The text of every row, at its right."""
    texts = base.mark_text(align="left", fontSize=9, color=SUBDUED)
    return texts.encode(x=alt.value(WIDTH + 6), y=y, text=f"{text}:N")


def histogram(values: Any, x: alt.X, count: str, title: str, height: int = 200) -> Any:
    """A panel of the distribution of some values, with 0 marked."""
    found = np.asarray(values, dtype=np.float64)
    heights, edges = np.histogram(found, bins=bin_edges(found))
    table = pl.DataFrame({"value": edges[:-1], "end": edges[1:], "count": heights})
    drawn = alt.Chart(table).mark_rect(color=BAR_INK, stroke="white", strokeWidth=0.5)
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=INK, strokeDash=[4, 3])
    encoded = drawn.encode(
        x=x, x2="end:Q", y=alt.Y("count:Q", title=count).axis(tickMinStep=1), y2=alt.datum(0)
    )
    return alt.layer(
        encoded, zero.encode(x=x), title=panel_title(title), width=WIDTH, height=height
    )


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of bins for some values: more bins for more values; five that span 1 where all values are the same."""
    count = min(40, max(8, round(len(values) ** 0.5)))
    low, high = float(values.min()), float(values.max())
    if high - low < ROUNDING:
        low, high = low - 0.5, high + 0.5
        count = 5
    return np.linspace(low, high, count + 1)


def sentence(title: str, text: str, width: int = WIDTH) -> Any:
    """A panel that says why there is nothing to draw."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > NOTE_LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    chart = alt.Chart(pl.DataFrame({"text": [""]})).mark_text(
        align="left", baseline="top", fontSize=11, color=SUBDUED, text=lines, lineHeight=15
    )
    place = {"x": alt.value(0), "y": alt.value(8)}
    return chart.encode(**place).properties(
        title=panel_title(title), width=width, height=20 + 15 * len(lines)
    )


def panel_title(text: str) -> alt.TitleParams:
    """A panel's title, over its whole width."""
    return alt.TitleParams(text, frame="group", anchor="start")


def figure(panels: Sequence[Any], title: str, subtitle: Sequence[str], columns: int = 2) -> Any:
    """Put panels side by side under one title, each with its own scales."""
    return titled(grid(panels, columns), title, subtitle)


def grid(panels: Sequence[Any], columns: int = 2) -> Any:
    """Put panels side by side."""
    return alt.concat(*panels, columns=columns, spacing={"column": 70, "row": 34})


def titled(whole: Any, title: str, subtitle: Sequence[str]) -> Any:
    """Give a figure of several panels its title; every panel has its own scales."""
    own = dict.fromkeys(("x", "y", "yOffset", "color", "shape", "strokeDash"), "independent")
    heading = alt.TitleParams(title, subtitle=list(subtitle), fontSize=13, offset=14)
    return whole.resolve_scale(**own).properties(title=heading)


def counted(number: int, thing: str) -> str:
    """A number of things, in the plural where it takes one."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
