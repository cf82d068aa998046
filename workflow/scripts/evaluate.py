"""Evaluate one part of a plan on one dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve import shards
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.search.evaluate import evaluate, metadata_of
from blocksieve.search.plan import read_plan
from blocksieve.search.task import Task
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    params, wildcards = snakemake.params, snakemake.wildcards
    description = read_description(snakemake.input.model)
    task = Task(
        dataset=wildcards.dataset,
        definition=DatasetSpec(**json.loads(params.definition)),
        model=as_described(ModelSpec(**json.loads(params.model)), description),
        model_fingerprint=description["fingerprint"],
        evaluation=EvaluationSpec(**json.loads(params.evaluation)),
    )
    plan = read_plan(Path(snakemake.input.plan))
    table = pl.read_parquet(snakemake.input.samples)
    evaluation = evaluate(
        task,
        table,
        samples=plan.samples(table),
        combinations=plan.part(int(wildcards.part), params.parts),
        cache_folder=Path("results", wildcards.run, "cache"),
    )
    metadata = metadata_of(task, evaluation.computed)
    shards.write(Path(snakemake.output.shard), task.dataset, evaluation.rows, metadata)
    evaluation.times.write(Path(snakemake.output.times))
