"""The report's sections on one list for all datasets against a list for each."""

from typing import TypedDict

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.report.columns import (
    Column,
    Record,
    interval,
    share,
    shown,
    signed,
    table_section,
    text,
    unsigned,
)
from blocksieve.report.section import Section, with_rows

LISTS = {
    Scope.TASK_TYPE: "its task type's",
    Scope.GENERIC: "generic",
    Scope.LEFT_OUT_OF_CHOICE: "generic, dataset not in the choice",
    Scope.SAME_TYPE: "task type's, dataset not in the choice",
}


class TaskSpecificVsGeneric(TypedDict):
    """What the report reads of the document `task_specific_vs_generic`."""

    measured: bool
    match_rates: list[Record]
    mean_regret: list[Record]
    rows: list[Record]


def sections(document: TaskSpecificVsGeneric, unit: str) -> list[Section]:
    """Return how often lists match, and what another list than a dataset's own costs."""
    unmeasured = []
    if not document["measured"]:
        unmeasured.append("What the lists cost on holdout samples is not known.")
    generic = [
        row
        for row in document["rows"]
        if row["list"] == Scope.GENERIC and row["method"] == RECOMMENDED
    ]
    return with_rows(
        [
            _match_rates(document["match_rates"]),
            _mean_regret(document["mean_regret"], unit, unmeasured),
            _generic_on_datasets(generic, unit, unmeasured),
        ]
    )


def _match_rates(rows: list[Record]) -> Section:
    columns = [
        Column("list", _list_name),
        text("method"),
        Column("removed", _size),
        Column("matches", lambda record: f"{record['matches']} of {record['configurations']}"),
        share("%", "rate"),
        share("two halves %", "noise_rate"),
        Column("or tied", lambda record: f"{record['tied']} of {record['configurations']}"),
        share("tied %", "tied_rate"),
        share("two halves tied %", "noise_tied_rate"),
    ]
    return table_section(
        title="How often another list is the dataset's own: the same set of blocks",
        notes=[
            "Over datasets and sizes. or tied: the same, or both tied for the first place on the"
            " dataset's search samples. two halves: how often two halves of the dataset's own"
            " samples choose the same list: where all datasets want one list, at least about that"
            " many match it."
            " Where a dataset is not in the choice, the search that proposed the combinations"
            " still saw it: for a new dataset such a list is too good."
        ],
        columns=columns,
        records=rows,
        text_columns=3,
    )


def _mean_regret(rows: list[Record], unit: str, unmeasured: list[str]) -> Section:
    columns = [
        Column("list", _list_name),
        text("method"),
        text("removed", "size"),
        text("datasets"),
        signed(f"regret {unit}", "regret"),
        interval(),
        unsigned("q", digits=3),
        shown(),
    ]
    return table_section(
        title="Regret: how much more another list costs than the dataset's own, mean over datasets",
        notes=[
            "On the same holdout samples; shown at a 5 % false discovery rate over all these"
            " means.",
            *unmeasured,
        ],
        columns=columns,
        records=rows,
        text_columns=3,
    )


def _generic_on_datasets(rows: list[Record], unit: str, unmeasured: list[str]) -> Section:
    columns = [
        text("dataset"),
        text("removed", "size"),
        text("own list", "own"),
        text("generic list", "combination"),
        share("overlap %", "overlap", digits=0),
        signed(f"own {unit}", "own_drop"),
        signed(f"generic {unit}", "drop"),
        signed(f"regret {unit}", "regret"),
        interval("regret"),
        shown(),
    ]
    return table_section(
        title="The generic list on every dataset, chosen by the search",
        notes=[
            "Drops on holdout samples; overlap: the share of blocks in common.",
            *unmeasured,
        ],
        columns=columns,
        records=sorted(rows, key=lambda row: row["size"]),
        text_columns=4,
    )


def _list_name(record: Record) -> str:
    return LISTS[record["list"]]


def _size(record: Record) -> str:
    return "all" if record["size"] is None else str(record["size"])
