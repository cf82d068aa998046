"""Draw what is lost, and what is gained, at every number of removed blocks."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType

from blocksieve.deployment.timing import AtBatch
from blocksieve.figures.parts import (
    LINEAR,
    LOGARITHMIC,
    TICKS,
    ZERO_LINE,
    colour_by,
    counted,
    figure,
    figure_title,
    grid,
    interval,
    panel,
    sentence,
    shape_by,
    tooltip,
)
from blocksieve.figures.theme import CATEGORIES, DASHED, INK, SUBDUED
from blocksieve.pareto import on_front
from blocksieve.units import UNITS, Scale, drop_title

TITLE = "Trade-off: what removing blocks costs, and what it saves"
CURVES = {
    "generic": "one list for all tasks",
    "task_type": "one list per task type",
    "pooled": "one list per dataset (recommended choice)",
    "own": "one list per dataset, by its own drops alone",
    "healed": "lists after healing (finetuned)",
    "whole_blocks": "whole blocks only, one list for all tasks",
}
SAID = {
    "label": "",
    "size": "blocks removed",
    "combination": "blocks",
    "drop": "mean drop",
    "interval": "95 % interval",
    "samples": "samples",
}
WHOLE_BLOCKS = "whole_blocks"
FOR_ALL = ("generic", WHOLE_BLOCKS)
SAVED = {
    "removed_parameters": "parameters saved, %",
    "removed_flops": "FLOPs per prompt token saved, %",
    "removed_kv_cache": "KV cache saved, %",
}
# Pixels.
WIDTH = 620
HEIGHT = 300
STRIP_HEIGHT = 84
SAVED_WIDTH = 178
SAVED_HEIGHT = 200
DOT = 62
RING = 260
HALO = 5
LINE = 15
# Between the curves at one number of blocks, as a share of a block.
GAP = 0.13
# Beyond this drop an axis is logarithmic, so that limits near 0 are still told apart.
STEEP = 25
# How far beyond the data a limit may lie and still be drawn, as a share of their height.
NEAR = 1.6
PERCENT = 100
MILLISECONDS = 1000

Time = Literal["first_token", "further_token"]
TIMES: dict[Time, str] = {
    "first_token": "Time to the first token",
    "further_token": "Time per further token",
}


class Interval(TypedDict):
    """A drop with the ends of its interval."""

    drop: float | None
    low: float | None
    high: float | None


class Recommended(Interval):
    """A combination that strategies recommend."""

    strategies: list[str]
    size: int
    combination: str


class TradeOff(TypedDict):
    """The parts of trade_off.json that are drawn; points follow its schema."""

    limits: dict[str, float]
    points: list[dict[str, object]]
    recommended: list[Recommended]


class Model(TypedDict):
    """What a model without some blocks takes."""

    combination: str
    size: int
    parameters: int
    at_batch: list[AtBatch]


class Conditions(TypedDict):
    """What times depend on."""

    device_name: str
    dtype: str
    threads: int


class Deployment(TypedDict):
    """The parts of deployment.json that are drawn; the first model is the whole one."""

    conditions: Conditions
    models: list[Model]


class HealedDrop(TypedDict):
    """What a list loses after healing; the mean over datasets has None for a dataset."""

    combination: str
    size: int
    dataset: str | None
    n: int
    after: float | None
    after_low: float | None
    after_high: float | None


class Healing(TypedDict):
    """The parts of healing.json that are drawn."""

    rows: list[HealedDrop]


def draw(
    document: TradeOff,
    scale: Scale,
    deployment: Deployment | None = None,
    healing: Healing | None = None,
) -> ChartType:
    """Draw the document of `trade_off`, in % of the baseline or pp.

    Times only if they were measured, and healed lists only if some were.
    """
    if not document["points"]:
        text = "No list was measured on samples that were never used to choose."
        return figure([sentence("Holdout", text)], TITLE, [])
    healed = _healed_points(healing) if healing else []
    points = pl.DataFrame([*document["points"], *healed], infer_schema_length=None)
    points = points.cast(dict.fromkeys(("drop", "low", "high", *SAVED), pl.Float64))
    points = points.drop_nulls("drop").with_columns(
        label=pl.col("curve").replace_strict(CURVES),
        interval=interval(),
        combination=pl.col("combination").fill_null("several"),
    )
    largest = int(points["size"].max())  # type: ignore[arg-type]
    x = _size_axis(largest)
    panels = [_losses(points, document, scale, x.title("blocks removed"))]
    if _says_more_than_sizes(points):
        panels.append(_by_savings(points, document["limits"], scale))
    subtitle = [_how_to_read(points)]
    if deployment is not None:
        panels.append(_parameters(deployment, x))
        panels += [_times(deployment, time, x) for time in TIMES]
        subtitle.append(_conditions(deployment))
    chart: ChartType = alt.VConcatChart(vconcat=panels, spacing=16).resolve_scale(
        color="independent",
        shape="independent",
        y="independent",
    )
    chart.title = figure_title(TITLE, subtitle)
    return chart


def _healed_points(healing: Healing) -> list[dict[str, object]]:
    """Return a point of the curve `healed` for the mean over datasets of every healed list."""
    means = [row for row in healing["rows"] if row["dataset"] is None]
    losses = [np.inf if row["after"] is None else row["after"] for row in means]
    costs = [(-float(row["size"]), loss) for row, loss in zip(means, losses, strict=True)]
    points: list[dict[str, object]] = []
    for row, is_on_front in zip(means, on_front(costs), strict=True):
        points.append(
            {
                "curve": "healed",
                "size": row["size"],
                "combination": row["combination"],
                "samples": row["n"],
                "drop": row["after"],
                "low": row["after_low"],
                "high": row["after_high"],
                "on_front": is_on_front,
            }
        )
    return points


def _how_to_read(points: pl.DataFrame) -> str:
    samples = int(points["samples"].max())  # type: ignore[arg-type]
    return (
        f"{samples:,} holdout samples, which chose nothing; bars: 95 % intervals; filled: no point"
        " of its curve loses less with as many blocks removed or more"
    )


def _conditions(deployment: Deployment) -> str:
    conditions = deployment["conditions"]
    threads = counted(conditions["threads"], "thread")
    return (
        f"times on {conditions['device_name']}, {conditions['dtype']}, {threads}:"
        " medians of whole and pruned models in turns, with 95 % intervals"
    )


def _size_axis(largest: int) -> alt.X:
    x = alt.X("x:Q", title=None)
    x = x.scale(domain=[0.5, largest + 0.5], nice=False)
    return x.axis(values=list(range(1, largest + 1)), format="d", grid=False)


def _losses(points: pl.DataFrame, document: TradeOff, scale: Scale, x: alt.X) -> ChartType:
    """Draw a curve per way of choosing, the limits, and a ring around what is recommended."""
    top = _greatest(points)
    limits = _drawn_limits(document["limits"], top)
    y = _drop_axis(points, limits, scale)
    labels = _labels(points)
    # Sizes of these count blocks, those of the other curves halves too.
    rows = points.filter(pl.col("curve") != WHOLE_BLOCKS)
    offset = pl.col("curve").replace_strict(_offsets(), return_dtype=pl.Float64)
    rows = rows.with_columns(x=pl.col("size") + offset)
    tip = tooltip(rows, SAID)
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=2,
        symbolSize=DOT,
        symbolOpacity=1,
        labelFontSize=11,
    )
    colour = colour_by("label", labels, None).legend(legend)
    shape = shape_by("label", labels, None).legend(legend)
    base = alt.Chart(rows)
    layers = [
        *_limit_layers(limits, scale, y),
        base.mark_line(strokeWidth=1.5, opacity=0.45).encode(x=x, y=y, color=colour),
        _whiskers(rows, x, y.copy(), colour).encode(tooltip=tip),
        *[dots.encode(tooltip=tip) for dots in _dots(rows, x, y, colour, shape)],
        *_rings(document["recommended"], rows, x, y),
    ]
    beyond = [name for name in document["limits"] if name not in limits]
    title = f"{drop_title(scale, 'mean')} on holdout samples".capitalize()
    if beyond:
        names = ", ".join(f"{name} {document['limits'][name]:g}" for name in beyond)
        title += f"; limits beyond the axis: {names} {UNITS[scale]}"
    return panel(layers, title, width=WIDTH, height=HEIGHT)


def _labels(points: pl.DataFrame) -> list[str]:
    drawn = set(points["curve"])
    return [label for curve, label in CURVES.items() if curve in drawn]


def _says_more_than_sizes(points: pl.DataFrame) -> bool:
    """Return whether lists of one size save different shares of the parameters."""
    # Means of equal shares differ by rounding.
    share = pl.col("removed_parameters").round(6).drop_nulls()
    num_shares = points.group_by("size").agg(share.n_unique())["removed_parameters"]
    return bool((num_shares > 1).any())


def _by_savings(points: pl.DataFrame, limits: Mapping[str, float], scale: Scale) -> ChartType:
    """Draw what lists for all tasks lose against what they save, a panel per kind of saving."""
    y = _drop_axis(points, _drawn_limits(limits, _greatest(points)), scale)
    colour = colour_by("label", _labels(points), None)
    shape = shape_by("label", _labels(points), None)
    panels: list[ChartType] = []
    for share, saved in SAVED.items():
        rows = points.filter(pl.col("curve").is_in(FOR_ALL)).drop_nulls(share)
        if rows.is_empty():
            continue
        rows = rows.with_columns(x=PERCENT * pl.col(share))
        x = alt.X("x:Q", title=saved).scale(zero=True, nice=True, padding=8).axis(grid=False)
        tip = tooltip(rows, SAID)
        layers = [
            alt.Chart(rows).mark_line(strokeWidth=1.5, opacity=0.45).encode(x=x, y=y, color=colour),
            _whiskers(rows, x, y.copy(), colour, opacity=0.6).encode(tooltip=tip),
            *[dots.encode(tooltip=tip) for dots in _dots(rows, x, y, colour, shape)],
        ]
        title = "" if panels else "The same by what one list for all saves"
        panels.append(panel(layers, title, width=SAVED_WIDTH, height=SAVED_HEIGHT))
        # One title of the axis serves all.
        y = y.copy().title(None)
    return grid(panels, columns=len(SAVED))


def _offsets() -> dict[str, float]:
    middle = (len(CURVES) - 1) / 2
    return {curve: GAP * (place - middle) for place, curve in enumerate(CURVES)}


def _greatest(points: pl.DataFrame) -> float:
    highs = points.select(pl.max_horizontal("drop", "high"))
    return float(highs.to_series().max())  # type: ignore[arg-type]


def _drawn_limits(limits: Mapping[str, float], top: float) -> dict[str, float]:
    """Return the limits that data reach or come near to, and the least one in any case."""
    end = max(NEAR * top, min(limits.values()))
    return {name: limit for name, limit in limits.items() if limit <= end}


def _drop_axis(points: pl.DataFrame, limits: Mapping[str, float], scale: Scale) -> alt.Y:
    lows = points.select(pl.min_horizontal("drop", "low")).to_series()
    low = min(0.0, float(lows.min()))  # type: ignore[arg-type]
    high = max(_greatest(points), 1.0, *limits.values())
    y = alt.Y("drop:Q", title=drop_title(scale))
    domain = [low - 0.03 * (high - low), high + 0.15 * (high - low)]
    if high <= STEEP:
        return y.scale(domain=domain, nice=False).axis(gridColor=ZERO_LINE, tickCount=7)
    y = y.title(f"{drop_title(scale)}, {LOGARITHMIC}")
    y = y.scale(type="symlog", constant=LINEAR, domain=domain, nice=False)
    return y.axis(gridColor=ZERO_LINE, values=TICKS)


def _limit_layers(limits: Mapping[str, float], scale: Scale, y: alt.Y) -> list[ChartType]:
    rows = []
    for name, limit in limits.items():
        text = f"{name} limit, {limit:g} {UNITS[scale]}"
        rows.append({"drop": float(limit), "text": text})
    if not rows:
        return []
    base = alt.Chart(pl.DataFrame(rows))
    lines = base.mark_rule(color=SUBDUED, strokeDash=DASHED)
    names = base.mark_text(
        align="left",
        baseline="middle",
        dx=6,
        color=SUBDUED,
        fontSize=10,
    )
    return [lines.encode(y=y), names.encode(x=alt.value(WIDTH), y=y, text="text:N")]


def _whiskers(
    rows: pl.DataFrame, x: alt.X, y: alt.Y, colour: alt.Color, opacity: float = 0.75
) -> alt.Chart:
    with_interval = alt.Chart(rows.drop_nulls(["low", "high"]))
    y.shorthand = "low:Q"
    bars = with_interval.mark_rule(strokeWidth=2, opacity=opacity)
    chart: alt.Chart = bars.encode(x=x, y=y, y2="high:Q", color=colour)
    return chart


def _dots(
    rows: pl.DataFrame, x: alt.X, y: alt.Y, colour: alt.Color, shape: alt.Shape
) -> list[alt.Chart]:
    """Draw filled dots on the curves' fronts, and open ones behind them."""
    open_dots = alt.Chart(rows.filter(~pl.col("on_front")))
    open_dots = open_dots.mark_point(size=DOT, fill="white", opacity=1, strokeWidth=1.8)
    filled = alt.Chart(rows.filter("on_front"))
    filled = filled.mark_point(size=DOT, filled=True, opacity=1)
    return [
        open_dots.encode(x=x, y=y, color=colour, shape=shape),
        filled.encode(x=x, y=y, color=colour, shape=shape),
    ]


