"""The report's section on the drops that these samples could tell from none."""

import polars as pl

from blocksieve.analysis.power import GAPS
from blocksieve.report.columns import Column, Record, count, table_section, text, unsigned
from blocksieve.report.numbers import percent
from blocksieve.report.section import Section


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per dataset, in percentage points whatever the unit."""
    columns = [
        text("dataset"),
        count("samples", "n"),
        count("clusters", "n_clusters"),
        Column("discordant %", _discordant),
        unsigned("se pp", "se"),
        unsigned("detectable pp", "detectable"),
        *[count(f"n for {gap:g} pp") for gap in GAPS],
    ]
    section = table_section(
        title="Power: what these samples can tell",
        notes=[
            "At the median standard error of its combinations: the drop that a two-sided 5 % test"
            " would find with 80 % probability, and the samples that other drops would need."
            " discordant: samples whose score changes. For a metric not in [0, 1], such as CIDEr,"
            " pp is 100 x its score."
        ],
        columns=columns,
        records=table.to_dicts(),
    )
    return [section]


def _discordant(record: Record) -> str:
    return percent(record["discordant"])
