"""Draw how well the router detects task types, and what its choice of lists saves."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    colour,
    counted,
    drop_axis,
    estimates,
    figure,
    panel_title,
    rows_axis,
    sentence,
    shape,
)
from blocksieve.figures.theme import FULL, INK, SUBDUED

TITLE = "Routing: does the prompt tell which list of blocks to remove?"
POLICIES = {"generic": "always generic", "hybrid": "router (hybrid)", "task": "task known (oracle)"}
GAINS = {"gain": POLICIES["hybrid"], "possible": POLICIES["task"]}
TRIED = {"unseen": "wordings that the router has not seen", "holdout": "holdout prompts"}
SIDE, GAP = 200, 9


def draw(document: Mapping[str, Any], scale: Scale) -> Any:
    """Draw the document of `routing`, in % of the baseline or pp."""
    detection, sizes = document["detection"], document["sizes"]
    panels = [sentence("Routing", " ".join(document["notes"]))] if document["notes"] else []
    if detection:
        panels += [_accuracy(detection)]
        panels += [_curve(detection)] if detection["curve"] else []
        panels += [_confusion(detection, tried) for tried in TRIED if detection[tried]["prompts"]]
    if sizes:
        x = drop_axis(scale, "mean")
        panels += [_policies(sizes, POLICIES, x, "Mean holdout drop, 95 % interval", "list")]
        panels += [
            _policies(
                sizes, GAINS, x, "Loses less than the generic list by, on the same samples", None
            )
        ]
    return figure(panels, TITLE, _subtitle(document))


def _subtitle(document: Mapping[str, Any]) -> list[str]:
    detection = document["detection"]
    if not detection:
        return []
    threshold = detection["threshold"]
    rule = (
        "every prompt takes the generic list"
        if threshold is None
        else f"confidence from {threshold:.2f}"
    )
    return [f"a prompt takes its task type's list where the router is sure enough: {rule}"]


def _accuracy(detection: Mapping[str, Any]) -> Any:
    """Of every task type and of all, on unseen wordings and on holdout prompts."""
    named = [*((entry["task_type"], entry) for entry in detection["types"]), ("all", detection)]
    rows = [
        {
            "name": name,
            "tried": TRIED[tried],
            **{key: entry[tried][key] for key in ("low", "high", "wordings")},
        }
        | {"value": entry[tried]["accuracy"]}
        for name, entry in named
        for tried in TRIED
    ]
    table = (
        pl.DataFrame(rows, infer_schema_length=None)
        .drop_nulls("value")
        .cast({"low": float, "high": float})
    )
    x = alt.X("value:Q", title="share detected rightly, 95 % interval clustered by wording").axis(
        format="%", tickCount=5
    )
    order = list(TRIED.values())
    y = rows_axis("name", [name for name, _ in named])
    title = "Detection of the task type"
    return _side_by_side(table, x.scale(domain=[0, 1]), y, title, "tried", order, "prompts")


def _curve(detection: Mapping[str, Any]) -> Any:
    """Coverage against error over the thresholds, and where the router stands."""
    rows = pl.DataFrame(detection["curve"])
    x = alt.X("coverage:Q", title="share of prompts that take their task type's list").axis(
        format="%", tickCount=5
    )
    y = alt.Y("error:Q", title="of these, share of another type").axis(format="%", tickCount=5)
    line = alt.Chart(rows).mark_line(
        color=FULL, interpolate="step-after", point=alt.OverlayMarkDef(size=18, color=FULL)
    )
    layers = [line.encode(x=x.scale(domain=[0, 1]), y=y)]
    if detection["threshold"] is not None:
        chosen = pl.DataFrame(
            {"coverage": [detection["unseen"]["routed"]], "error": [detection["unseen"]["error"]]}
        )
        dot = alt.Chart(chosen).mark_point(size=110, color=INK, strokeWidth=2)
        layers.append(dot.encode(x=x, y=y))
    title = "Coverage and error over the confidence, unseen wordings; circle: the router"
    return alt.layer(*layers, title=panel_title(title), width=330, height=SIDE)


def _confusion(detection: Mapping[str, Any], tried: str) -> Any:
    """Detected by true task type, as shares of the true one."""
    rows = pl.DataFrame([entry for entry in detection["confusion"] if entry["tried"] == tried])
    rows = rows.with_columns(share=pl.col("prompts") / pl.sum("prompts").over("task_type"))
    names = [entry["task_type"] for entry in detection["types"]]
    x = alt.X("detected:N", title="detected", scale=alt.Scale(domain=names)).axis(
        labelAngle=-30, grid=False
    )
    y = alt.Y("task_type:N", title="true", scale=alt.Scale(domain=names)).axis(grid=False)
    shade = alt.Color("share:Q", legend=None, scale=alt.Scale(scheme="blues", domain=[0, 1]))
    base = alt.Chart(rows).encode(x=x, y=y)
    dark = alt.condition("datum.share > 0.5", alt.value("white"), alt.value(INK))
    layers = (
        base.mark_rect().encode(color=shade),
        base.mark_text(fontSize=9).encode(text="prompts:Q", color=dark),
    )
    title = f"{TRIED[tried].capitalize()}: {counted(detection[tried]['prompts'], 'prompt')}"
    return alt.layer(*layers, title=panel_title(title), width=alt.Step(48), height=alt.Step(24))


def _policies(
    sizes: list[dict[str, Any]], names: Mapping[str, str], x: alt.X, title: str, legend: str | None
) -> Any:
    rows = [
        {"size": f"{entry['size']} removed", "policy": name, "value": entry[key]["drop"]}
        | {end: entry[key][end] for end in ("low", "high")}
        for entry in sizes
        for key, name in names.items()
    ]
    table = pl.DataFrame(rows, infer_schema_length=None).cast({"low": float, "high": float})
    y = rows_axis("size", [f"{entry['size']} removed" for entry in sizes])
    panel = _side_by_side(table, x, y, title, "policy", list(POLICIES.values()), legend)
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color=SUBDUED).encode(x=x)
    panel.layer.insert(0, zero)
    return panel


def _side_by_side(
    rows: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    title: str,
    field: str,
    order: list[str],
    legend: str | None,
) -> Any:
    """Several estimates in one row of a panel, told apart by colour and shape."""
    looks: dict[str, Any] = {
        "color": colour(field, order, legend),
        "shape": shape(field, order, legend),
    }
    looks["yOffset"] = alt.YOffset(f"{field}:N", scale=alt.Scale(domain=order))
    step = alt.Step(GAP * (len(order) + 1), **{"for": "position"})
    return estimates(rows, x, y, title, **looks).properties(height=step)
