"""The report's section on the trade-off: what every way of choosing loses, size by size."""

from typing import TypedDict

from blocksieve.report.columns import (
    Column,
    Record,
    count,
    interval,
    saved,
    signed,
    table_section,
    text,
)
from blocksieve.report.numbers import UNKNOWN
from blocksieve.report.section import Section, with_rows

CURVES = {
    "own": "per dataset, own drops",
    "pooled": "per dataset, recommended",
    "task_type": "per task type",
    "generic": "one for all",
    "whole_blocks": "whole blocks, one for all",
}


class TradeOff(TypedDict):
    """What the report reads of the document `trade_off`."""

    points: list[Record]


def sections(document: TradeOff, unit: str) -> list[Section]:
    """Return the losses of every way of choosing; nothing without holdout samples."""
    columns = [
        Column("lists", lambda record: CURVES[record["curve"]]),
        text("removed", "size"),
        Column("list", _combination),
        *saved(document["points"]),
        signed(f"holdout {unit}", "drop"),
        interval(),
        count("samples"),
        Column("keeps", lambda record: record["keeps"] or UNKNOWN),
        Column("front", lambda record: "yes" if record["on_front"] else "no"),
    ]
    section = table_section(
        title="Trade-off: loss against blocks removed",
        notes=[
            "Mean drop on samples never used to choose. parameters, FLOPs per prompt token, KV"
            " cache: what is saved of the whole model. keeps: the strictest limit of"
            " analysis.max_drop that the upper end of the interval keeps. front: nothing in the"
            " same kind of lists loses as little with as many blocks removed or more."
        ],
        columns=columns,
        records=document["points"],
        text_columns=3,
    )
    return with_rows([section])


def _combination(record: Record) -> str:
    if record["combination"] is None:
        return f"{record['combinations']} lists"
    return str(record["combination"])
