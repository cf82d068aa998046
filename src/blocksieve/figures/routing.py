"""Draw how well the router detects task types, and what its choice of lists saves."""

from collections.abc import Mapping
from typing import Literal, TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    colour_by,
    counted,
    drop_axis,
    estimates,
    figure,
    names_axis,
    panel,
    sentence,
    shape_by,
    tooltip,
)
from blocksieve.figures.theme import FULL, INK, SUBDUED
from blocksieve.units import PERCENT, Scale

TITLE = "Routing: does the prompt tell which list of blocks to remove?"
CURVE_HEIGHT = 200
CELL = 52
# Between the dots of one row.
GAP = 9

Prompts = Literal["unseen", "holdout"]
Loss = Literal["generic", "hybrid", "task", "gain", "possible"]
"""What each policy loses, and how much less than generic hybrid and task do."""

PROMPTS: dict[Prompts, str] = {
    "unseen": "wordings that the router has not seen",
    "holdout": "holdout prompts",
}
POLICIES: dict[Loss, str] = {
    "generic": "always generic",
    "hybrid": "router (hybrid)",
    "task": "task known (oracle)",
}
GAINS: dict[Loss, str] = {"gain": POLICIES["hybrid"], "possible": POLICIES["task"]}


class Accuracy(TypedDict):
    """How often the detected task type is right; without prompts, shares are None."""

    prompts: int
    wordings: int
    accuracy: float | None
    low: float | None
    high: float | None
    routed: float | None
    error: float | None


class TaskType(TypedDict):
    """How often prompts of one task type are detected."""

    task_type: str
    unseen: Accuracy
    holdout: Accuracy


class Detection(TypedDict):
    """How well the router detects task types."""

    threshold: float | None
    unseen: Accuracy
    holdout: Accuracy
    types: list[TaskType]
    confusion: list[dict[str, object]]
    curve: list[dict[str, float]]


class Drop(TypedDict):
    """A mean drop, or how much less one is, with its interval."""

    drop: float
    low: float | None
    high: float | None


class Size(TypedDict):
    """What each policy loses at one number of removed blocks, and what it gains on generic."""

    size: int
    generic: Drop
    hybrid: Drop
    task: Drop
    gain: Drop
    possible: Drop


class Routing(TypedDict):
    """The parts of routing.json that are drawn."""

    notes: list[str]
    detection: Detection | None
    sizes: list[Size]


def draw(document: Routing, scale: Scale) -> ChartType:
    """Draw the document of `routing`, in % of the baseline or pp."""
    panels: list[ChartType] = []
    subtitle = []
    if document["notes"]:
        panels.append(sentence("Routing", " ".join(document["notes"])))
    if document["detection"]:
        panels += _detection_panels(document["detection"])
        subtitle.append(_rule(document["detection"]))
    if document["sizes"]:
        panels += _drop_panels(document["sizes"], scale)
    return figure(panels, TITLE, subtitle)


def _rule(detection: Detection) -> str:
    """Say which prompts take the list of their task type."""
    rule = "every prompt takes the generic list"
    if detection["threshold"] is not None:
        rule = f"confidence from {detection['threshold']:.2f}"
    return f"a prompt takes its task type's list where the router is sure enough: {rule}"


def _detection_panels(detection: Detection) -> list[ChartType]:
    panels = [_accuracy(detection)]
    if detection["curve"]:
        panels.append(_curve(detection))
    for prompts in PROMPTS:
        if detection[prompts]["prompts"]:
            panels.append(_confusion(detection, prompts))
    return panels


def _accuracy(detection: Detection) -> ChartType:
    """Draw the share detected rightly of every task type and of all."""
    rows = []
    for task_type in detection["types"]:
        rows += _accuracy_rows(task_type["task_type"], task_type)
    rows += _accuracy_rows("all", detection)
    # Intervals that are all unknown have no type of their own.
    table = pl.DataFrame(rows, infer_schema_length=None).cast({"low": float, "high": float})
    title = "share detected rightly, 95 % interval clustered by wording"
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, 1]))
    x = x.axis(format="%", tickCount=5)
    y = names_axis("name", table["name"].unique(maintain_order=True).to_list())
    return _side_by_side(
        table.drop_nulls("value"),
        x,
        y,
        "Detection of the task type",
        column="tried",
        names=list(PROMPTS.values()),
        legend="prompts",
    )


def _accuracy_rows(name: str, detected: Detection | TaskType) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for prompts, label in PROMPTS.items():
        accuracy = detected[prompts]
        rows.append(
            {
                "name": name,
                "tried": label,
                "low": accuracy["low"],
                "high": accuracy["high"],
                "wordings": accuracy["wordings"],
                "value": accuracy["accuracy"],
            }
        )
    return rows