def _rings(
    recommended: Sequence[Recommended], points: pl.DataFrame, x: alt.X, y: alt.Y
) -> list[ChartType]:
    """Draw rings around the recommended lists, among the generic ones, and name each above it."""
    layers: list[ChartType] = []
    middle = (points["size"].max() + 1) / 2  # type: ignore[operator]
    for place, each in enumerate(recommended):
        strategies = ", ".join(each["strategies"])
        row = {
            "x": each["size"] + _offsets()["generic"],
            "drop": each["drop"],
            "top": _greatest(points.filter(size=each["size"])),
            "text": f"{strategies}: remove {each['combination']}",
        }
        base = alt.Chart(pl.DataFrame([row]))
        top = y.copy()
        top.shorthand = "top:Q"
        names = _name(base, place, is_at_right=bool(each["size"] > middle))
        names = names.encode(x=x, y=top, text="text:N")
        # Curves that pass behind a name must not cut its letters.
        halos = names.copy()
        halos.mark.stroke = "white"
        halos.mark.strokeWidth = HALO
        rings = base.mark_point(size=RING, shape="circle", color=INK, strokeWidth=1.6)
        layers += [rings.encode(x=x, y=y), halos, names]
    return layers


def _name(base: alt.Chart, place: int, is_at_right: bool) -> alt.Chart:
    """Return the name above a ring; in the right half it extends to the left."""
    chart: alt.Chart = base.mark_text(
        align="right" if is_at_right else "left",
        baseline="bottom",
        # Names of neighbours as high as each other stand one above the other.
        dy=-8 - LINE * place,
        dx=54 if is_at_right else -14,
        fontSize=11,
        fontWeight="bold",
        color=INK,
    )
    return chart


