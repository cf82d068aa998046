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

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    definition = json.loads(snakemake.params.definition)
    counts = json.loads(snakemake.params.counts)
    splits = definition["splits"]

    report = ReadReport()
    samples = read_samples(definition["source"], splits)
    usable = report.usable(samples, definition["metric"], snakemake.params.max_bad_samples)
    drawn = draw_samples(usable, counts, splits, snakemake.params.seed, report.repeats)

    write_samples(Path(snakemake.output.samples), drawn)
    content = report.content(len(drawn))
    write_json(Path(snakemake.output.report), content)
    logger.info(
        "%s: %d samples drawn of %d, %d cannot be used, %d repeat an earlier one,"
        " %d were joined to an earlier one",
        snakemake.wildcards.dataset,
        content["drawn"],
        content["read"],
        content["bad"],
        content["duplicates"],
        content["joined"],
    )
    for entry in content["changed_pictures"]:
        logger.info(
            "pictures of %d samples were %s, first: %s",
            entry["samples"],
            entry["change"],
            entry["first"],
        )
