"""The beam: which combinations each step of the search kept, and from which they came."""

from typing import Any

import polars as pl

from blocksieve.evidence import Evidence

GENERIC = "generic"
TABLE: dict[str, Any] = {
    "scope": pl.String,
    "size": pl.UInt8,
    "combination": pl.String,
    "rank": pl.UInt32,
    "parents": pl.List(pl.String),
    "kept": pl.Boolean,
    **dict.fromkeys(("drop", "se", "low", "high"), pl.Float64),
}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Follow every beam: a row a scope (a dataset, or generic) and candidate, in % or pp.

    `parents`: the combinations of the size before that were kept and that it extends by a block; none at size 1.
    `kept`: whether the beam went on with it, `rank` in which place. Candidates are what the scope evaluated: kept
    combinations, and extensions of kept ones. No rows for a given table, which comes without beams.
    """
    rows = [
        row
        for scope, beam in sorted(evidence.beams.items())
        for row in _followed(evidence, scope, beam)
    ]
    return pl.DataFrame(rows, schema=TABLE)


def _followed(evidence: Evidence, scope: str, beam: Any) -> list[dict[str, Any]]:
    datasets = list(evidence.names) if scope == GENERIC else [scope]
    if not set(datasets) <= set(evidence.names):
        return []
    known = [name for name, on in evidence.coverage.items() if set(datasets) <= set(on)]
    numbers = (
        evidence.average([{name: 1.0} for name in known], datasets)
        .rename({"mean": "drop"})
        .drop("p")
    )
    rows = []
    for place, name in enumerate(known):
        blocks = name.split("-")
        size = len(blocks)
        children = [*(_without(blocks, left) for left in blocks)] if size > 1 else []
        parents = [parent for parent in children if parent in beam.get(size - 1, [])]
        kept = name in beam.get(size, [])
        if kept or parents or size == 1:
            rank = beam[size].index(name) + 1 if kept else None
            about = {
                "scope": scope,
                "size": size,
                "combination": name,
                "rank": rank,
                "parents": parents,
                "kept": kept,
            }
            rows.append(about | numbers.row(place, named=True))
    return rows


def _without(blocks: list[str], left: str) -> str:
    return "-".join(block for block in blocks if block != left)
