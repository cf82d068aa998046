"""Whether early, middle or late blocks cost more."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from blocksieve.evidence import Evidence

POSITIONS = ("early", "middle", "late", "mixed")
TABLE: dict[str, Any] = {
    "level": pl.String,
    "position": pl.String,
    "size": pl.UInt8,
    "combination": pl.String,
    "combinations": pl.UInt32,
    "blocks": pl.String,
    "mean": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "datasets": pl.List(pl.String),
    "drops": pl.List(pl.Float64),
}


def position_of(blocks: Iterable[int], num_blocks: int) -> str:
    """Early, middle or late third of the decoder (16 blocks: 0-4, 5-10, 11-15), or mixed."""
    thirds = {POSITIONS[sum(block >= end for end in bounds(num_blocks))] for block in blocks}
    return thirds.pop() if len(thirds) == 1 else "mixed"


def bounds(num_blocks: int) -> tuple[int, int]:
    """The first middle and the first late block."""
    return round(num_blocks / 3), round(2 * num_blocks / 3)


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Drops by position, over combinations that every dataset has, in % or pp.

    Rows of three levels. `combination`: its mean over the datasets, and in `drops` each of the `datasets`' own.
    `position`: the mean over the combinations of a position and size, `drops` one a combination. `blocks` says which
    blocks a position spans.
    """
    full = evidence.full()
    if not full:
        return pl.DataFrame(schema=TABLE)
    num_blocks = evidence.depth
    datasets = list(evidence.names)
    means = evidence.average([{name: 1.0} for name in full]).drop("p")
    own = np.array([evidence.values(dataset, full) for dataset in datasets])
    removed = dict(evidence.table.select("combination", "removed").unique().iter_rows())
    rows: list[dict[str, Any]] = [
        {
            "level": "combination",
            "position": position_of(removed[name], num_blocks),
            "size": len(removed[name]),
            "combination": name,
            "combinations": 1,
            "datasets": datasets,
            "drops": own[:, place].tolist(),
            **means.row(place, named=True),
        }
        for place, name in enumerate(full)
    ]
    return pl.DataFrame(rows + _groups(evidence, rows), schema=TABLE)


def _groups(evidence: Evidence, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = sorted({(row["size"], POSITIONS.index(row["position"])) for row in rows})
    first_middle, first_late = bounds(evidence.depth)
    ends = ((0, first_middle), (first_middle, first_late), (first_late, evidence.depth))
    spans = [str(first) if last - first == 1 else f"{first}-{last - 1}" for first, last in ends] + [
        "several"
    ]
    groups = []
    for size, number in keys:
        members = [
            row for row in rows if row["size"] == size and row["position"] == POSITIONS[number]
        ]
        equal = {row["combination"]: 1 / len(members) for row in members}
        groups.append(
            {
                "level": "position",
                "position": POSITIONS[number],
                "size": size,
                "combinations": len(members),
                "blocks": spans[number],
                "datasets": members[0]["datasets"],
                "drops": [row["mean"] for row in members],
                **evidence.average([equal]).drop("p").row(0, named=True),
            }
        )
    return groups
