"""How much the task types lose, for each number of removed blocks."""

import polars as pl

from blocksieve.analysis import task_type_comparison
from blocksieve.evidence import Evidence

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "size": pl.UInt8,
    **task_type_comparison.SCHEMA,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Summarise each task type's drops by size: `size`, and columns as in `task_type_comparison`.

    Only combinations that every dataset of the run has; sizes without any have no rows.
    """
    tables = [pl.DataFrame(schema=SCHEMA)]
    for size in evidence.sizes:
        rows = evidence.table.filter(pl.col("size") == size)
        combinations = evidence.with_full_coverage(size)
        summary = task_type_comparison.summaries(evidence, rows, combinations)
        of_size = summary.with_columns(size=pl.lit(size, pl.UInt8))
        tables.append(of_size.select(*SCHEMA))
    return pl.concat(tables).sort("size", "task_type")
