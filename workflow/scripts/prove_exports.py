"""Prove that the exported checkpoints answer as measured; fail with the first difference."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.combination import Combination
from blocksieve.deployment.proof import check, measured_answers, prove
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
    tables = dict(zip(definitions, map(Path, files.samples), strict=True))
    shards = [Path(shard) for shard in files.shards]
    proofs = []
    for export in json.loads(Path(files.exports).read_text(encoding="utf-8")):
        if export["checkpoint"] is None:
            continue
        checkpoint, combination = Path(export["checkpoint"]), Combination.parse(export["combination"])
        role, measured = measured_answers(combination, definitions, tables, shards)
        proof = prove(checkpoint, model, combination, role, measured)
        check(proof, checkpoint)
        proofs.append(proof)
    write_json(Path(snakemake.output[0]), proofs)
