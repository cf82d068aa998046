"""Compute one analysis from what the run measured."""

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.analysis.needs import read_needs
from blocksieve.analysis.results import write_result
from blocksieve.evidence import read_evidence
from blocksieve.jobs import job
from blocksieve.specs import AnalysisSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    name = snakemake.wildcards.analysis
    module = importlib.import_module(f"blocksieve.analysis.{name}")
    settings = AnalysisSpec.of(**json.loads(snakemake.params.settings))
    evidence = read_evidence(snakemake.input, settings)
    result = module.analyse(evidence, **read_needs(name, snakemake.input))
    write_result(Path(snakemake.output[0]), result)
