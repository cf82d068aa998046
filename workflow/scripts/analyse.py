"""Compute one analysis from what the run measured."""

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.analysis.needs import read_needs
from blocksieve.evidence import read_evidence
from blocksieve.files import whole_file, write_json
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
    output = Path(snakemake.output[0])
    if output.suffix == ".json":
        write_json(output, result)
    else:
        with whole_file(output) as temporary:
            result.write_parquet(temporary)
