"""Select the beam of one size, of a dataset's own scope or of the generic one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evaluations import merge_shards
from blocksieve.files import write_json
from blocksieve.logs import job_log
from blocksieve.search.beams import select_generic_beam, select_own_beam
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    params = snakemake.params
    shards = [Path(path) for path in snakemake.input.shards]
    table = merge_shards(read_definitions(params.definitions), shards, params.seed).filter(size=int(snakemake.wildcards.size))
    if params.across_datasets is None:
        beam = select_own_beam(table, params.beam_width)
    else:
        beam = select_generic_beam(table, params.beam_width, params.across_datasets)
    write_json(Path(snakemake.output[0]), {"candidates": table["combination"].n_unique(), "beam": beam})
