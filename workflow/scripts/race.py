"""Select what survives a round of a race, in a dataset's own scope or in the generic one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.choices import GENERIC
from blocksieve.evaluations import merge_shards
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.search.plan import Proposer, read_plan
from blocksieve.search.racing import race
from blocksieve.shards import by_cluster
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    params, scope = snakemake.params, snakemake.wildcards.scope
    definitions = read_definitions(params.definitions)
    shards = [Path(path) for path in snakemake.input.shards]
    sums = {}
    for dataset in definitions:
        sums[dataset] = by_cluster([path for path in shards if path.parent.name == dataset])
    is_generic = scope == GENERIC
    plan = read_plan(Path(snakemake.input.plan[0]))
    survivors = race(
        merge_shards(definitions, shards, params.seed),
        sums,
        plan.proposals(Proposer.GENERIC if is_generic else Proposer.OWN),
        params.beam_width,
        params.racing,
        params.across_datasets if is_generic else None,
        json.loads(params.weights),
    )
    logger.info("%d of %d candidates survive", len(survivors["beam"]), survivors["candidates"])
    write_json(Path(snakemake.output[0]), survivors)
