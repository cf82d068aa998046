"""Draw one figure from its analysis."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.analysis.results import read_result
from blocksieve.figures.export import save_chart
from blocksieve.figures.parts import named
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    module = importlib.import_module(f"blocksieve.figures.{snakemake.wildcards.figure}")
    result = read_result(Path(snakemake.input.analysis[0]))
    measured = [read_result(Path(path)) for path in snakemake.input.measured]
    chart = module.draw(result, snakemake.params.across_datasets, *measured)
    chart = named(chart, snakemake.params.model, snakemake.wildcards.run)
    save_chart(chart, *(Path(snakemake.output[kind]) for kind in ("png", "svg", "json")))
