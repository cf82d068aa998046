"""Export the recommended lists as checkpoints."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.deployment.exports import export_strategies
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import ModelSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    description = read_description(snakemake.input.model)
    model = as_described(ModelSpec(**json.loads(snakemake.params.model)), description)
    recommendations = json.loads(Path(snakemake.input.recommendations).read_text(encoding="utf-8"))
    exports = export_strategies(model, recommendations, Path(snakemake.output.checkpoints))
    write_json(Path(snakemake.output.exports), exports)
