"""Show the whole model's answers to a few samples of each dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.baseline_answers import baseline_rows, first_answers, page
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    files, params = snakemake.input, snakemake.params
    definitions = read_definitions(params.definitions)
    shards = [Path(path) for path in files.shards]
    for dataset, samples, output in zip(
        params.datasets, files.samples, snakemake.output, strict=True
    ):
        rows = baseline_rows(dataset, shards, Path(samples))
        answers = first_answers(rows, definitions[dataset].prompt)
        write_text(Path(output), page(dataset, rows, answers))
        for answer in answers:
            logger.info("%s: %s", dataset, answer)
