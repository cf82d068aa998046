"""The report's sections on what to remove: by limit, size and step, and by what tasks come."""

from typing import TypedDict

from blocksieve.report.columns import (
    Column,
    Record,
    interval,
    lift,
    saved,
    shown,
    signed,
    table_section,
    text,
)
from blocksieve.report.numbers import UNKNOWN, whole_number
from blocksieve.report.section import Section, with_rows
from blocksieve.verdicts import End

DROP_KEYS = ("drop", "low", "high")
REGRET_KEYS = ("regret", "low", "high", "verdict")
ENDS = {
    End.LIMIT: "limit",
    End.SEARCH: "end of the search",
    End.NOT_CONFIRMED: "not known",
}


class Scenarios(TypedDict):
    """Which list to use where a request's task is known, unknown, or told by the router."""

    known_task: list[Record]
    unknown_task: list[Record]
    mixed: list[Record]


class Recommendations(TypedDict):
    """What the report reads of the document `pruning_recommendations`."""

    role: str
    num_datasets: int
    left_out: list[str]
    paired: bool
    robustness_rule: str
    resolution: Record | None
    sizes: list[Record]
    strategies: dict[str, Record]
    path: list[Record]
    scenarios: Scenarios
    verified: dict[str, Record] | None


def sections(document: Recommendations, unit: str) -> list[Section]:
    """Return strategies, the list of every size, the path, and the list of each scenario."""
    scenarios = document["scenarios"]
    of_scenarios = [
        _known_task(scenarios["known_task"], unit),
        _cost_of_generic(scenarios["known_task"], unit),
        _unknown_task(scenarios["unknown_task"], unit),
        _mixed_tasks(scenarios["mixed"], unit),
    ]
    return [
        _strategies(document, unit),
        _best_of_every_size(document, unit),
        _path(document["path"], unit),
        *with_rows(of_scenarios),
    ]


def what_samples_can_tell(document: Recommendations, unit: str) -> list[str]:
    """Return sentences: which drops samples tell from none, whether they support any finding."""
    resolution = document["resolution"]
    if resolution is None:
        return []
    samples = f"{whole_number(resolution['samples'])} {resolution['role']} samples"
    if resolution["datasets"] > 1:
        samples += f" of {resolution['datasets']} datasets"
    if resolution["width"] is None:
        return [f"The {samples} have no intervals: they support no finding."]
    sentences = [
        f"With the {samples}, a mean drop below {resolution['detectable']:.2f} {unit} cannot be"
        " seen: a two-sided 5 % test would find it with less than 80 % probability."
    ]
    if resolution["smaller"] is not None:
        sentences.append(
            f"{whole_number(resolution['samples_for_smaller'])} such samples would show a drop of"
            f" {resolution['smaller']:.2f} {unit}."
        )
    if not supports_findings(document):
        limit = document["strategies"]["aggressive"]["max_drop"]
        sentences.append(
            f"Now 95 % intervals are {resolution['width']:.2f} {unit} wide, more than the largest"
            f" limit of {limit:g} {unit}: these samples support no finding."
        )
    return [" ".join(sentences)]


def supports_findings(document: Recommendations) -> bool:
    """Return whether intervals are narrower than the largest limit of the strategies."""
    resolution = document["resolution"]
    if resolution is None:
        return True
    width = resolution["width"]
    aggressive = document["strategies"]["aggressive"]
    limit: float = aggressive["max_drop"]
    return width is not None and width <= limit


def _strategies(document: Recommendations, unit: str) -> Section:
    notes = [
        "Judged on holdout samples, which chose nothing: the upper end of the 95 % interval must"
        " keep the limit, size by size up to the first that does not. by search: the size that the"
        " search samples, which favour what they chose, would have allowed.",
        "parameters, FLOPs per prompt token, KV cache: what is saved of the whole model.",
    ]
    if not document["paired"]:
        notes.append("Without samples, drops count as independent where combinations are compared.")
    records = []
    for name, strategy in document["strategies"].items():
        records.append(_with_holdout({"strategy": name, **strategy}))
    columns = [
        text("strategy"),
        Column(f"limit {unit}", lambda record: f"{record['max_drop']:g}"),
        text("combination"),
        text("removed", "size"),
        *saved(records),
        *_holdout_columns(unit),
        Column("ended by", lambda record: ENDS[record["end"]]),
        text("by search", "size_on_search"),
    ]
    return table_section(
        title="Recommendations: the largest size within a limit",
        notes=notes,
        columns=columns,
        records=records,
    )


