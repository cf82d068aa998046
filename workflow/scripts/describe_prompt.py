"""Describe what the model sees of a dataset's first sample."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.engine.prompt_report import describe_prompt
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import DatasetSpec, ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    description = read_description(snakemake.input.model)
    model = as_described(ModelSpec(**json.loads(snakemake.params.model)), description)
    definition = DatasetSpec(**json.loads(snakemake.params.definition))
    first_sample = pl.read_parquet(snakemake.input.samples, n_rows=1).row(0, named=True)
    write_text(Path(snakemake.output[0]), describe_prompt(model, first_sample, definition.prompt))
