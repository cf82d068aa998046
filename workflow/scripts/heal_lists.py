"""Finetune lists on the whole model's answers, export them, and measure them again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.deployment.healing import Run, heal_lists, lists_to_heal
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import AnalysisSpec, EvaluationSpec, HealSpec, ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    description = read_description(files.model)
    definitions = read_definitions(params.definitions)
    run = Run(
        model=as_described(ModelSpec(**json.loads(params.model)), description),
        fingerprint=description["fingerprint"],
        definitions=definitions,
        samples=dict(zip(definitions, map(pl.read_parquet, files.samples), strict=True)),
        train_samples=dict(zip(definitions, map(pl.read_parquet, files.train), strict=True)),
        train_reports={
            dataset: json.loads(Path(file).read_text(encoding="utf-8"))
            for dataset, file in zip(definitions, files.reports, strict=True)
        },
        evaluation=EvaluationSpec(**json.loads(params.evaluation)),
        evaluations=pl.read_parquet(files.evaluations),
        analysis=AnalysisSpec.of(**json.loads(params.analysis)),
        seed=params.seed,
        cache=Path(params.cache),
    )
    spec = HealSpec(**json.loads(params.heal))
    recommendations = json.loads(Path(files.recommendations).read_text(encoding="utf-8"))
    exports = json.loads(Path(files.exports).read_text(encoding="utf-8"))
    combinations = lists_to_heal(spec, recommendations, exports)
    document = heal_lists(run, spec, combinations, Path(snakemake.output.checkpoints))
    write_json(Path(snakemake.output.document), document)