def _best_of_every_size(document: Recommendations, unit: str) -> Section:
    columns = [
        text("removed", "size"),
        text("combination"),
        *saved(document["sizes"]),
        *_drop_columns(unit),
        Column("robustness", lambda record: "*" * record["robustness"] or UNKNOWN),
        Column("tied first", lambda record: f"{len(record['tied'])} of {record['candidates']}"),
    ]
    return table_section(
        title="Recommendations: the generic list of every size",
        notes=[
            f"Robustness: {document['robustness_rule']}.",
            "Tied first: combinations not shown to be worse than the one of least search drop.",
        ],
        columns=columns,
        records=[_with_holdout(entry) for entry in document["sizes"]],
        text_columns=2,
    )


def _path(path: list[Record], unit: str) -> Section:
    roles = {step["increment_role"] for step in path}
    columns = [
        Column("removed", lambda record: str(len(record["removed"]))),
        text("add", "added_site"),
        text("combination"),
        *_drop_columns(unit),
        signed(f"increment, {' and '.join(sorted(roles))}", "increment"),
        interval("increment"),
    ]
    return table_section(
        title="Recommendations: one block after the other",
        columns=columns,
        records=[_with_holdout(step) for step in path],
        text_columns=3,
    )


def _known_task(rows: list[Record], unit: str) -> Section:
    return _lists(
        [text("removed", "size"), text("task type", "name"), text("list", "combination")],
        rows,
        unit,
        title="Recommendations where the task is known: the list of its task type",
        note="Given up: against every dataset's own list, on holdout samples; shown at a 5 % false"
        " discovery rate.",
    )


def _unknown_task(rows: list[Record], unit: str) -> Section:
    return _lists(
        [text("removed", "size"), text("list", "combination")],
        rows,
        unit,
        title="Recommendations where the task is unknown: the generic list",
        note="Over all datasets; given up: against every dataset's own list, on holdout samples.",
    )


def _lists(names: list[Column], rows: list[Record], unit: str, *, title: str, note: str) -> Section:
    """Return what lists cost, and what is given up by them, behind the columns that name them."""
    return table_section(
        title=title,
        notes=[note],
        columns=[*names, *_drop_columns(unit), *_given_up_columns(unit)],
        records=[_with_given_up(row) for row in rows],
        text_columns=len(names),
    )


def _cost_of_generic(rows: list[Record], unit: str) -> Section:
    records = []
    for row in rows:
        with_generic = lift(row, "generic", ("combination", "costs"))
        records.append(lift(with_generic, "generic_costs", REGRET_KEYS))
    columns = [
        text("removed", "size"),
        text("task type", "name"),
        text("list", "combination"),
        text("generic list", "generic_combination"),
        signed(f"costs more {unit}", "generic_costs_regret"),
        interval("generic_costs"),
        shown("generic_costs_verdict"),
    ]
    return table_section(
        title="What the generic list costs where the task is known",
        notes=[
            "Against the list of the task type, on holdout samples."
            " Where it is not shown to cost more, these samples show no need of lists by task type."
        ],
        columns=columns,
        records=records,
        text_columns=4,
    )


def _mixed_tasks(rows: list[Record], unit: str) -> Section:
    columns = [text("removed", "size"), text("else", "generic")]
    for part in ("holdout", "gain", "possible"):
        rows = [lift(row, part, DROP_KEYS) for row in rows]
        columns += [signed(f"{part} {unit}", f"{part}_drop"), interval(part)]
    return table_section(
        title=(
            "Recommendations where tasks are mixed: the router's list for every prompt"
            " (router.json)"
        ),
        notes=[
            "Gain: what it loses less than the generic list; possible: if every task type were"
            " known. Where no gain is shown, these samples show no need of the router."
        ],
        columns=columns,
        records=rows,
        text_columns=2,
    )


def _with_holdout(entry: Record) -> Record:
    return lift(entry, "holdout", DROP_KEYS)


def _with_given_up(row: Record) -> Record:
    return lift(_with_holdout(row), "given_up", REGRET_KEYS)


def _drop_columns(unit: str) -> list[Column]:
    """Return the columns of a drop, that on the holdout samples first."""
    return [
        *_holdout_columns(unit),
        signed(f"search {unit}", "drop"),
        interval(),
    ]


def _holdout_columns(unit: str) -> list[Column]:
    return [
        signed(f"holdout {unit}", "holdout_drop"),
        interval("holdout"),
    ]


def _given_up_columns(unit: str) -> list[Column]:
    return [
        signed(f"given up {unit}", "given_up_regret"),
        interval("given_up"),
        shown("given_up_verdict"),
    ]
