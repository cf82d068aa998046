"""The beam: which combinations each step of the search kept, and from which they came."""

from collections.abc import Mapping, Sequence

import polars as pl

from blocksieve.choices import Scope
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, MeanDrop

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "scope": pl.String,
    "size": pl.UInt8,
    "combination": pl.String,
    "rank": pl.UInt32,
    "parents": pl.List(pl.String),
    "kept": pl.Boolean,
    "drop": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
Row = dict[str, object]
Beam = Mapping[int, Sequence[Combination]]
"""The kept combinations of each size, the best first."""


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Follow every beam: one row per scope (a dataset, or generic) and candidate, in % or pp.

    `parents`: the combinations of the size before that were kept and that it extends by a block;
    none at size 1. `kept`: whether the beam went on with it; `rank`: in which place. Candidates are
    what the scope evaluated: kept combinations, and extensions of kept ones. No rows for a given
    table, which comes without beams.
    """
    rows = []
    for scope, beam in sorted(evidence.beams.items()):
        rows += _candidates(evidence, scope, beam)
    return pl.DataFrame(rows, schema=SCHEMA)


def _candidates(evidence: Evidence, scope: str, beam: Beam) -> list[Row]:
    datasets = evidence.datasets if scope == Scope.GENERIC else [scope]
    if not set(datasets) <= set(evidence.datasets):
        return []
    combinations = evidence.measured_on(datasets)
    contrasts = [{combination: 1.0} for combination in combinations]
    means = evidence.average(contrasts, datasets)
    rows = []
    for combination, mean in zip(combinations, means, strict=True):
        kept_of_size = beam.get(combination.size, [])
        kept = combination in kept_of_size
        parents = _kept_parents(combination, beam)
        if kept or parents or combination.is_single:
            rows.append(_row(scope, combination, beam, parents, mean))
    return rows


def _kept_parents(combination: Combination, beam: Beam) -> list[Combination]:
    """Return the kept combinations that it extends, the one without its first site first."""
    kept = beam.get(combination.size - 1, [])
    parents = []
    for site in combination.sites:
        parent = combination.without(site)
        if parent in kept:
            parents.append(parent)
    return parents


def _row(
    scope: str,
    combination: Combination,
    beam: Beam,
    parents: Sequence[Combination],
    mean: MeanDrop,
) -> Row:
    of_size = list(beam.get(combination.size, []))
    kept = combination in of_size
    return {
        "scope": scope,
        "size": combination.size,
        "combination": str(combination),
        "rank": of_size.index(combination) + 1 if kept else None,
        "parents": [str(parent) for parent in parents],
        "kept": kept,
        "drop": mean.mean,
        "se": mean.se,
        "low": mean.low,
        "high": mean.high,
    }
