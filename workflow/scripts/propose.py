"""Write the plan of one step on one dataset: what is asked, and by whom."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.jobs import job
from blocksieve.model_description import read_description, sites_to_search
from blocksieve.search.plan import propose, write_plan

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    num_samples = None
    if params.share < 1:
        (table,) = files.samples
        roles = pl.read_parquet(table, columns=["role"])
        num_samples = math.ceil(params.share * len(roles.filter(role="search")))
    description = read_description(files.model)
    plan = propose(
        snakemake.wildcards.step,
        sites=sites_to_search(description, params.exportable),
        own_beam=[Path(path) for path in files.own_beam],
        generic_beam=[Path(path) for path in files.generic_beam],
        finalists=[Path(path) for path in files.finalists],
        num_samples=num_samples,
    )
    write_plan(Path(snakemake.output[0]), plan)
