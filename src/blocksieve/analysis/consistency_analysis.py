"""How alike the datasets respond to a combination."""

import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence
from blocksieve.statistics import spread

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "combination": pl.String,
    "size": pl.UInt8,
    "coverage": pl.UInt32,
    "num_datasets": pl.UInt32,
    "full": pl.Boolean,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "spread": pl.Float64,
    "cv": pl.Float64,
}
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return the drop's coefficient of variation over datasets, for combinations on two or more.

    `mean`, its interval and `spread` (standard deviation over datasets) are in % or pp. `cv` =
    spread / mean. It is null where the mean's interval reaches 0, since a ratio to nothing says
    nothing.
    """
    rows = []
    for combination, samples in evidence.coverage.items():
        if len(samples) >= 2:
            rows.append(_variation(evidence, combination, list(samples)))
    return pl.DataFrame(rows, schema=SCHEMA)


def _variation(evidence: Evidence, combination: Combination, datasets: list[str]) -> Row:
    (mean,) = evidence.average([{combination: 1.0}], datasets)
    drops = [float(evidence.values(dataset, [combination])[0]) for dataset in datasets]
    deviation = spread(drops)
    # There are two datasets or more.
    assert deviation is not None
    assert mean.mean is not None
    variation = None
    if mean.low is not None and mean.low > 0:
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
        "spread": deviation,
        "cv": variation,
    }
