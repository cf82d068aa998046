"""Select the finalists: winners of all beams, removal orders of importance scores, and combinations named in the config."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evaluations import merge_shards
from blocksieve.evidence import Evidence, read_beams
from blocksieve.files import write_json
from blocksieve.importance import importance_scores
from blocksieve.logs import job_log
from blocksieve.search.finalists import select_finalists

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]) as logger:
    params = snakemake.params
    shards = [Path(path) for path in snakemake.input.shards]
    alone = merge_shards(json.loads(params.definitions), shards, params.seed)
    scores = [found for _, found in importance_scores(Evidence(alone, json.loads(params.settings)))]
    finalists = select_finalists(read_beams(snakemake.input.beams), scores, params.named, params.max_removed)
    logger.info("%d finalists", len(finalists))
    write_json(Path(snakemake.output[0]), finalists)
