"""Select the beam of one size, of a dataset's own scope or of the generic one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evaluations import merge_shards
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.search.beams import select_beam
from blocksieve.search.plan import Proposer, read_plan
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    params = snakemake.params
    shards = [Path(path) for path in snakemake.input.shards]
    evaluations = merge_shards(read_definitions(params.definitions), shards, params.seed)
    plan = read_plan(Path(snakemake.input.plan[0]))
    scope = Proposer(params.scope)
    beam = select_beam(
        evaluations,
        plan.proposals(scope),
        scope,
        params.beam_width,
        params.across_datasets,
        json.loads(params.weights),
    )
    write_json(Path(snakemake.output[0]), beam)
