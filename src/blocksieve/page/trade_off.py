"""The trade-off curve: what the best list of every size costs, beside the accepted loss."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.analysis.pruning_recommendations import DropInterval, RecommendationsDocument
from blocksieve.figures.parts import ZERO_LINE
from blocksieve.figures.theme import CATEGORIES, FULL, INK, SUBDUED
from blocksieve.units import Scale, drop_title

ON_HOLDOUT = "one list, holdout samples (chose nothing)"
ON_SEARCH = "one list, search samples (too good)"
MORE_LISTS = {
    "task_type": "a list per task type, holdout samples",
    "pooled": "a list per dataset, holdout samples",
}
# A colour and a dash for each curve, in this order.
MARKS = {
    ON_HOLDOUT: (FULL, [1, 0]),
    ON_SEARCH: (SUBDUED, [5, 4]),
    MORE_LISTS["task_type"]: (CATEGORIES[3], [8, 3]),
    MORE_LISTS["pooled"]: (CATEGORIES[4], [2, 2]),
}
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
    """What is lost at a size, and by which list; by several where each dataset has its own."""

    curve: str
    size: int
    combination: str
    drop: float | None
    low: float | None
    high: float | None


def curve_points(results: Mapping[str, Any]) -> list[CurvePoint]:
    """Return the best list of every size on holdout and on search samples, and more lists.

    `results`: of every analysis, by its name. `trade_off` has what one list per task type or per
    dataset loses on holdout samples.
    """
    document: RecommendationsDocument = results["pruning_recommendations"]
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
    if "trade_off" in results:
        points += _by_more_lists(results["trade_off"]["points"])
    return points


def _by_more_lists(points: Sequence[Mapping[str, Any]]) -> Iterator[CurvePoint]:
    for point in points:
        if point["curve"] in MORE_LISTS:
            num_lists = f"{point['combinations']} lists"
            combination = point["combination"] or num_lists
            drop: DropInterval = {
                "drop": point["drop"],
                "low": point["low"],
                "high": point["high"],
            }
            yield _point(MORE_LISTS[point["curve"]], point["size"], combination, drop)


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
    colour, dash = _curve_marks(rows["curve"].unique().to_list())
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


def _curve_marks(drawn: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Return a colour and a dash per curve that is drawn, in one legend."""
    curves = [curve for curve in MARKS if curve in drawn]
    colours = [MARKS[curve][0] for curve in curves]
    dashes = [MARKS[curve][1] for curve in curves]
    legend = alt.Legend(
        title=None,
        orient="top",
        direction="vertical",
        symbolType="stroke",
        symbolSize=500,
        # Room for the name of the limit.
        offset=20,
    )
    colour = alt.Color("curve:N").scale(domain=curves, range=colours)
    dash = alt.StrokeDash("curve:N").scale(domain=curves, range=dashes)
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
