"""The table of evaluations: one row per dataset, combination and role."""

from collections.abc import Collection, Iterable

import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "dataset": pl.String(),
    "task_type": pl.String(),
    "bounded": pl.Boolean(),
    "combination": pl.String(),
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8(),
    "role": pl.String(),
    "n": pl.UInt32(),
    "n_clusters": pl.UInt32(),
    "baseline": pl.Float64(),
    "baseline_se": pl.Float64(),
    "max_change": pl.Float64(),
    "score": pl.Float64(),
    "drop": pl.Float64(),
    "se": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "relative": pl.Float64(),
    "relative_se": pl.Float64(),
    "wins": pl.UInt32(),
    "losses": pl.UInt32(),
    "near_ties": pl.UInt32(),
    "non_finite": pl.UInt32(),
    "unparsable": pl.UInt32(),
    "not_evaluable": pl.String(),
    "removed_parameters": pl.Float64(),
    "removed_flops": pl.Float64(),
    "removed_kv_cache": pl.Float64(),
}
# `removed` names blocks, of which halves may be removed: the combination tells those apart.
ORDER = ["dataset", "size", "removed", "combination", "role"]

_BASELINE = pl.col("baseline")
# The variance of a score in [0, 1] is at most mean x (1 - mean).
_MAX_VARIANCE = (_BASELINE * (1 - _BASELINE)).clip(lower_bound=0)
DERIVED = {
    "baseline_se": pl.when("bounded").then((_MAX_VARIANCE / pl.col("n_clusters")).sqrt()),
    "max_change": pl.when("bounded").then(1.0).otherwise(_BASELINE),
    "removed_parameters": pl.lit(None, pl.Float64),
    "removed_flops": pl.lit(None, pl.Float64),
    "removed_kv_cache": pl.lit(None, pl.Float64),
    "raced_out": pl.lit(value=False),
}
"""What stands for columns that a table may lack."""

MIN_BASELINE_ERRORS = 5
"""The standard errors by which a baseline must lie above 0, so that a share of it is a measure."""

IS_WEAK = _BASELINE.lt(MIN_BASELINE_ERRORS * pl.col("baseline_se")).fill_null(value=False)
"""Whether a dataset's baseline is too close to 0 for the share of it that is lost."""

IS_GUESSABLE = (pl.col("task_type") == "Multiple Choice") & (pl.col("max_change") <= 1)
"""Whether a spoiled answer still scores by guessing; scores above chance may change by 2."""


def weak_datasets(evaluations: pl.DataFrame) -> list[str]:
    """Return the datasets, by name, with a row whose baseline is too close to 0: see IS_WEAK."""
    weak = evaluations.filter(IS_WEAK)
    names = weak["dataset"].unique()
    ordered: list[str] = names.sort().to_list()
    return ordered


def strong_unless_all_are_weak(datasets: Iterable[str], weak: Collection[str]) -> list[str]:
    """Return the datasets that count in a mean of relative drops."""
    over = list(datasets)
    strong = []
    for dataset in over:
        if dataset not in weak:
            strong.append(dataset)
    return strong or over


def with_derived(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of evaluations with those of DERIVED that it lacks."""
    for name, value in DERIVED.items():
        if name not in table.columns:
            table = table.with_columns(value.alias(name))
    return table
