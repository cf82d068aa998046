"""Write the comprehensive report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.evaluations import shard_metadata
from blocksieve.files import write_text
from blocksieve.logs import job_log
from blocksieve.report.comprehensive_report import write_report

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_log(snakemake.log[0]):
    run = json.loads(snakemake.params.config)
    if snakemake.input.model:
        run["model"] |= json.loads(Path(snakemake.input.model).read_text())
    run["jobs"] = [shard_metadata(Path(path)) for path in snakemake.input.shards]
    evaluations, rankings = (pl.read_parquet(snakemake.input[name]) for name in ("evaluations", "rankings"))
    write_text(Path(snakemake.output[0]), write_report(evaluations, rankings, run))
