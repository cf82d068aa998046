"""Show the whole model's answers to a few samples of a dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.baseline_answers import baseline_rows, first_answers, page
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.specs import DatasetSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    definition = DatasetSpec(**json.loads(snakemake.params.definition))
    rows = baseline_rows(Path(snakemake.input.shard), Path(snakemake.input.samples))
    answers = first_answers(rows, definition.prompt)
    write_text(Path(snakemake.output[0]), page(snakemake.wildcards.dataset, rows, answers))
    for answer in answers:
        logger.info("%s", answer)
