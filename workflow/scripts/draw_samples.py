"""Draw a dataset's samples."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.report import Report
from blocksieve.datasets.sources import read_samples
from blocksieve.datasets.table import write_samples
from blocksieve.files import write_json
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    definition = json.loads(snakemake.params.definition)
    counts = json.loads(snakemake.params.samples)
    report = Report()
    found = read_samples(definition["source"], definition["splits"])
    usable = report.usable(found, definition["metric"], counts["max_bad_samples"])
    drawn = draw_samples(usable, counts, definition["splits"], snakemake.params.seed)
    write_samples(Path(snakemake.output.samples), drawn)
    write_json(Path(snakemake.output.report), report.content(len(drawn)))
    logger.info(
        "%s: %d samples drawn of %d, %d cannot be used", snakemake.wildcards.dataset, len(drawn), report.read, len(report.bad)
    )
