"""What removing each block, or half of one, alone costs on each dataset."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.evidence import Evidence
from blocksieve.statistics import (
    FALSE_DISCOVERY_RATE,
    false_discovery_of_signs,
    mcnemar,
    p_values,
)

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

    `q`: two-sided p against 0, adjusted over all sites and datasets (Benjamini and Hochberg),
    losses and gains apart; `significant` where it is at most 5 %. `wins` and `losses`: samples that
    do better and worse without the site; `mcnemar`: the exact p of their being equally likely,
    whose samples count as independent. Datasets in order of their task type.
    """
    rows = evidence.table.filter(pl.col("size") == 1)
    drop = _known(rows["drop"])
    p = p_values(drop, _known(rows["se"]), rows["n_clusters"] - 1)
    counts = rows.select("wins", "losses").fill_null(0)
    exact_p = [mcnemar(wins, losses) for wins, losses in counts.iter_rows()]
    tested = rows.with_columns(
        site="combination",
        role=pl.lit(evidence.role),
        p=pl.Series(p),
        q=pl.Series(false_discovery_of_signs(p, drop)),
        mcnemar=pl.Series(exact_p, dtype=pl.Float64),
    ).fill_nan(None)
    significant = (pl.col("q") <= FALSE_DISCOVERY_RATE).fill_null(False)
    table = tested.with_columns(significant=significant)
    return _in_order_of_task_types(table, evidence).select(*SCHEMA).cast(pl.Schema(SCHEMA))


def _known(column: pl.Series) -> NDArray[np.float64]:
    """Return a column's numbers, nan where one is not known."""
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _in_order_of_task_types(table: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    order = pl.Enum(list(evidence.task_types))
    dataset = pl.col("dataset").cast(order)
    return table.sort(dataset, "removed", "site")
