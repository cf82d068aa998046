"""Describe what the model sees of each dataset's first sample."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.engine.prompt_report import describe_prompt
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    description = read_description(files.model)
    model = as_described(ModelSpec(**json.loads(params.model)), description)
    definitions = read_definitions(params.definitions)
    for dataset, samples, output in zip(
        params.datasets, files.samples, snakemake.output, strict=True
    ):
        first_sample = pl.read_parquet(samples, n_rows=1).row(0, named=True)
        prompt = definitions[dataset].prompt
        write_text(Path(output), describe_prompt(model, first_sample, prompt, dataset))
