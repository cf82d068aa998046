"""Merge all shards into the table of evaluations."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evaluations import merge_shards
from blocksieve.files import whole_file
from blocksieve.logs import job_log
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input) as logger:
    shards = [Path(path) for path in snakemake.input.shards]
    table = merge_shards(read_definitions(snakemake.params.definitions), shards, snakemake.params.seed)
    with whole_file(Path(snakemake.output[0])) as temporary:
        table.write_parquet(temporary)
    logger.info("%d evaluations of %d combinations", len(table), table["combination"].n_unique())
