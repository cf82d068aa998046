"""The report's sections on routing: how well prompts tell their task type, and what that saves."""

from typing import TypedDict

from blocksieve.report.columns import (
    INTERVAL,
    Column,
    Record,
    count,
    interval,
    lift,
    share,
    signed,
    table_section,
    text,
)
from blocksieve.report.numbers import UNKNOWN, percent, percent_bracket
from blocksieve.report.section import Section

ACCURACY_KEYS = ("prompts", "accuracy", "low", "high", "routed", "error")
DROP_KEYS = ("drop", "low", "high")
POLICIES = {"generic": "generic", "hybrid": "router", "task": "type known", "gain": "gain"}
"""Keys of a size's mean drops, and the headings of their columns."""


class Detection(TypedDict):
    """How often the router detects a prompt's task type."""

    threshold: float | None
    unseen: Record
    holdout: Record
    seen: float | None
    types: list[Record]


class Routing(TypedDict):
    """What the report reads of the document `routing`."""

    notes: list[str]
    detection: Detection | None
    sizes: list[Record]


def sections(document: Routing, unit: str) -> list[Section]:
    """Return how well the router detects task types, and what it saves on holdout samples."""
    return [
        _detection(document["detection"], document["notes"]),
        _mean_drops(document["sizes"], unit),
    ]


def _detection(detection: Detection | None, missing: list[str]) -> Section:
    """Return accuracies by task type; `missing`: sentences that say what is not known."""
    title = (
        "Routing by the prompt: detection of the task type, on unseen wordings and on holdout"
        " prompts"
    )
    if detection is None:
        return Section(title=title, notes=missing)
    overall = {"task_type": "all", "wordings": UNKNOWN, **detection}
    records = []
    for entry in (*detection["types"], overall):
        with_unseen = lift(entry, "unseen", ACCURACY_KEYS)
        records.append(lift(with_unseen, "holdout", ACCURACY_KEYS))
    columns = [
        text("task type"),
        text("wordings"),
        *_accuracy_columns("unseen"),
        *_accuracy_columns("holdout"),
    ]
    return table_section(
        title=title,
        notes=[*missing, *_rule(detection), *_untried(detection)],
        columns=columns,
        records=records,
    )


def _accuracy_columns(prompts: str) -> list[Column]:
    """Return the columns of a kind of prompts, unseen or holdout."""
    low, high = f"{prompts}_low", f"{prompts}_high"
    return [
        count(prompts, f"{prompts}_prompts"),
        share("right %", f"{prompts}_accuracy"),
        Column(INTERVAL, lambda record: percent_bracket(record[low], record[high])),
        share("routed %", f"{prompts}_routed"),
        share("wrong %", f"{prompts}_error"),
    ]


def _rule(detection: Detection) -> list[str]:
    """Say when a prompt takes its task type's list, and how that was chosen."""
    threshold, unseen = detection["threshold"], detection["unseen"]
    if not unseen["prompts"]:
        return []
    if threshold is None:
        rule = (
            "no confidence keeps the errors low enough, so that every prompt takes the generic list"
        )
    else:
        rule = (
            f"a prompt takes its task type's list from a confidence of {threshold:.2f};"
            f" of unseen wordings {percent(unseen['routed'], digits=0)} % do,"
            f" {percent(unseen['error'])} % of them wrongly"
        )
    notes = [
        "unseen: search prompts, each detected by a router fitted without its wording;"
        f" these chose the threshold. The rule: {rule}."
    ]
    if detection["holdout"]["prompts"]:
        notes.append(
            "holdout: prompts of samples never used; the router knows the wording of"
            f" {percent(detection['seen'])} %."
        )
    return notes


def _untried(detection: Detection) -> list[str]:
    """Name the task types that cannot be tried on unseen wordings."""
    single = [entry["task_type"] for entry in detection["types"] if entry["wordings"] < 2]
    if not single:
        return []
    return [f"Prompts of one wording only, so not tried on unseen ones: {', '.join(single)}."]


def _mean_drops(sizes: list[Record], unit: str) -> Section:
    columns = [text("removed", "size")]
    records = [lift(entry, "hybrid", ["changed"]) for entry in sizes]
    for key, heading in POLICIES.items():
        records = [lift(record, key, DROP_KEYS) for record in records]
        columns += [signed(heading, f"{key}_drop"), interval(key)]
    columns.append(share("changed %", "hybrid_changed", digits=0))
    notes = []
    if sizes:
        notes.append("gain: what the router loses less than the generic list, on the same samples.")
    return table_section(
        title=f"Routing by the prompt: mean holdout drop, {unit}",
        notes=notes,
        columns=columns,
        records=records,
    )
