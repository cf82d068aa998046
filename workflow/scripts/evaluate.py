"""Evaluate one part of a step's plans, dataset by dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve import shards
from blocksieve.job_times import write_job_times
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.search.evaluate import metadata_of
from blocksieve.search.plan import read_plan
from blocksieve.search.step_part import Share, evaluate_shares
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec, ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    description = read_description(files.model)
    model = as_described(ModelSpec(**json.loads(params.model)), description)
    evaluation_spec = EvaluationSpec(**json.loads(params.evaluation))
    definitions = read_definitions(params.definitions)
    shares = []
    for dataset, table, path in zip(params.datasets, files.samples, files.plans, strict=True):
        task = Task(
            dataset=dataset,
            definition=definitions[dataset],
            model=model,
            model_fingerprint=description["fingerprint"],
            evaluation=evaluation_spec,
        )
        plan = read_plan(Path(path))
        combinations = plan.part(int(wildcards.part), params.parts)
        shares.append(Share(task, Path(table), plan, combinations))
    evaluations = evaluate_shares(shares, cache_folder=Path(params.cache))
    times = {}
    for (task, evaluation), shard in zip(evaluations, snakemake.output.shards, strict=True):
        metadata = metadata_of(task, evaluation.times.engine)
        shards.write(Path(shard), task.dataset, evaluation.rows, metadata)
        times[task.dataset] = evaluation.times
    write_job_times(Path(snakemake.output.times), times)
