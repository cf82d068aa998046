"""Select what survives a round of a race, in every dataset's own scope and in the generic one."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.merging import merge_shards
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.search.plan import Proposer, read_plan
from blocksieve.search.racing import race
from blocksieve.shards import by_cluster
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    shards = [Path(path) for path in files.shards]
    evaluations = merge_shards(read_definitions(params.definitions), shards, params.seed)
    sums = {}
    for dataset in params.datasets:
        sums[dataset] = by_cluster([path for path in shards if path.parent.name == dataset])
    select = partial(
        race,
        sums=sums,
        beam_width=params.beam_width,
        racing=params.racing,
        weights=json.loads(params.weights),
    )
    plans = [read_plan(Path(path)) for path in files.plans]
    for dataset, plan, path in zip(params.datasets, plans, output.own, strict=True):
        of_dataset = evaluations.filter(pl.col("dataset") == dataset)
        survivors = select(of_dataset, proposals=plan.proposals(Proposer.OWN), scale=None)
        write_json(Path(path), survivors)
        num_kept, num_candidates = len(survivors["beam"]), survivors["candidates"]
        logger.info("%s: %d of %d survive", dataset, num_kept, num_candidates)
    # Any dataset's plan holds what the generic scope proposes: it is the same for all.
    proposals = plans[0].proposals(Proposer.GENERIC)
    survivors = select(evaluations, proposals=proposals, scale=params.across_datasets)
    write_json(Path(output.generic), survivors)
    logger.info("generic: %d of %d survive", len(survivors["beam"]), survivors["candidates"])