def _curve(detection: Detection) -> ChartType:
    """Draw the error against the coverage over all thresholds, and where the router stands."""
    coverage = (
        alt.X("coverage:Q")
        .title("share of prompts that take their task type's list")
        .axis(format="%", tickCount=5)
    )
    error = alt.Y("error:Q").title("of these, share of another type").axis(format="%", tickCount=5)
    curve = alt.Chart(pl.DataFrame(detection["curve"]))
    line = curve.mark_line(
        color=FULL,
        interpolate="step-after",
        point=alt.OverlayMarkDef(size=18, color=FULL),
    )
    layers = [line.encode(x=coverage.scale(domain=[0, 1]), y=error)]
    if detection["threshold"] is not None:
        unseen = detection["unseen"]
        router = {"coverage": unseen["routed"], "error": unseen["error"]}
        circle = alt.Chart(pl.DataFrame([router]))
        circle = circle.mark_point(size=110, color=INK, strokeWidth=2)
        layers.append(circle.encode(x=coverage, y=error))
    title = "Error by coverage, unseen wordings; circle: the router"
    return panel(layers, title, height=CURVE_HEIGHT)


def _confusion(detection: Detection, prompts: Prompts) -> ChartType:
    """Draw the detected by the true task type, as shares of the true one."""
    rows = pl.DataFrame([row for row in detection["confusion"] if row["tried"] == prompts])
    share = pl.col("prompts") / pl.sum("prompts").over("task_type")
    types = [task_type["task_type"] for task_type in detection["types"]]
    x = alt.X("detected:N", title="detected")
    x = x.scale(domain=types).axis(labelAngle=-30, grid=False)
    y = alt.Y("task_type:N", title="true")
    tried = [task_type for task_type in types if task_type in set(rows["task_type"])]
    y = y.scale(domain=tried).axis(grid=False)
    shade = alt.Color("share:Q", legend=None)
    shade = shade.scale(scheme="blues", domain=[0, PERCENT])
    number_colour = alt.condition("datum.share > 50", alt.value("white"), alt.value(INK))
    shares = rows.with_columns(share=PERCENT * share)
    said = {"task_type": "true", "detected": "detected", "prompts": "prompts", "share": "%"}
    base = alt.Chart(shares).encode(x=x, y=y, tooltip=tooltip(shares, said))
    layers = [
        base.mark_rect().encode(color=shade),
        base.mark_text(fontSize=9).encode(text="prompts:Q", color=number_colour),
    ]
    num_prompts = counted(detection[prompts]["prompts"], "prompt")
    title = f"{PROMPTS[prompts].capitalize()}: {num_prompts}"
    return panel(
        layers,
        title,
        width=alt.Step(CELL),
        height=alt.Step(24),
    )


def _drop_panels(sizes: list[Size], scale: Scale) -> list[ChartType]:
    x = drop_axis(scale, "mean")
    gain_title = "Loses less than the generic list by, on the same samples"
    return [
        _policies(sizes, POLICIES, x, "Mean holdout drop, 95 % interval", "list"),
        _policies(sizes, GAINS, x, gain_title, None),
    ]


def _policies(
    sizes: list[Size],
    labels: Mapping[Loss, str],
    x: alt.X,
    title: str,
    legend: str | None,
) -> ChartType:
    """Draw what policies lose, or gain, at each size."""
    rows = []
    for size in sizes:
        for loss, label in labels.items():
            rows.append(
                {
                    "size": f"{size['size']} removed",
                    "policy": label,
                    "value": size[loss]["drop"],
                    "low": size[loss]["low"],
                    "high": size[loss]["high"],
                }
            )
    # Intervals that are all unknown have no type of their own.
    table = pl.DataFrame(rows, infer_schema_length=None).cast({"low": float, "high": float})
    y = names_axis("size", table["size"].unique(maintain_order=True).to_list())
    names = list(POLICIES.values())
    chart = _side_by_side(
        table,
        x,
        y,
        title,
        column="policy",
        names=names,
        legend=legend,
    )
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=SUBDUED)
    chart.layer.insert(0, zero.encode(x=x))
    return chart


def _side_by_side(
    rows: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    title: str,
    *,
    column: str,
    names: list[str],
    legend: str | None,
) -> alt.LayerChart:
    """Draw estimates of some names in each row of a panel, told apart by colour and shape."""
    chart = estimates(
        rows,
        x,
        y,
        title,
        colour=colour_by(column, names, legend),
        shape=shape_by(column, names, legend),
        y_offset=alt.YOffset(f"{column}:N", scale=alt.Scale(domain=names)),
    )
    # One gap more than names, so that rows stay apart.
    chart.height = alt.Step(GAP * (len(names) + 1), **{"for": "position"})
    return chart
