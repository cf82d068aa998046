"""Evaluate one part of a search step, of the finalists, or the baseline, on one dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.combination import NONE, Combination
from blocksieve.files import write_text
from blocksieve.logs import job_log
from blocksieve.search.candidates import part_of, step_candidates
from blocksieve.search.evaluate import Task, evaluate, write_shard
from blocksieve.specs import DatasetSpec, ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    params, wildcards = snakemake.params, snakemake.wildcards
    description = json.loads(Path(snakemake.input.model).read_text())
    evaluation = json.loads(params.evaluation)
    model = json.loads(params.model)
    if description["commit"] is not None:
        model["revision"] = description["commit"]
    task = Task(
        dataset=wildcards.dataset,
        definition=DatasetSpec(**json.loads(params.definition)),
        model=ModelSpec(**model),
        model_fingerprint=description["fingerprint"],
        engine=evaluation["engine"],
        batch_size=evaluation["batch_size"],
        batch_timeout=evaluation["batch_timeout"],
    )
    if "size" in wildcards.keys():
        beam = json.loads(Path(snakemake.input.beam).read_text())["beam"] if snakemake.input.beam else None
        step = step_candidates(beam, description["num_blocks"], int(wildcards.size))
        combinations = part_of(step, int(wildcards.part), params.parts)
    elif "part" in wildcards.keys():
        finalists = json.loads(Path(snakemake.input.finalists).read_text())["combinations"]
        own = part_of(list(map(Combination.parse, finalists)), int(wildcards.part), params.parts)
        combinations = [NONE, *own]
    else:
        combinations = [NONE]
    cache = Path("results", wildcards.run, "cache")
    samples = pl.read_parquet(snakemake.input.samples)
    rows, computed = evaluate(task, samples, combinations, cache, params.roles)
    write_shard(Path(snakemake.output[0]), task, rows, computed)
    if "prompt" in snakemake.output.keys():
        from blocksieve.engine.prompt_report import describe_prompt  # torch: not for jobs that find all in the cache

        seen = describe_prompt(task.model, samples.row(0, named=True), task.definition.prompt)
        write_text(Path(snakemake.output.prompt), seen)
