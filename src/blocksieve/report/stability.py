"""The report's section on whether other data choose the same generic list."""

from typing import TypedDict

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.report.columns import Column, Record, count, share, table_section, text
from blocksieve.report.numbers import percent
from blocksieve.report.section import Section, with_rows

TOP = 3
SCHEMES = {
    "samples": "the samples resampled",
    "halves": "the other half",
    "datasets": "the datasets resampled",
}


class Stability(TypedDict):
    """What the report reads of the document `stability`."""

    rows: list[Record]


def sections(document: Stability, unit: str) -> list[Section]:
    """Return how often resampled samples or datasets, halves or splits choose the same."""
    generic = [
        row
        for row in document["rows"]
        if row["method"] == RECOMMENDED and row["scope"] == Scope.GENERIC
    ]
    columns = [
        text("removed", "size"),
        Column("chosen from", _scheme),
        count("draws"),
        share("same %", "same", digits=0),
        share("or tied %", "tied", digits=0),
        share("in common %", "overlap", digits=0),
        text("distinct"),
        Column("most frequent", _most_frequent),
    ]
    section = table_section(
        title="Stability: would other data choose the same?",
        notes=[
            "The generic list of every size, chosen again among the combinations evaluated."
            " same: draws with the same list; or tied: with one that is tied with it for the first"
            " place; in common: the mean share of blocks. Among near ties resampling repeats the"
            " run's choice more often than other samples would; halves, of half as many samples,"
            " agree less often. Whether splits differ by more than noise is tested with them."
        ],
        columns=columns,
        records=sorted(generic, key=lambda row: row["size"]),
        text_columns=2,
    )
    return with_rows([section])


def _scheme(record: Record) -> str:
    """Return a scheme in words; two source splits are named as they are."""
    scheme: str = record["scheme"]
    return SCHEMES.get(scheme, scheme)


def _most_frequent(record: Record) -> str:
    choices = [
        f"{choice['combination']} {percent(choice['share'], digits=0)} %"
        for choice in record["top"][:TOP]
    ]
    return ", ".join(choices)
