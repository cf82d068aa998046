"""Fit the router on the datasets' prompts, and say what it detects on each of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.choices import read_choices
from blocksieve.files import whole_file
from blocksieve.jobs import job
from blocksieve.routing.fitting import combinations_by_task_type, fit_router
from blocksieve.routing.prompts import prompts_of
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    columns = ["sample_id", "role", "question", "choices"]
    samples = {
        Path(path).stem: pl.read_parquet(path, columns=columns) for path in snakemake.input.samples
    }
    prompts = prompts_of(samples, read_definitions(snakemake.params.definitions))
    generic, task_types = combinations_by_task_type(read_choices(Path(snakemake.input.finalists)))
    router, detections = fit_router(prompts, generic, task_types)
    router.save(snakemake.output.router)
    with whole_file(Path(snakemake.output.detections)) as temporary:
        detections.write_parquet(temporary)
    logger.info("%d task types, threshold %s", len(router.types), router.threshold)
