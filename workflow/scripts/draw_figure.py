"""Draw one figure from its analysis."""

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.figures.export import save_chart
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    module = importlib.import_module(f"blocksieve.figures.{snakemake.wildcards.figure}")
    path = Path(snakemake.input.analysis[0])
    is_document = path.suffix == ".json"
    result = json.loads(path.read_text()) if is_document else pl.read_parquet(path)
    chart = module.draw(result, snakemake.params.across_datasets)
    save_chart(chart, *(Path(snakemake.output[kind]) for kind in ("png", "svg", "json")))
