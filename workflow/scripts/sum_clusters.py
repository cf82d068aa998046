"""Sum the drops of one dataset's samples by combination and cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve import shards
from blocksieve.files import whole_file
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    sums = shards.by_cluster([Path(path) for path in snakemake.input.shards])
    with whole_file(Path(snakemake.output[0])) as temporary:
        sums.write_parquet(temporary)
