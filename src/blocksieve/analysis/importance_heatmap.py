"""What removing each block, or half of one, alone costs on each dataset."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Evidence
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery, mcnemar, p_values

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "site": pl.String,
    "dataset": pl.String,
    "task_type": pl.String,
    "role": pl.String,
    "n": pl.UInt32,
    "drop": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "significant": pl.Boolean,
    "wins": pl.UInt32,
    "losses": pl.UInt32,
    "mcnemar": pl.Float64,
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return the drop of every single site on every dataset, in % or pp, with its interval.

    `q`: two-sided p against 0, adjusted over all sites and datasets (Benjamini and Hochberg);
    `significant` where it is at most 5 %. `wins` and `losses`: samples that do better and worse
    without the site; `mcnemar`: the exact p of their being equally likely, whose samples count as
    independent. Datasets in order of their task type.
    """
    rows = evidence.table.filter(pl.col("size") == 1)
    p = _p(rows)
    counts = rows.select("wins", "losses").fill_null(0)
    exact_p = [mcnemar(wins, losses) for wins, losses in counts.iter_rows()]
    tested = rows.with_columns(
        site="combination",
        role=pl.lit(evidence.role),
        p=pl.Series(p),
        q=pl.Series(false_discovery(p)),
        mcnemar=pl.Series(exact_p, dtype=pl.Float64),
    ).fill_nan(None)
    significant = (pl.col("q") <= FALSE_DISCOVERY_RATE).fill_null(False)
    table = tested.with_columns(significant=significant)
    return _in_order_of_task_types(table, evidence).select(*SCHEMA).cast(pl.Schema(SCHEMA))


def _p(rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return the two-sided p of each row's drop against 0, nan where its error is not known."""
    drop = rows["drop"].cast(pl.Float64).fill_null(np.nan)
    se = rows["se"].cast(pl.Float64).fill_null(np.nan)
    freedom = rows["n_clusters"] - 1
    return p_values(drop, se, freedom)


def _in_order_of_task_types(table: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    order = pl.Enum(list(evidence.task_types))
    dataset = pl.col("dataset").cast(order)
    return table.sort(dataset, "removed", "site")
