"""Write the comprehensive report, as plain text and as Markdown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.analysis.results import read_result
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.model_description import read_description
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import as_markdown, as_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    description = None
    for path in snakemake.input.model:
        description = read_description(path)
    facts = RunFacts.from_config(json.loads(snakemake.params.config), description)
    results = {Path(path).stem: read_result(Path(path)) for path in snakemake.input.analyses}
    sections = compose(pl.read_parquet(snakemake.input.evaluations), results, facts)
    write_text(Path(snakemake.output.text), as_text(TITLE, sections))
    write_text(Path(snakemake.output.markdown), as_markdown(TITLE, sections))
