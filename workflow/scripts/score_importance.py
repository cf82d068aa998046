"""Write the importance scores of every dataset, task type, and all datasets."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.evidence import read_evidence
from blocksieve.files import write_json
from blocksieve.importance import importance_scores
from blocksieve.jobs import job
from blocksieve.specs import AnalysisSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    folder = Path(snakemake.output[0])
    folder.mkdir(parents=True, exist_ok=True)
    settings = AnalysisSpec.of(**json.loads(snakemake.params.settings))
    evidence = read_evidence(snakemake.input, settings)
    for name, scores in importance_scores(evidence):
        write_json(folder / f"{name}.json", asdict(scores))
        logger.info("%s: least important %s", name, ", ".join(map(str, scores.removal_order[:5])))