def _parameters(deployment: Deployment, x: alt.X) -> ChartType:
    whole, *pruned = deployment["models"]
    rows = []
    for model in pruned:
        share = PERCENT * model["parameters"] / whole["parameters"]
        rows.append({"x": float(model["size"]), "share": share})
    # Numbers stand below their dots.
    y = _share_axis(padding=18)
    base = alt.Chart(pl.DataFrame(rows)).encode(x=x, y=y)
    numbers = base.mark_text(dy=13, fontSize=10, color=INK)
    layers = [
        _whole_line(y),
        base.mark_line(strokeWidth=1.5, opacity=0.45, color=INK),
        base.mark_point(size=DOT, filled=True, opacity=1, color=INK),
        numbers.encode(text=alt.Text("share:Q", format=".0f")),
    ]
    millions = whole["parameters"] / 1e6
    title = f"Parameters, % of the whole model's {millions:,.1f} million"
    return panel(layers, title, width=WIDTH, height=STRIP_HEIGHT)


def _times(deployment: Deployment, time: Time, x: alt.X) -> ChartType:
    """Draw a time of every model as a share of the whole one's, a curve per batch size."""
    whole, *pruned = deployment["models"]
    rows = []
    labels = []
    for place, at_batch in enumerate(whole["at_batch"]):
        milliseconds = MILLISECONDS * at_batch[time]["seconds"]["median"]
        digits = 0 if milliseconds >= 100 else 1
        label = f"{_batch_name(at_batch)}: 100 % is {milliseconds:,.{digits}f} ms"
        labels.append(label)
        for model in pruned:
            of_whole = model["at_batch"][place][time]["of_whole"]
            rows.append(
                {
                    "x": model["size"] + GAP * (place - 0.5),
                    "label": label,
                    "share": PERCENT * of_whole["median"],
                    "low": PERCENT * of_whole["low"],
                    "high": PERCENT * of_whole["high"],
                }
            )
    table = pl.DataFrame(rows)
    legend = alt.Legend(title=None, symbolSize=DOT, symbolOpacity=1)
    colours = alt.Scale(domain=labels, range=CATEGORIES[5:])
    colour = alt.Color("label:N", scale=colours, legend=legend)
    shape = shape_by("label", labels, None).legend(legend)
    y = _share_axis()
    base = alt.Chart(table).encode(x=x, color=colour)
    layers = [
        _whole_line(y),
        base.mark_line(strokeWidth=1.5, opacity=0.45).encode(y=y),
        _whiskers(table, x, _share_axis(), colour),
        base.mark_point(size=DOT, filled=True, opacity=1).encode(y=y, shape=shape),
    ]
    title = f"{TIMES[time]}, % of the whole model's"
    return panel(layers, title, width=WIDTH, height=STRIP_HEIGHT)


def _batch_name(at_batch: AtBatch) -> str:
    size = at_batch["batch_size"]
    return "one prompt" if size == 1 else f"{size} prompts at once"


def _share_axis(padding: int = 10) -> alt.Y:
    y = alt.Y("share:Q", title=None).scale(zero=False, nice=True, padding=padding)
    return y.axis(tickCount=4, labelExpr="datum.label + ' %'")


def _whole_line(y: alt.Y) -> ChartType:
    line = alt.Chart(pl.DataFrame({"share": [100.0]})).mark_rule(color=SUBDUED, strokeDash=DASHED)
    chart: ChartType = line.encode(y=y)
    return chart
