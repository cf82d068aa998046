"""Select the finalists: what every way of choosing takes, and combinations named in the config."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.choices import finalists
from blocksieve.evaluations import merge_shards
from blocksieve.evidence import Evidence, read_beams
from blocksieve.files import write_json
from blocksieve.logs import job_log
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input) as logger:
    params = snakemake.params
    shards = [Path(path) for path in snakemake.input.shards]
    evaluations = merge_shards(read_definitions(params.definitions), shards, params.seed)
    settings = {"across_datasets": params.across_datasets}
    evidence = Evidence(evaluations, settings, beams=read_beams(snakemake.input.beams))
    selected = finalists(evidence, params.named)
    logger.info("%d finalists for %d choices", len(selected["combinations"]), len(selected["choices"]))
    write_json(Path(snakemake.output[0]), selected)
