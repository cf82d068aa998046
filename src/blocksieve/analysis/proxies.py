"""Proxies: whether one pass over the whole model orders blocks as their measured drops do."""

import polars as pl

from blocksieve.evidence import Evidence
from blocksieve.statistics import correlation

PROXIES = ("cosine", "kl")

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "task_type": pl.String,
    "proxy": pl.String,
    "site": pl.String,
    "value": pl.Float64,
    "n": pl.UInt32,
    "drop": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "spearman": pl.Float64,
    "spearman_low": pl.Float64,
    "spearman_high": pl.Float64,
}


def analyse(evidence: Evidence, *, proxies: pl.DataFrame | None = None) -> pl.DataFrame:
    """Compare proxies with the drop of removing a block alone, in % or pp.

    One row per dataset, proxy and block: the proxy's mean over `n` search samples (`value`), the
    drop on search samples with its interval, and Spearman's correlation of the two over the
    dataset's blocks, the same in all its rows. Its interval takes the blocks as drawn at random; it
    does not know that drops are noisy, which draws the correlation towards 0.
    `proxies`: of `mean_proxies`; without any (a given table) there are no rows.
    """
    tables = [pl.DataFrame(schema=SCHEMA)]
    if proxies is not None:
        single = evidence.table.filter(pl.col("size") == 1, ~pl.col("raced_out"))
        drops = single.select("dataset", "task_type", "drop", "low", "high", site="combination")
        measured = drops.join(proxies, on=["dataset", "site"], maintain_order="left")
        for dataset in evidence.task_types:
            of_dataset = measured.filter(pl.col("dataset") == dataset)
            for proxy in PROXIES:
                tables.append(_agreement(of_dataset, proxy))
    return pl.concat(tables)


def _agreement(rows: pl.DataFrame, proxy: str) -> pl.DataFrame:
    """Return the rows of a dataset and proxy, with how the proxy and the drops are correlated."""
    spearman, low, high = correlation(rows[proxy], rows["drop"], "spearman")
    table = rows.with_columns(
        proxy=pl.lit(proxy),
        value=proxy,
        spearman=pl.lit(spearman),
        spearman_low=pl.lit(low),
        spearman_high=pl.lit(high),
    )
    return table.fill_nan(None).select(*SCHEMA).cast(pl.Schema(SCHEMA))
