"""Check the merged config against the model, and save it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from blocksieve.config import check_against_model
from blocksieve.files import write_text
from blocksieve.logs import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    config = json.loads(snakemake.params.config)
    if snakemake.input.model:
        check_against_model(config, json.loads(Path(snakemake.input.model).read_text())["num_blocks"])
    write_text(Path(snakemake.output[0]), yaml.safe_dump(config, allow_unicode=True))
