"""How alike the datasets respond to a combination."""

import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "combination": pl.String,
    "size": pl.UInt8,
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "kind_low": pl.Float64,
    "kind_high": pl.Float64,
    "spread": pl.Float64,
    "cv": pl.Float64,
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return the drop's coefficient of variation over datasets, for combinations on two or more.

    `mean`, its intervals over these datasets (`low`, `high`) and over all datasets of this kind
    (`kind_*`), and `spread`, the standard deviation of the true drops over the datasets, are in %
    or pp. `cv` = spread / mean. It is null where the mean's interval reaches 0, since a ratio to
    nothing says nothing, and where no error is known.
    """
    rows = []
    for combination, samples in evidence.coverage.items():
        if len(samples) >= 2:
            rows.append(_variation(evidence, combination, list(samples)))
    return pl.DataFrame(rows, schema=SCHEMA)


def _variation(evidence: Evidence, combination: Combination, datasets: list[str]) -> Row:
    (mean,) = evidence.average([{combination: 1.0}], datasets)
    assert mean.mean is not None  # a measured combination has a mean
    kind_low, kind_high = evidence.population_interval(combination, datasets)
    deviation = evidence.spread(combination, datasets)
    variation = None
    if deviation is not None and mean.low is not None and mean.low > 0:
        variation = deviation / mean.mean
    return {
        "combination": str(combination),
        "size": combination.size,
        "coverage": len(datasets),
        "num_datasets": len(evidence.datasets),
        "full": len(datasets) == len(evidence.datasets),
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "kind_low": kind_low,
        "kind_high": kind_high,
        "spread": deviation,
        "cv": variation,
    }
