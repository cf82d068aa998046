"""Write the comprehensive report, as plain text and as Markdown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.files import write_text
from blocksieve.logs import job_log
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import as_markdown, as_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0], snakemake.input):
    inputs, output = snakemake.input, snakemake.output
    description = json.loads(Path(inputs.model).read_text()) if inputs.model else None
    facts = RunFacts.from_config(json.loads(snakemake.params.config), description)
    results = {Path(path).stem: pl.read_parquet(path) for path in inputs.tables}
    results |= {Path(path).stem: json.loads(Path(path).read_text()) for path in inputs.documents}
    sections = compose(pl.read_parquet(inputs.evaluations), results, facts)
    write_text(Path(output.text), as_text(TITLE, sections))
    write_text(Path(output.markdown), as_markdown(TITLE, sections))
