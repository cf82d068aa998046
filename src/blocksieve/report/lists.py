"""The report's sections on lists of blocks: one for all or one a task, and how far a choice can be trusted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from blocksieve.analysis.task_specific_vs_generic import NOT_SHOWN, SAME
from blocksieve.report.numbers import estimate, number
from blocksieve.report.section import Section

LISTS = {
    "task_type": "its task type's",
    "generic": "generic",
    "leave_one_out": "generic, chosen without it",
    "same_type": "its type's other datasets'",
}
SHOWN = {"costs more": "more", "costs less": "less", NOT_SHOWN: "no", SAME: "same", None: "-"}
METHOD = "beam"
INTERVAL = "95 % interval"


def _table(
    title: str, said: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[str]], left: int
) -> Section:
    """A section that is empty where its table is."""
    return Section(title, said if rows else (), header, rows, left)


def scenarios(chosen: Mapping[str, Any]) -> list[Section]:
    """Which list to use where the task of a request is known, and where it is not."""
    unit, found = chosen["unit"], chosen["scenarios"]
    known = [
        (
            str(row["size"]),
            row["name"],
            row["combination"],
            *_measured(row),
            *_regret(row["given_up"]),
        )
        for row in found["known_task"]
    ]
    generic = [
        (str(row["size"]), row["name"], row["combination"], row["generic"]["combination"])
        + _regret(row["generic"]["costs"])
        for row in found["known_task"]
    ]
    unknown = [
        (str(row["size"]), row["combination"], *_measured(row), *_regret(row["given_up"]))
        for row in found["unknown_task"]
    ]
    mixed = [
        (
            str(row["size"]),
            row["generic"],
            *(
                text
                for key in ("holdout", "gain", "possible")
                for text in estimate(row[key], "drop")
            ),
        )
        for row in found["mixed"]
    ]
    numbers = (
        f"holdout {unit}",
        INTERVAL,
        f"search {unit}",
        INTERVAL,
        f"given up {unit}",
        INTERVAL,
        "shown",
    )
    routed = (f"holdout {unit}", INTERVAL, f"gain {unit}", INTERVAL, f"possible {unit}", INTERVAL)
    return [
        _table(
            "Recommendations where the task is known: the list of its task type",
            ["Given up: against every dataset's own list, on holdout samples; shown at a 5 % false discovery rate."],
            *(("removed", "task type", "list", *numbers), known, 3),
        ),
        _table(
            "What the generic list costs where the task is known",
            ["Against the list of the task type, on holdout samples. Where it is not shown to cost more, one list is"
             " enough."],
            *(("removed", "task type", "list", "generic list", f"costs more {unit}", INTERVAL, "shown"), generic, 4),
        ),
        _table(
            "Recommendations where the task is unknown: the generic list",
            ["Over all datasets; given up: against every dataset's own list, on holdout samples."],
            *(("removed", "list", *numbers), unknown, 2),
        ),
        _table(
            "Recommendations where tasks are mixed: the router's list for every prompt (router.json)",
            ["Gain: what it loses less than the generic list; possible: if every task type were known. Where no gain is"
             " shown, the generic list is enough."],
            *(("removed", "else", *routed), mixed, 2),
        ),
    ]  # fmt: skip


def _measured(row: Mapping[str, Any]) -> tuple[str, ...]:
    again = row["holdout"] or dict.fromkeys(("drop", "low", "high"))
    return (*estimate(again, "drop"), *estimate(row, "drop"))


def _regret(regret: Mapping[str, Any] | None) -> tuple[str, ...]:
    return (
        ("-", "-", "-")
        if regret is None
        else (*estimate(regret, "regret"), SHOWN[regret["verdict"]])
    )


def task_specific_vs_generic(found: Mapping[str, Any]) -> list[Section]:
    """How often lists match, and what another list than the own one costs."""
    unit = found["unit"]
    rates = [
        (
            *(
                LISTS[row["list"]],
                row["method"],
                "all" if row["size"] is None else str(row["size"]),
            ),
            *(f"{row['matches']} of {row['configurations']}", f"{100 * row['rate']:.1f}"),
        )
        for row in found["match_rates"]
    ]
    means = [
        (
            LISTS[row["list"]],
            row["method"],
            str(row["size"]),
            f"{row['datasets']}",
            *estimate(row, "regret"),
        )
        + (number(row["q"], "", 3), SHOWN[row["verdict"]])
        for row in found["mean_regret"]
    ]
    rows = [
        (
            *(
                row["dataset"],
                str(row["size"]),
                row["own"],
                row["combination"],
                f"{100 * row['overlap']:.0f}",
            ),
            *(number(row["own_drop"]), number(row["drop"])),
            *(*estimate(row, "regret", "regret_"), SHOWN[row["verdict"]]),
        )
        for row in sorted(found["rows"], key=lambda row: row["size"])
        if row["list"] == "generic" and row["method"] == METHOD
    ]
    unmeasured = [] if found["measured"] else ["The lists were not measured on holdout samples."]
    numbers = (f"own {unit}", f"generic {unit}", f"regret {unit}", INTERVAL, "shown")
    return [
        _table(
            "How often another list is the dataset's own: the same set of blocks",
            ["Chosen by the search (beam) or by importance scores; over datasets and sizes."],
            *(("list", "method", "removed", "matches", "%"), rates, 3),
        ),
        _table(
            "Regret: how much more another list costs than the dataset's own, mean over datasets",
            [
                "On the same holdout samples; shown at a 5 % false discovery rate over all these means.",
                *unmeasured,
            ],
            *(
                ("list", "method", "removed", "datasets", f"regret {unit}", INTERVAL, "q", "shown"),
                means,
                3,
            ),
        ),
        _table(
            "The generic list on every dataset, chosen by the search",
            ["Drops on holdout samples; overlap: the share of blocks in common.", *unmeasured],
            *(("dataset", "removed", "own list", "generic list", "overlap %", *numbers), rows, 4),
        ),
    ]


def transfer(table: pl.DataFrame) -> Section:
    """How many pairs of datasets can share a list, by size and by whether their task types are the same."""
    title = "Transfer: the list chosen for one dataset, used on another"
    pairs = table.filter(pl.col("method") == METHOD, pl.col("source") != pl.col("target"))
    if pairs.is_empty():
        return Section(title)
    words = ("same list", "can share", "not shown to differ", "costs more", "costs less")
    rows = []
    for (size, same), group in pairs.group_by(
        "size", pl.col("source_type") == pl.col("target_type"), maintain_order=True
    ):
        counts = Counter(group["verdict"])
        rows.append(
            (
                str(size),
                "same" if same else "different",
                f"{len(group)}",
                number(group["regret"].mean()),
            )  # type: ignore[arg-type]
            + tuple(str(counts[word]) for word in words)
        )
    limit = pairs["limit"][0]
    said = (
        f"Can share: at most {limit:g} more, by the upper end of the interval on holdout samples."
    )
    return Section(
        title, [said], ("removed", "task types", "pairs", "mean regret", *words), sorted(rows), 2
    )


def held_out(found: Mapping[str, Any]) -> list[Section]:
    """Winners measured again on samples never used to choose."""
    unit = found["unit"]
    numbers = (
        f"search {unit}",
        INTERVAL,
        f"holdout {unit}",
        INTERVAL,
        f"optimism {unit}",
        INTERVAL,
    )
    scopes = {"dataset": "each dataset's own", "generic": "generic"}
    sizes = [
        (
            *(scopes[row["scope"]], row["method"], str(row["size"])),
            *(*_three(row), f"{row['still_tied']} of {row['winners']}"),
        )
        for row in found["by_size"]
    ]
    winners = [
        (row["name"], str(row["size"]), row["combination"], number(row["search"]), *_three(row)[2:])
        + ("yes" if row["tied"] else f"no: {row['holdout_best']}",)
        for row in found["winners"]
        if row["method"] == METHOD
    ]
    said = (
        "Optimism: holdout drop minus search drop. Of many candidates the best is partly the luckiest, so that its drop"
        " on the samples that chose it is on average too small."
    )
    return [
        _table(
            "Winner's curse: winners measured again on samples never used to choose",
            *([said], ("chosen for", "method", "removed", *numbers, "still tied"), sizes, 3),
        ),
        _table(
            "Every winner of the search, measured again",
            ["Tied: not shown to be worse on holdout samples than the best of the combinations of its size measured"
             " there, which is else named."],
            *(("chosen for", "removed", "list", numbers[0], *numbers[2:], "tied"), winners, 3),
        ),
    ]  # fmt: skip


def _three(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        text
        for name in ("search", "holdout", "optimism")
        for text in estimate(row, name, f"{name}_")
    )


def stability(found: Mapping[str, Any]) -> Section:
    """Whether other data choose the same generic list."""
    words = {"samples": "other samples", "halves": "the other half", "datasets": "other datasets"}
    rows = [
        (
            *(str(row["size"]), words.get(row["scheme"], row["scheme"]), f"{row['draws']:,}"),
            *(
                f"{100 * row['same']:.0f}",
                f"{100 * row['overlap']:.0f}",
                str(row["distinct"]),
                _most(row["top"]),
            ),
        )
        for row in sorted(found["rows"], key=lambda row: row["size"])
        if row["method"] == METHOD and row["scope"] == "generic"
    ]
    said = (
        "The generic list of every size, chosen again among the combinations evaluated. same: draws with the same list;"
        " in common: the mean share of blocks."
    )
    header = (
        "removed",
        "chosen from",
        "draws",
        "same %",
        "in common %",
        "distinct",
        "most frequent",
    )
    return _table("Stability: would other data choose the same?", [said], header, rows, 2)


def _most(top: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{entry['combination']} {100 * entry['share']:.0f} %" for entry in top[:3])
