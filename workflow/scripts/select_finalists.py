"""Select the finalists: what every way of choosing takes, and combinations named in the config."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.combination import Combination
from blocksieve.merging import merge_shards
from blocksieve.evidence import Evidence, read_beams
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.search.finalists import finalists
from blocksieve.shards import SumsByCluster
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    params = snakemake.params
    shards = [Path(path) for path in snakemake.input.shards]
    definitions = read_definitions(params.definitions)
    evidence = Evidence(
        evaluations=merge_shards(definitions, shards, params.seed),
        scale=params.across_datasets,
        sums=SumsByCluster(shards),
        beams=read_beams(Path(path) for path in snakemake.input.beams),
        weights=json.loads(params.weights),
    )
    selected = finalists(evidence, [Combination.parse(text) for text in params.named])
    logger.info(
        "%d finalists for %d choices", len(selected["combinations"]), len(selected["choices"])
    )
    write_json(Path(snakemake.output[0]), selected)
