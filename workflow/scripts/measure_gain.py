"""Measure what the best combination of every size gains in size, time and memory."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from blocksieve.deployment.gain import measure_gain
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import EvaluationSpec, ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    # As the evaluation's jobs run. The rule holds the other cores for quiet, not for work.
    torch.set_num_threads(1)
    files, params = snakemake.input, snakemake.params
    definitions = read_definitions(params.definitions)
    document = measure_gain(
        as_described(ModelSpec(**json.loads(params.model)), read_description(files.model)),
        EvaluationSpec(**json.loads(params.evaluation)),
        json.loads(Path(files.recommendations).read_text(encoding="utf-8")),
        definitions,
        dict(zip(definitions, map(Path, files.samples), strict=True)),
    )
    write_json(Path(snakemake.output[0]), document)
