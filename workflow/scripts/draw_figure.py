"""Draw one figure from its analysis."""

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.figures.export import save_chart
from blocksieve.logs import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    module = importlib.import_module(f"blocksieve.figures.{snakemake.wildcards.figure}")
    path = Path(snakemake.input.analysis[0])
    found = json.loads(path.read_text()) if path.suffix == ".json" else pl.read_parquet(path)
    chart = module.draw(found, snakemake.params.across_datasets)
    save_chart(chart, *(Path(snakemake.output[kind]) for kind in ("png", "svg", "json")))
