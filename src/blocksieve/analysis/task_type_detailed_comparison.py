"""How much the task types lose, for each number of removed blocks."""

import polars as pl

from blocksieve.analysis import task_type_comparison
from blocksieve.evidence import Evidence

TABLE = {"size": pl.UInt8} | task_type_comparison.TABLE


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each task type's drops a size: the columns of `task_type_comparison`, and `size`.

    Only combinations that every dataset of the run has; sizes without any have no rows.
    """
    tables = []
    for (size,), rows in evidence.table.group_by("size", maintain_order=True):
        if combinations := evidence.full(size):
            summary = task_type_comparison.summaries(evidence, rows, combinations)
            tables.append(summary.select(pl.lit(size, pl.UInt8).alias("size"), pl.all()))
    return pl.concat(tables).sort("size", "task_type") if tables else pl.DataFrame(schema=TABLE)
