"""Select the beams of one size: every dataset's own, and the generic one."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.merging import merge_shards
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.search.beams import select_beam
from blocksieve.search.plan import Proposer, read_plan
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    shards = [Path(path) for path in files.shards]
    evaluations = merge_shards(read_definitions(params.definitions), shards, params.seed)
    select = partial(
        select_beam,
        beam_width=params.beam_width,
        scale=params.across_datasets,
        weights=json.loads(params.weights),
    )
    plans = [read_plan(Path(path)) for path in files.plans]
    for dataset, plan, path in zip(params.datasets, plans, output.own, strict=True):
        of_dataset = evaluations.filter(pl.col("dataset") == dataset)
        write_json(Path(path), select(of_dataset, plan.proposals(Proposer.OWN), "own"))
    # Any dataset's plan holds what the generic beam proposes: it is the same for all.
    generic_beam = select(evaluations, plans[0].proposals(Proposer.GENERIC), "generic")
    write_json(Path(output.generic), generic_beam)
