"""Write what the evaluation jobs of a run took."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.files import write_text
from blocksieve.job_times import read_job_times
from blocksieve.jobs import job
from blocksieve.report.times import times_document

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    jobs = [read_job_times(Path(path)) for path in snakemake.input.times]
    write_text(Path(snakemake.output[0]), times_document(jobs))
