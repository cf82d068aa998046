"""Compute one analysis from what the run measured."""

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evidence import read_evidence
from blocksieve.files import whole_file, write_json
from blocksieve.logs import job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    module = importlib.import_module(f"blocksieve.analysis.{snakemake.wildcards.analysis}")
    given = snakemake.input
    settings = json.loads(snakemake.params.settings)
    evidence = read_evidence(
        given.evaluations, settings, given.clusters, given.beams, given.model or None, given.finalists or None
    )
    routing = [json.loads(Path(path).read_text()) for path in given.get("routing", [])]
    found, output = module.analyse(evidence, *routing), Path(snakemake.output[0])
    if output.suffix == ".json":
        write_json(output, found)
    else:
        with whole_file(output) as temporary:
            found.write_parquet(temporary)
