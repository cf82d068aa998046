"""Merge all shards into the table of evaluations."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.merging import merge_shards, with_removed_shares
from blocksieve.files import whole_file
from blocksieve.jobs import job
from blocksieve.model_description import read_description
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    shards = [Path(path) for path in snakemake.input.shards]
    definitions = read_definitions(snakemake.params.definitions)
    table = merge_shards(definitions, shards, snakemake.params.seed)
    sites = read_description(snakemake.input.model)["sites"]
    table = with_removed_shares(table, sites)
    with whole_file(Path(snakemake.output[0])) as temporary:
        table.write_parquet(temporary)
    logger.info("%d evaluations of %d combinations", len(table), table["combination"].n_unique())
