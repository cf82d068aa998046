"""Compute what routing by the prompt saves."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.analysis.routing import analyse, sums_of_policies
from blocksieve.evidence import read_evidence
from blocksieve.files import write_json
from blocksieve.logs import job_log
from blocksieve.routing import Router

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    given = snakemake.input
    settings = json.loads(snakemake.params.settings)
    evidence = read_evidence(
        given.evaluations, settings, given.clusters, given.beams, given.model or None, given.finalists or None
    )
    if given.router:
        router, detections = Router.load(given.router), pl.read_parquet(given.detections)
        found = analyse(evidence, router, detections, sums_of_policies(map(Path, given.shards), detections, router))
    else:
        found = analyse(evidence)
    write_json(Path(snakemake.output[0]), found)
