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

with job_log(snakemake.log[0]):
    module = importlib.import_module(f"blocksieve.analysis.{snakemake.wildcards.analysis}")
    given = snakemake.input
    evidence = read_evidence(
        Path(given.evaluations),
        json.loads(snakemake.params.settings),
        map(Path, given.clusters),
        map(Path, given.beams),
        Path(given.model) if given.model else None,
    )
    found, output = module.analyse(evidence), Path(snakemake.output[0])
    if output.suffix == ".json":
        write_json(output, found)
    else:
        with whole_file(output) as temporary:
            found.write_parquet(temporary)
