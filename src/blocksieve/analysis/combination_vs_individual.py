"""Synergy: whether a combination costs less or more than its blocks removed one at a time."""

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8,
    "coverage": pl.UInt32,
    "full": pl.Boolean,
    "measured": pl.Float64,
    "summed": pl.Float64,
    "interaction": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "label": pl.String,
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return the interaction of each combination of two blocks or more.

    It is the combination's drop minus the sum of its blocks' drops, in % or pp, averaged over the
    datasets that have the combination and all its single blocks (`coverage`), on the same samples.
    `q`: p adjusted over the run (Benjamini and Hochberg). `label`: synergy (it costs less) or
    antagonism (it costs more) where q is at most 5 %, else none. Combinations without such a
    dataset have no row.
    """
    rows = []
    for combination in evidence.coverage:
        datasets = _datasets_with_parts(evidence, combination)
        if combination.size > 1 and datasets:
            rows.append(_interaction(evidence, combination, datasets))
    table = pl.DataFrame(rows, schema=SCHEMA)
    p = table["p"].fill_null(np.nan).to_numpy()
    q = pl.Series(false_discovery(p), dtype=pl.Float64)
    return _labelled(table.with_columns(q=q.fill_nan(None)))


def _datasets_with_parts(evidence: Evidence, combination: Combination) -> list[str]:
    """Return the datasets that have the combination and each of its sites removed alone."""
    datasets = []
    for dataset in evidence.coverage[combination]:
        measured = evidence.row_index[dataset]
        if all(single in measured for single in combination.singles):
            datasets.append(dataset)
    return datasets


def _interaction(evidence: Evidence, combination: Combination, datasets: list[str]) -> Row:
    contrast = {combination: 1.0} | dict.fromkeys(combination.singles, -1.0)
    (interaction,) = evidence.average([contrast], datasets)
    assert interaction.mean is not None  # measured combinations have a mean
    drops = [evidence.values(dataset, [combination])[0] for dataset in datasets]
    measured = float(np.mean(drops))
    return {
        "combination": str(combination),
        "removed": combination.blocks,
        "size": combination.size,
        "coverage": len(datasets),
        "full": len(datasets) == len(evidence.datasets),
        "measured": measured,
        "summed": measured - interaction.mean,
        "interaction": interaction.mean,
        "se": interaction.se,
        "low": interaction.low,
        "high": interaction.high,
        "p": interaction.p,
    }


def _labelled(table: pl.DataFrame) -> pl.DataFrame:
    shown = pl.col("q") <= FALSE_DISCOVERY_RATE
    synergy = shown & (pl.col("interaction") < 0)
    antagonism = shown & (pl.col("interaction") > 0)
    label = (
        pl.when(synergy)
        .then(pl.lit("synergy"))
        .when(antagonism)
        .then(pl.lit("antagonism"))
        .otherwise(pl.lit("none"))
    )
    return table.with_columns(label=label)
