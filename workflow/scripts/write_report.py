"""Write the comprehensive report, as plain text and as Markdown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.evaluations import shard_metadata
from blocksieve.files import write_text
from blocksieve.jobs import job
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.section import as_markdown, as_text

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    run = json.loads(snakemake.params.config)
    if snakemake.input.model:
        run["model"] |= json.loads(Path(snakemake.input.model).read_text())
    run["jobs"] = [shard_metadata(Path(path)) for path in snakemake.input.shards]
    measured = [pl.read_csv(path, separator="\t") for path in Path(snakemake.params.benchmarks).rglob("*.tsv")]
    if measured and run["jobs"]:
        run["seconds"] = sum(table["s"].sum() for table in measured)
    tables = {Path(path).stem: pl.read_parquet(path) for path in snakemake.input.tables}
    tables |= {Path(path).stem: json.loads(Path(path).read_text()) for path in snakemake.input.documents}
    sections = compose(pl.read_parquet(snakemake.input.evaluations), tables, run)
    write_text(Path(snakemake.output.text), as_text(TITLE, sections))
    write_text(Path(snakemake.output.markdown), as_markdown(TITLE, sections))
