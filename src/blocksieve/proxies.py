"""Proxies for what removing a site costs, measured on the whole model: `proxies/{dataset}.parquet`.

`engine/proxies.py` says what they mean.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,
    "site": pl.String,
    "sample_id": pl.String,
    "cluster": pl.String,
    "cosine": pl.Float64,
    "kl": pl.Float64,
}
"""One row per site and sample; a number that is not finite is null."""


def mean_proxies(paths: Iterable[Path]) -> pl.DataFrame:
    """Return one row per dataset and site: means over samples, `n` of which have both proxies."""
    tables = [pl.DataFrame(schema=SCHEMA)]
    tables += [pl.read_parquet(path) for path in paths]
    complete = pl.concat(tables).drop_nulls(["cosine", "kl"])
    return complete.group_by("dataset", "site", maintain_order=True).agg(
        pl.mean("cosine", "kl"), n=pl.len()
    )
