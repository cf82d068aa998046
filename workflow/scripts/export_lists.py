"""Export the recommended lists as checkpoints that are proven to answer as measured."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.deployment.exports import RunFiles, export_strategies
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    model = as_described(ModelSpec(**json.loads(params.model)), read_description(files.model))
    definitions = read_definitions(params.definitions)
    run_files = RunFiles(
        run=params.run,
        definitions=definitions,
        tables=dict(zip(definitions, map(Path, files.samples), strict=True)),
        shards=[Path(shard) for shard in files.shards],
        evaluations=Path(files.evaluations),
        gain=Path(files.gain),
    )
    recommendations = json.loads(Path(files.recommendations).read_text(encoding="utf-8"))
    checkpoints = Path(snakemake.output.checkpoints)
    exports, proofs = export_strategies(model, recommendations, checkpoints, run_files)
    write_json(Path(snakemake.output.exports), exports)
    write_json(Path(snakemake.output.proof), proofs)
