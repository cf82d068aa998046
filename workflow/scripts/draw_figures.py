"""Draw every figure from its analysis."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.analysis import ANALYSES
from blocksieve.analysis.results import read_result
from blocksieve.figures.export import save_chart
from blocksieve.figures.parts import named
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    measured = [read_result(Path(path)) for path in files.measured]
    drawings = zip(params.figures, files.analyses, strict=True)
    for number, (figure, analysis) in enumerate(drawings):
        module = importlib.import_module(f"blocksieve.figures.{figure}")
        shown = ANALYSES[figure]
        beside = measured if shown.measured else []
        chart = module.draw(read_result(Path(analysis)), params.across_datasets, *beside)
        chart = named(chart, params.model, params.run, params.unit, shown.on_search_samples)
        paths = [Path(output[kind][number]) for kind in ("png", "svg", "json")]
        save_chart(chart, *paths)
        logger.info("drew %s", figure)
