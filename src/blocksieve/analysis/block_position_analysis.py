"""Whether early, middle or late blocks cost more."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, MeanDrop

POSITIONS = ("early", "middle", "late", "mixed")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
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
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Compare drops by position, over combinations that every dataset has, in % or pp.

    Rows are of two levels. `combination`: its mean over the datasets, and in `drops` its drop on
    each of `datasets`. `position`: the mean over the combinations of one position and size, with
    one of `drops` per combination. `blocks` names the blocks that a position spans.
    """
    combinations = evidence.with_full_coverage()
    if not combinations:
        return pl.DataFrame(schema=SCHEMA)
    contrasts = [{combination: 1.0} for combination in combinations]
    means = dict(zip(combinations, evidence.average(contrasts), strict=True))
    rows = [*_combination_rows(evidence, means), *_position_rows(evidence, means)]
    return pl.DataFrame(rows, schema=SCHEMA)


def position_of(blocks: Iterable[int], num_blocks: int) -> str:
    """Return early, middle or late third of the decoder (16 blocks: 0-4, 5-10, 11-15), or mixed."""
    first_middle, first_late = bounds(num_blocks)
    positions = set()
    for block in blocks:
        if block < first_middle:
            positions.add("early")
        elif block < first_late:
            positions.add("middle")
        else:
            positions.add("late")
    return positions.pop() if len(positions) == 1 else "mixed"


def bounds(num_blocks: int) -> tuple[int, int]:
    """Return the first middle and the first late block."""
    first_middle = round(num_blocks / 3)
    first_late = round(2 * num_blocks / 3)
    return first_middle, first_late


def _combination_rows(evidence: Evidence, means: dict[Combination, MeanDrop]) -> list[Row]:
    combinations = list(means)
    # (datasets, combinations)
    drops = np.array([evidence.values(dataset, combinations) for dataset in evidence.datasets])
    rows: list[Row] = []
    for column, (combination, mean) in enumerate(means.items()):
        rows.append(
            {
                "level": "combination",
                "position": position_of(combination.blocks, evidence.depth),
                "size": combination.size,
                "combination": str(combination),
                "combinations": 1,
                "mean": mean.mean,
                "se": mean.se,
                "low": mean.low,
                "high": mean.high,
                "datasets": evidence.datasets,
                "drops": drops[:, column].tolist(),
            }
        )
    return rows


def _position_rows(evidence: Evidence, means: dict[Combination, MeanDrop]) -> list[Row]:
    groups: dict[tuple[int, int], list[Combination]] = {}
    for combination in means:
        position = position_of(combination.blocks, evidence.depth)
        key = (combination.size, POSITIONS.index(position))
        groups.setdefault(key, []).append(combination)
    spans = _spans(evidence.depth)
    rows: list[Row] = []
    for (size, place), members in sorted(groups.items()):
        equal_weights = dict.fromkeys(members, 1 / len(members))
        (mean,) = evidence.average([equal_weights])
        rows.append(
            {
                "level": "position",
                "position": POSITIONS[place],
                "size": size,
                "combinations": len(members),
                "blocks": spans[POSITIONS[place]],
                "mean": mean.mean,
                "se": mean.se,
                "low": mean.low,
                "high": mean.high,
                "datasets": evidence.datasets,
                "drops": [means[member].mean for member in members],
            }
        )
    return rows


def _spans(num_blocks: int) -> dict[str, str]:
    """Return the blocks of each position as text: `0-4`, or `0` for a single one."""
    first_middle, first_late = bounds(num_blocks)
    return {
        "early": _span(0, first_middle),
        "middle": _span(first_middle, first_late),
        "late": _span(first_late, num_blocks),
        "mixed": "several",
    }


def _span(first: int, end: int) -> str:
    last = end - 1
    if first == last:
        return str(first)
    return f"{first}-{last}"
