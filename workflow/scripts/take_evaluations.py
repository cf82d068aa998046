"""Check a given table of evaluations and take it as the run's own."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.files import whole_file
from blocksieve.jobs import job
from blocksieve.user_table import read_user_table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    table = read_user_table(Path(snakemake.input.table))
    with whole_file(Path(snakemake.output[0])) as temporary:
        table.write_parquet(temporary)
