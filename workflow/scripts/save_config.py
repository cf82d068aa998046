"""Check the merged config against the model, and save it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from blocksieve.config import check_against_model
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.model_description import read_description
from blocksieve.specs import RunSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    config = json.loads(snakemake.params.config)
    for path in snakemake.input.model:
        description = read_description(path)
        num_blocks = description["num_blocks"]
        num_exportable = num_blocks - len(description["not_exportable"])
        num_halves = len(description["halves"])
        check_against_model(RunSpec.of(config), num_blocks, num_exportable, num_halves)
    write_text(Path(snakemake.output[0]), yaml.safe_dump(config, allow_unicode=True))
