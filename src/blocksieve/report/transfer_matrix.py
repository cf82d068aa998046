"""The report's section on lists used on datasets for which they were not chosen."""

import polars as pl

from blocksieve.choices import RECOMMENDED
from blocksieve.report.columns import Column, signed, table_section, text
from blocksieve.report.section import Section
from blocksieve.verdicts import Verdict


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return how many pairs of datasets can share a list, by size and kind of pair."""
    pairs = table.filter(pl.col("method") == RECOMMENDED, pl.col("source") != pl.col("target"))
    if pairs.is_empty():
        return []
    limit = pairs["limit"][0]
    same_type = pl.col("source_type") == pl.col("target_type")
    counts = [(pl.col("verdict") == verdict).sum().alias(verdict) for verdict in Verdict]
    total_regret = (pl.col("regret") * pl.col("weight")).sum()
    mean_regret = (total_regret / pl.col("weight").sum()).fill_nan(None)
    summary = (
        pairs.group_by("size", same_type=same_type)
        .agg(pl.len().alias("pairs"), mean_regret.alias("regret"), *counts)
        .sort("size", "same_type")
    )
    columns = [
        text("removed", "size"),
        Column("task types", lambda record: "same" if record["same_type"] else "different"),
        text("pairs"),
        signed("mean regret", "regret"),
        *[text(verdict, verdict) for verdict in Verdict],
    ]
    section = table_section(
        title="Transfer: the list chosen for one dataset, used on another",
        notes=[
            f"Can share: shown to cost less than {limit:g} more on holdout samples, at a 5 % false"
            " discovery rate."
        ],
        columns=columns,
        records=summary.to_dicts(),
        text_columns=2,
    )
    return [section]
