"""Check a given table of evaluations and take it as the run's own."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evaluations import read_evaluations
from blocksieve.files import whole_file
from blocksieve.logs import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    table = read_evaluations(Path(snakemake.input.table))
    with whole_file(Path(snakemake.output[0])) as temporary:
        table.write_parquet(temporary)
