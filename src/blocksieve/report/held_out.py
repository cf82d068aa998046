"""The report's sections on the winner's curse: winners measured on samples that did not choose."""

from typing import TypedDict

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.report.columns import (
    Column,
    Record,
    interval,
    signed,
    table_section,
    text,
)
from blocksieve.report.section import Section, with_rows

SCOPES = {Scope.DATASET: "each dataset's own", Scope.GENERIC: "generic"}


class HeldOut(TypedDict):
    """What the report reads of the document `held_out`."""

    by_size: list[Record]
    winners: list[Record]


def sections(document: HeldOut, unit: str) -> list[Section]:
    """Return optimism by size, and every winner measured again; nothing without holdout samples."""
    winners = [row for row in document["winners"] if row["method"] == RECOMMENDED]
    return with_rows([_by_size(document["by_size"], unit), _winners(winners, unit)])


def _by_size(rows: list[Record], unit: str) -> Section:
    columns = [
        Column("chosen for", lambda record: SCOPES[record["scope"]]),
        text("method"),
        text("removed", "size"),
        signed(f"search {unit}", "search"),
        interval("search"),
        *_holdout_columns(unit),
        Column("still tied", lambda record: f"{record['still_tied']} of {record['winners']}"),
    ]
    return table_section(
        title="Winner's curse: winners measured again on samples never used to choose",
        notes=[
            "Optimism: holdout drop minus search drop. Of many candidates the best is partly the"
            " luckiest, so that its drop on the samples that chose it is on average too small."
        ],
        columns=columns,
        records=rows,
        text_columns=3,
    )


def _winners(rows: list[Record], unit: str) -> Section:
    columns = [
        text("chosen for", "name"),
        text("removed", "size"),
        text("list", "combination"),
        signed(f"search {unit}", "search"),
        *_holdout_columns(unit),
        Column("tied", _tied),
    ]
    return table_section(
        title="Every winner of the search, measured again",
        notes=[
            "Tied: not shown to be worse on holdout samples than the best of the combinations of"
            " its size measured there, which is else named."
        ],
        columns=columns,
        records=rows,
        text_columns=3,
    )


def _holdout_columns(unit: str) -> list[Column]:
    return [
        signed(f"holdout {unit}", "holdout"),
        interval("holdout"),
        signed(f"optimism {unit}", "optimism"),
        interval("optimism"),
    ]


def _tied(record: Record) -> str:
    return "yes" if record["tied"] else f"no: {record['holdout_best']}"
