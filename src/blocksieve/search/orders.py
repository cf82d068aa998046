"""The order in which a one-shot search removes sites: least proxy first."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.search.beams import BeamDocument, select_beam
from blocksieve.specs import Proxy
from blocksieve.units import Scale


def order_sites(
    evaluations: pl.DataFrame,
    scope: Literal["own", "generic"],
    scale: Scale,
    weights: Mapping[str, float],
) -> BeamDocument:
    """Return all sites that the model can lack alone, the least drop first, as a beam of all.

    `evaluations`: of single sites, of one dataset or of all (see `select_generic_beam`).
    """
    singles = list(map(Combination.parse, evaluations["combination"].unique()))
    order = select_beam(evaluations, singles, scope, len(singles), scale, weights)
    # A drop may be a proxy here, and another strategy has no use for it.
    order["beam"] = [{"combination": entry["combination"]} for entry in order["beam"]]
    return order


def with_proxy(evaluations: pl.DataFrame, proxies: pl.DataFrame, proxy: Proxy) -> pl.DataFrame:
    """Put a proxy in place of the drops of single sites; `proxies`: of `mean_proxies`.

    DataError if one is missing.
    """
    if proxy == "drop":
        return evaluations
    values = proxies.select("dataset", combination="site", proxy=proxy)
    joined = evaluations.join(values, on=["dataset", "combination"], how="left")
    missing = joined.filter(pl.col("proxy").is_null(), pl.col("not_evaluable").is_null())
    if len(missing):
        dataset, combination = missing.select("dataset", "combination").row(0)
        raise DataError(
            f"dataset {dataset}: search.proxy: {proxy} is not known for block {combination}, see"
            " the log of measure_proxies; choose drop, or another strategy"
        )
    return joined.with_columns(drop="proxy", relative="proxy").drop("proxy")
