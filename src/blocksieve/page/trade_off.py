"""The trade-off curve: what the best list of every size costs, beside the accepted loss."""

from collections.abc import Sequence
from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.analysis.pruning_recommendations import DropInterval, RecommendationsDocument
from blocksieve.figures.parts import ZERO_LINE
from blocksieve.figures.theme import FULL, INK, SUBDUED
from blocksieve.units import Scale, drop_title

ON_HOLDOUT = "holdout samples, which chose nothing"
ON_SEARCH = "search samples, which chose it (too good)"
HEIGHT = 320
FONT_SIZE = 13
LIMIT_INK = "#a33b0a"
SCHEMA = {
    "curve": pl.String,
    "size": pl.Int64,
    "combination": pl.String,
    "drop": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


class CurvePoint(TypedDict):
    """A list on a curve, and its mean drop."""

    curve: str
    size: int
    combination: str
    drop: float | None
    low: float | None
    high: float | None


def curve_points(document: RecommendationsDocument) -> list[CurvePoint]:
    """Return the best list of every size as holdout samples and as search samples see it."""
    points = []
    for best in document["sizes"]:
        on_search: DropInterval = {
            "drop": best["drop"],
            "low": best["low"],
            "high": best["high"],
        }
        drops = {ON_HOLDOUT: best["holdout"], ON_SEARCH: on_search}
        for curve, drop in drops.items():
            if drop is not None:
                points.append(_point(curve, best["size"], best["combination"], drop))
    return points


def _point(curve: str, size: int, combination: str, drop: DropInterval) -> CurvePoint:
    return {
        "curve": curve,
        "size": size,
        "combination": combination,
        "drop": drop["drop"],
        "low": drop["low"],
        "high": drop["high"],
    }


def draw(points: Sequence[CurvePoint], scale: Scale) -> ChartType:
    """Draw the curves; the page sets `limit`, and `size` of the answer, as the slider moves."""
    rows = pl.DataFrame(points, schema=SCHEMA)
    y = alt.Y("drop:Q", title=drop_title(scale, "mean")).axis(gridColor=ZERO_LINE)
    colour, dash = _curve_marks()
    base = alt.Chart(rows).encode(
        x=_sizes_axis(rows["size"]),
        color=colour,
        tooltip=_tooltip(),
    )
    judged = base.transform_filter(alt.datum.curve == ON_HOLDOUT)
    bars = judged.mark_rule(strokeWidth=2.5)
    lines = base.mark_line(strokeWidth=2)
    dots = base.mark_point(filled=True, size=60, opacity=1)
    rings = judged.mark_point(filled=False, size=320, strokeWidth=2)
    is_chosen = alt.condition("datum.size === size", alt.value(1), alt.value(0))
    layers = [
        *_limit(),
        bars.encode(y="low:Q", y2="high:Q"),
        lines.encode(y=y, strokeDash=dash),
        dots.encode(y=y),
        rings.encode(y=y, color=alt.value(INK), opacity=is_chosen),
    ]
    chart: ChartType = alt.layer(*layers).properties(width="container", height=HEIGHT)
    chart = chart.add_params(alt.param("limit", value=0), alt.param("size", value=0))
    chart = chart.configure_axis(labelFontSize=FONT_SIZE, titleFontSize=FONT_SIZE)
    with_legend: ChartType = chart.configure_legend(labelFontSize=FONT_SIZE)
    return with_legend


def _sizes_axis(sizes: pl.Series) -> alt.X:
    numbers = sizes.unique().sort().to_list() or [1]
    x = alt.X("size:Q", title="blocks removed")
    x = x.scale(domain=[numbers[0] - 0.3, numbers[-1] + 0.3], nice=False)
    return x.axis(values=numbers, format="d", grid=False)


def _curve_marks() -> tuple[alt.Color, alt.StrokeDash]:
    """Return a colour and a dash per curve, in one legend."""
    curves = [ON_HOLDOUT, ON_SEARCH]
    legend = alt.Legend(
        title=None,
        orient="top",
        direction="vertical",
        symbolType="stroke",
        symbolSize=500,
    )
    colour = alt.Color("curve:N").scale(domain=curves, range=[FULL, SUBDUED])
    dash = alt.StrokeDash("curve:N").scale(domain=curves, range=[[1, 0], [5, 4]])
    return colour.legend(legend), dash.legend(legend)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("combination:N", title="list"),
        alt.Tooltip("curve:N", title="measured on"),
        alt.Tooltip("drop:Q", format="+.2f"),
        alt.Tooltip("low:Q", title="95 % from", format="+.2f"),
        alt.Tooltip("high:Q", title="to", format="+.2f"),
    ]


def _limit() -> list[ChartType]:
    """Draw the accepted loss as a line with its name."""
    row = alt.Chart(pl.DataFrame({"place": [0]})).transform_calculate(limit="limit")
    line = row.mark_rule(strokeDash=[6, 4], color=LIMIT_INK, strokeWidth=1.5)
    name = row.mark_text(
        align="right",
        baseline="bottom",
        dx=-4,
        dy=-3,
        color=LIMIT_INK,
        fontSize=FONT_SIZE,
    )
    return [
        line.encode(y="limit:Q"),
        name.encode(x=alt.value("width"), y="limit:Q", text=alt.value("accepted loss")),
    ]
