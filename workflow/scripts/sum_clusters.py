"""Sum the drops of one dataset's samples by combination and cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evidence import sum_clusters
from blocksieve.files import whole_file
from blocksieve.logs import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input), whole_file(Path(snakemake.output[0])) as temporary:
    sum_clusters(map(Path, snakemake.input.shards)).write_parquet(temporary)
