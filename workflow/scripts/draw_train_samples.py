"""Draw a dataset's prompts to heal lists with: of its split `train`, nothing that the run drew."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.datasets.table import write_samples
from blocksieve.deployment.train_samples import Seen, draw_train_samples
from blocksieve.files import write_json
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    params = snakemake.params
    dataset = snakemake.wildcards.dataset
    tables = {Path(file).stem: pl.read_parquet(file) for file in snakemake.input.samples}
    seen = Seen.of(tables, dataset)
    definition = json.loads(params.definition)
    drawn, report = draw_train_samples(
        definition["source"], definition["metric"], seen, params.most, params.seed
    )
    write_samples(Path(snakemake.output.samples), [("train", sample) for sample in drawn])
    write_json(Path(snakemake.output.report), report)
    logger.info("%s: %d training prompts; left out: %s", dataset, len(drawn), report["left_out"])
