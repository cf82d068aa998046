"""The report's section on proxies: whether they order blocks as their measured drops do."""

import numpy as np
import polars as pl

from blocksieve.report.columns import count, interval, signed, table_section, text
from blocksieve.report.section import Section

MEANINGS = (
    "cosine: 1 - cosine of a block's input and output. kl: divergence of the answer's tokens"
    " without what the block itself adds to the last hidden state. Both come from one pass over"
    " the whole model."
)

# A correlation of 1 has no interval. By chance one order of 120 of five blocks reaches it.
IS_PERFECT = (pl.col("spearman") == 1) & (pl.col("blocks") >= 5)


def sections(table: pl.DataFrame, unit: str) -> list[Section]:
    """Return one row per dataset and proxy; nothing where no proxy was measured."""
    if table.is_empty():
        return []
    pairs = table.group_by("dataset", "proxy", maintain_order=True).agg(
        pl.first("spearman", "spearman_low", "spearman_high"), blocks=pl.len(), samples=pl.max("n")
    )
    section = table_section(
        title="Proxies: how one pass over the whole model orders blocks",
        notes=[*_agreements(pairs), MEANINGS],
        columns=[
            text("dataset"),
            text("proxy"),
            signed("Spearman", "spearman"),
            interval("spearman"),
            count("blocks"),
            count("samples"),
        ],
        records=pairs.to_dicts(),
        text_columns=2,
    )
    return [section]


def _agreements(pairs: pl.DataFrame) -> list[str]:
    """Return a sentence per proxy that has a correlation on some dataset."""
    sentences = []
    with_order = pairs.drop_nulls("spearman")
    for proxy in with_order["proxy"].unique(maintain_order=True):
        rows = with_order.filter(proxy=proxy)
        median = np.median(rows["spearman"])
        is_shown = (pl.col("spearman_low") > 0) | IS_PERFECT
        shown = len(rows.filter(is_shown))
        sentences.append(
            f"{proxy} orders the blocks like their measured drops, beyond its interval, on {shown}"
            f" of {len(rows)} datasets; the median of Spearman's correlation is {median:+.2f}."
        )
    return sentences
