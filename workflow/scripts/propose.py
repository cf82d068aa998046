"""Write the plan of one step on one dataset: what is asked, and by whom."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.jobs import job
from blocksieve.model_description import read_description, sites_to_search
from blocksieve.search.plan import propose, write_plan

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files = snakemake.input
    description = read_description(files.model)
    plan = propose(
        snakemake.wildcards.step,
        sites=sites_to_search(description, snakemake.params.exportable),
        own_beam=[Path(path) for path in files.own_beam],
        generic_beam=[Path(path) for path in files.generic_beam],
        finalists=[Path(path) for path in files.finalists],
    )
    write_plan(Path(snakemake.output[0]), plan)
