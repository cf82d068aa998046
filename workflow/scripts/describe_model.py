"""Describe the model: fingerprint and blocks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.files import write_json
from blocksieve.logs import job_log
from blocksieve.models.describe import describe_model
from blocksieve.specs import ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    write_json(Path(snakemake.output[0]), describe_model(ModelSpec(**json.loads(snakemake.params.model))))
