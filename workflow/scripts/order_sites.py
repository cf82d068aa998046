"""Order the sites by a proxy, for every dataset and for all of them together."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.merging import merge_shards
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.proxies import mean_proxies
from blocksieve.search.orders import order_sites, with_proxy
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    shards = [Path(path) for path in files.shards]
    evaluations = merge_shards(read_definitions(params.definitions), shards, params.seed)
    singles = evaluations.filter(size=1)
    proxies = mean_proxies(map(Path, files.proxies))
    singles = with_proxy(singles, proxies, params.proxy)
    order = partial(order_sites, scale=params.across_datasets, weights=json.loads(params.weights))
    for dataset, path in zip(params.datasets, output.own, strict=True):
        of_dataset = singles.filter(pl.col("dataset") == dataset)
        write_json(Path(path), order(of_dataset, "own"))
    write_json(Path(output.generic), order(singles, "generic"))
