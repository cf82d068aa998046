"""Write the plans of one step, of every dataset: what is asked, and by whom."""

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
    sites = sites_to_search(description, snakemake.params.exportable)
    own_beams = [Path(path) for path in files.own_beams]
    for number, output in enumerate(snakemake.output):
        plan = propose(
            snakemake.wildcards.step,
            sites,
            own_beam=own_beams[number : number + 1],
            generic_beam=[Path(path) for path in files.generic_beam],
            finalists=[Path(path) for path in files.finalists],
        )
        write_plan(Path(output), plan)
