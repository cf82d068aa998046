"""The report's sections on routing: how well the prompt tells the task type, and what that saves."""

from collections.abc import Mapping
from typing import Any

from blocksieve.report.numbers import estimate
from blocksieve.report.section import Section


def routing(found: Mapping[str, Any]) -> list[Section]:
    """How well the router detects task types, and what it saves on holdout samples."""
    unit, detection, said = found["unit"], found["detection"], list(found["notes"])
    types: list[tuple[str, ...]] = []
    if detection:
        types = [
            (
                name,
                str(entry.get("wordings", "-")),
                *_detected(entry["unseen"]),
                *_detected(entry["holdout"]),
            )
            for name, entry in [
                *((entry["task_type"], entry) for entry in detection["types"]),
                ("all", detection),
            ]
        ]
        single = [entry["task_type"] for entry in detection["types"] if entry["wordings"] < 2]
        said += _rule(detection) + (
            [f"Prompts of one wording only, so not tried on unseen ones: {', '.join(single)}."]
            if single
            else []
        )
    drops = [
        (
            str(entry["size"]),
            *(
                text
                for name in ("generic", "hybrid", "task")
                for text in estimate(entry[name], "drop")
            ),
            *(*estimate(entry["gain"], "drop"), f"{100 * entry['hybrid']['changed']:.0f}"),
        )
        for entry in found["sizes"]
    ]
    tried = ("right %", "95 % interval", "routed %", "wrong %")
    between = ("95 % interval",)
    return [
        Section(
            "Routing by the prompt: detection of the task type, on unseen wordings and on holdout prompts",
            *(said, ("task type", "wordings", "unseen", *tried, "holdout", *tried), types, 1),
        ),
        Section(
            f"Routing by the prompt: mean holdout drop, {unit}",
            ["gain: what the router loses less than the generic list, on the same samples."]
            if drops
            else [],
            (
                "removed",
                "generic",
                *between,
                "router",
                *between,
                "type known",
                *between,
                "gain",
                *between,
                "changed %",
            ),
            *(drops, 1),
        ),
    ]


def _rule(detection: Mapping[str, Any]) -> list[str]:
    threshold, unseen = detection["threshold"], detection["unseen"]
    if not unseen["prompts"]:
        return []
    chosen = (
        "no confidence keeps the errors low enough, so that every prompt takes the generic list"
    )
    if threshold is not None:
        chosen = (
            f"a prompt takes its task type's list from a confidence of {threshold:.2f}; of unseen wordings"
            f" {100 * unseen['routed']:.0f} % do, {100 * unseen['error']:.1f} % of them wrongly"
        )
    said = [
        "unseen: search prompts, each detected by a router fitted without its wording; these chose the threshold."
        f" The rule: {chosen}."
    ]
    if detection["holdout"]["prompts"]:
        known = f"the router knows the wording of {_share(detection['seen'])} %"
        said.append(f"holdout: prompts of samples never used; {known}.")
    return said


def _detected(entry: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = _share(entry["low"]), _share(entry["high"])
    between = "-" if entry["low"] is None else f"[{low}, {high}]"
    return (
        f"{entry['prompts']:,}",
        _share(entry["accuracy"]),
        between,
        *map(_share, (entry["routed"], entry["error"])),
    )


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
