"""The report's section on combinations that cost much the same on every dataset."""

import polars as pl

from blocksieve.report.columns import (
    KIND_INTERVAL,
    Column,
    interval,
    signed,
    table_section,
    text,
    unsigned,
)
from blocksieve.report.section import Section

TOP = 15


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return the most consistent combinations among those that every dataset has."""
    with_cv = table.drop_nulls("cv")
    most_consistent = (
        with_cv.filter(pl.col("full")).sort("cv", "mean", maintain_order=True).head(TOP)
    )
    columns = [
        text("combination"),
        unsigned("CV", "cv"),
        signed(f"mean {unit}", "mean"),
        interval(),
        interval("kind", KIND_INTERVAL),
        unsigned("spread"),
        Column("coverage", lambda record: f"{record['coverage']}/{record['num_datasets']}"),
    ]
    section = table_section(
        title="Consistency over datasets, the most consistent first",
        notes=[
            f"{len(with_cv)} of {len(table)} combinations have a mean drop clearly above 0, and so"
            " a CV (spread / mean). A spread of 0 says that the datasets do not differ by more than"
            " noise would let them."
        ],
        columns=columns,
        records=most_consistent.to_dicts(),
    )
    return [section]
