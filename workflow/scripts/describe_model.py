"""Describe the model: fingerprint and blocks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.models.describe import describe_model
from blocksieve.specs import ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    model = ModelSpec(**json.loads(snakemake.params.model))
    write_json(Path(snakemake.output[0]), describe_model(model))
