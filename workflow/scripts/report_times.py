"""Write what the evaluation jobs of a run took."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve import shards
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.report.times import engine_costs, read_job_times, times_document

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    times = [read_job_times(Path(path)) for path in snakemake.input.times]
    costs = [engine_costs(shards.metadata(Path(path))) for path in snakemake.input.shards]
    computed = [job_costs for job_costs in costs if job_costs is not None]
    write_text(Path(snakemake.output[0]), times_document(times, computed))
