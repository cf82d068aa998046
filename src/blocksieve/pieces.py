"""Sample-level rows piece by piece, so that memory does not depend on how many there are."""

from collections.abc import Iterator

import polars as pl

ROWS_AT_ONCE = 1_000_000


def pieces(rows: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """The rows in pieces of whole combinations, about a million rows each, in the order of their names."""
    counts = rows.group_by("combination").len().sort("combination").collect()
    for _, piece in counts.group_by(pl.col("len").cum_sum() // ROWS_AT_ONCE, maintain_order=True):
        yield rows.filter(pl.col("combination").is_in(piece["combination"].to_list()))
