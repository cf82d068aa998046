"""Columns of a report's tables: a heading, and how a record is written below it.

    columns = [text("dataset"), signed(f"mean {unit}", "mean"), interval(), count("samples")]
    table_section(title="Responses", columns=columns, records=frame.to_dicts())

A record is a row of a frame, or of a list in a JSON document. Its key defaults to the heading, with
underscores for blanks. Nested numbers are brought up by `lift` first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blocksieve.report.numbers import UNKNOWN, bracket, number, percent, whole_number
from blocksieve.report.section import Section
from blocksieve.verdicts import Verdict

Record = Mapping[str, Any]
"""Values by their names: a row of a frame, or of a list in a JSON document."""

INTERVAL = "95 % interval"
KIND_INTERVAL = "datasets of this kind"
SHOWN: Mapping[str | None, str] = {
    Verdict.COSTS_MORE: "more",
    Verdict.COSTS_LESS: "less",
    Verdict.NOT_SHOWN: "no",
    Verdict.SAME: "same",
    None: UNKNOWN,
}


@dataclass(frozen=True)
class Column:
    """A heading, and the cell of each record below it."""

    heading: str
    cell: Callable[[Record], str]


def table_section(
    *,
    title: str,
    columns: Sequence[Column],
    records: Iterable[Record],
    text_columns: int = 1,
    notes: Sequence[str] = (),
    below: Sequence[str] = (),
) -> Section:
    """Return a section whose table has one row per record."""
    return Section(
        title=title,
        notes=notes,
        header=[column.heading for column in columns],
        rows=[_cells(record, columns) for record in records],
        text_columns=text_columns,
        below=below,
    )


def _cells(record: Record, columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.cell(record) for column in columns)


def text(heading: str, key: str = "") -> Column:
    """Return a column of values as they are."""
    key = key or _key_of(heading)
    return Column(heading, lambda record: str(record[key]))


def signed(heading: str, key: str = "") -> Column:
    """Return a column of numbers with their signs."""
    key = key or _key_of(heading)
    return Column(heading, lambda record: number(record[key]))


def unsigned(heading: str, key: str = "", digits: int = 2) -> Column:
    """Return a column of numbers that are not below 0."""
    key = key or _key_of(heading)
    return Column(heading, lambda record: number(record[key], sign="", digits=digits))


def interval(prefix: str = "", heading: str = INTERVAL) -> Column:
    """Return a column of intervals, from the keys `low` and `high` or `{prefix}_low`, ..._high."""
    low, high = (f"{prefix}_low", f"{prefix}_high") if prefix else ("low", "high")
    return Column(heading, lambda record: bracket(record[low], record[high]))


def share(heading: str, key: str = "", digits: int = 1) -> Column:
    """Return a column of shares in %."""
    key = key or _key_of(heading)
    return Column(heading, lambda record: percent(record[key], digits))


def saved(records: Sequence[Record]) -> list[Column]:
    """Return columns of what combinations save of the whole model, in %, where that is known."""
    columns = {
        "parameters %": "removed_parameters",
        "FLOPs %": "removed_flops",
        "KV cache %": "removed_kv_cache",
    }
    return [
        share(heading, key)
        for heading, key in columns.items()
        if any(record[key] is not None for record in records)
    ]


def count(heading: str, key: str = "") -> Column:
    """Return a column of whole numbers, thousands set apart."""
    key = key or _key_of(heading)
    return Column(heading, lambda record: whole_number(record[key]))


def shown(key: str = "verdict") -> Column:
    """Return a column that says whether a list is shown to cost more or less than another."""
    return Column("shown", lambda record: SHOWN[record[key]])


def lift(record: Record, part: str, keys: Iterable[str]) -> Record:
    """Return a record with a nested part's values as `{part}_{key}`, None where it has no part."""
    nested = record[part] or {}
    lifted = {f"{part}_{key}": nested[key] if nested else None for key in keys}
    return {**record, **lifted}


def _key_of(heading: str) -> str:
    return heading.replace(" ", "_")
