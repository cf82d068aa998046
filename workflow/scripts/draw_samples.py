"""Draw a dataset's samples."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.quality import ReadReport
from blocksieve.datasets.sources import read_samples
from blocksieve.datasets.table import write_samples
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.specs import SampleSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    definition = json.loads(snakemake.params.definition)
    spec = SampleSpec(**json.loads(snakemake.params.samples))
    splits = definition["splits"]

    report = ReadReport()
    samples = read_samples(definition["source"], splits)
    usable = report.usable(samples, definition["metric"], spec.max_bad_samples)
    counts = {"search": spec.search, "holdout": spec.holdout}
    drawn = draw_samples(usable, counts, splits, snakemake.params.seed)

    write_samples(Path(snakemake.output.samples), drawn)
    write_json(Path(snakemake.output.report), report.content(len(drawn)))
    logger.info(
        "%s: %d samples drawn of %d, %d cannot be used",
        snakemake.wildcards.dataset,
        len(drawn),
        report.read,
        len(report.bad),
    )
