"""Write the plans of one step, of every dataset: what is asked, and by whom."""

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
    description = read_description(files.model)
    sites = sites_to_search(description, params.exportable, params.unit)
    own_beams = [Path(path) for path in files.own_beams]
    generic_beam = [Path(path) for path in files.generic_beam]
    finalists = [Path(path) for path in files.finalists]
    for number, output in enumerate(snakemake.output):
        num_samples = None
        if params.share < 1:
            roles = pl.read_parquet(files.samples[number], columns=["role"])
            num_samples = math.ceil(params.share * len(roles.filter(role="search")))
        plan = propose(
            snakemake.wildcards.step,
            sites,
            own_beam=own_beams[number : number + 1],
            generic_beam=generic_beam,
            finalists=finalists,
            num_samples=num_samples,
        )
        write_plan(Path(output), plan)
