"""Write the page of a run: one HTML file with all its data."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.analysis.results import read_result
from blocksieve.evidence import read_evidence
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.model_description import read_description
from blocksieve.page.content import PageFiles, compose
from blocksieve.page.html import libraries, write_html
from blocksieve.specs import RunSpec

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files = PageFiles.of(snakemake.input)
    run = RunSpec.of(json.loads(snakemake.params.config))
    description = None
    for path in snakemake.input.model:
        description = read_description(path)
    deployment = None
    for path in snakemake.input.deployment:
        deployment = json.loads(Path(path).read_text(encoding="utf-8"))
    evidence = read_evidence(snakemake.input, run.analysis)
    results = {Path(path).stem: read_result(Path(path)) for path in snakemake.input.analyses}
    content = compose(evidence, results, run, files, description, deployment)
    write_text(Path(snakemake.output[0]), write_html(content, libraries()))
