"""Synergy: whether a combination costs less or more than its blocks would independently."""

from math import comb

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.combination import Combination
from blocksieve.evaluations import with_derived
from blocksieve.evidence import Evidence
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery_of_signs
from blocksieve.units import PERCENT

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "combination": pl.String,
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8,
    "role": pl.String,
    "coverage": pl.UInt32,
    "full": pl.Boolean,
    "measured": pl.Float64,
    "expected": pl.Float64,
    "interaction": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "summed": pl.Float64,
    "beyond_sum": pl.Float64,
    "beyond_sum_low": pl.Float64,
    "beyond_sum_high": pl.Float64,
    "untested": pl.String,
    "left_out": pl.List(pl.String),
    "p": pl.Float64,
    "q": pl.Float64,
    "label": pl.String,
}
CHOSEN = "chosen"
"""Not tested: the samples that measured a combination also chose it or its blocks."""
OVER_100 = "over 100 %"
"""Not tested: its blocks' drops sum to more than 100 % of a dataset's baseline."""
GUESSED = "guessed"
"""Not tested: in every dataset a spoiled answer may still score by guessing."""
Row = dict[str, object]


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Return the interaction of each combination of two blocks or more, in % or pp.

    `interaction` is the combination's drop (`measured`) minus the drop that its blocks would have
    together if each spoiled answers independently of the others (`expected`): where blocks alone
    lose the shares a and b of the baseline, 1 - (1 - a) (1 - b) of it. `beyond_sum` is the drop
    minus the plain sum of its blocks' drops (`summed`). All are averages over the datasets that
    have the combination and all its single blocks (`coverage`), on the same samples of one `role`.
    A spoiled answer is taken to score 0. So datasets of multiple choice do not count unless scores
    are above chance (`left_out`): there two blocks that spoil independently lose less than that,
    by the product of what they spoil and what guessing brings back.
    `untested`: CHOSEN, OVER_100 or GUESSED where the interaction is not tested. Search samples
    choose blocks that look good alone, so that they make combinations look bad; so they test only
    the sizes of which they have every combination. Other combinations are measured on holdout
    samples where these have all parts.
    `q`: p adjusted over the run (Benjamini and Hochberg), synergies and antagonisms apart. `label`:
    synergy (it costs less than expected) or antagonism (it costs more) where q is at most 5 %, else
    none. Combinations without a dataset have no row.
    """
    by_size: dict[int, list[Combination]] = {}
    for combination in evidence.coverage:
        by_size.setdefault(combination.size, []).append(combination)
    by_size.pop(1, None)
    rows = []
    for size, combinations in by_size.items():
        unbiased = evidence if is_exhaustive(evidence, size) else evidence.holdout
        for combination in combinations:
            rows += _rows(evidence, unbiased, combination)
    table = pl.DataFrame(rows, schema=SCHEMA)
    p = table["p"].fill_null(np.nan).to_numpy()
    q = pl.Series(false_discovery_of_signs(p, table["interaction"]), dtype=pl.Float64)
    return _labelled(table.with_columns(q=q.fill_nan(None)))


def is_exhaustive(evidence: Evidence, size: int) -> bool:
    """Tell whether every combination of a size was evaluated or refused, on every dataset.

    Of whole blocks, or of halves where the search removed halves.
    """
    rows = with_derived(evidence.evaluations).filter(role=evidence.role)
    singles = map(Combination.parse, rows.filter(size=1)["combination"].unique())
    searches_halves = any(single.halves for single in singles)
    num_sites = 2 * evidence.depth if searches_halves else evidence.depth
    of_size = rows.filter(pl.col("size") == size, ~pl.col("raced_out"))
    counts = set()
    for _, of_dataset in of_size.group_by("dataset"):
        combinations = map(Combination.parse, of_dataset["combination"].unique())
        of_other_unit = [
            each.whole_blocks if searches_halves else each.halves for each in combinations
        ]
        counts.add(of_other_unit.count(()))
    return counts == {comb(num_sites, size)}


def _rows(evidence: Evidence, unbiased: Evidence | None, combination: Combination) -> list[Row]:
    """Return the row of a combination, by the unbiased evidence where that has all parts."""
    if unbiased is not None:
        datasets = _datasets_with_parts(unbiased, combination)
        if datasets:
            return [_interaction(unbiased, combination, datasets, is_chosen=False)]
    datasets = _datasets_with_parts(evidence, combination)
    if datasets:
        return [_interaction(evidence, combination, datasets, is_chosen=True)]
    return []


def _left_out(evidence: Evidence) -> list[str]:
    """Return the datasets in which spoiled answers may score; none if it is all of them."""
    guessable = evidence.guessable
    return [] if set(evidence.datasets) <= set(guessable) else guessable


def _datasets_with_parts(evidence: Evidence, combination: Combination) -> list[str]:
    """Return the datasets that count and have the combination and each of its sites removed alone.

    Without a baseline above 0 no share of it can be retained.
    """
    datasets = []
    left_out = _left_out(evidence)
    for dataset in evidence.coverage.get(combination, {}):
        if dataset in left_out:
            continue
        measured = evidence.row_index[dataset]
        has_parts = all(single in measured for single in combination.singles)
        if has_parts and evidence.baselines[dataset] > 0:
            datasets.append(dataset)
    return datasets


def _interaction(
    evidence: Evidence, combination: Combination, datasets: list[str], is_chosen: bool
) -> Row:
    singles = list(combination.singles)
    alone = dict.fromkeys(singles, -1.0)
    beyond_sum, measured = evidence.average(
        [{combination: 1.0} | alone, {combination: 1.0}], datasets
    )
    contrasts = {}
    constants = {}
    over_100 = False
    for dataset in evidence.counted(datasets):
        drops = evidence.values(dataset, singles) / _whole(evidence, dataset)  # (singles,)
        slopes, constant = linearised(drops)
        contrasts[dataset] = {combination: 1.0} | dict(
            zip(singles, (-slopes).tolist(), strict=True)
        )
        constants[dataset] = -constant * _whole(evidence, dataset)
        over_100 |= bool(drops.sum() > 1)
    interaction = evidence.average_of(contrasts, constants)
    # Measured combinations have means.
    assert measured.mean is not None
    assert beyond_sum.mean is not None
    assert interaction.mean is not None
    untested = CHOSEN if is_chosen else None
    if over_100:
        untested = OVER_100
    left_out = _left_out(evidence)
    if evidence.guessable and not left_out:
        untested = GUESSED
    return {
        "combination": str(combination),
        "removed": combination.blocks,
        "size": combination.size,
        "role": evidence.role,
        "coverage": len(evidence.counted(datasets)),
        "full": len(datasets) + len(left_out) == len(evidence.datasets),
        "measured": measured.mean,
        "expected": measured.mean - interaction.mean,
        "interaction": interaction.mean,
        "se": interaction.se,
        "low": interaction.low,
        "high": interaction.high,
        "summed": measured.mean - beyond_sum.mean,
        "beyond_sum": beyond_sum.mean,
        "beyond_sum_low": beyond_sum.low,
        "beyond_sum_high": beyond_sum.high,
        "untested": untested,
        "left_out": left_out,
        "p": None if untested else interaction.p,
    }


def _whole(evidence: Evidence, dataset: str) -> float:
    """Return the drop that loses all of a dataset's baseline, in % or pp."""
    if evidence.scale == "relative":
        return PERCENT
    return PERCENT * evidence.baselines[dataset]


def linearised(drops: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the slopes of 1 - prod(1 - drop) by each drop, and what it is beyond slopes @ drops.

    `drops`: (blocks,), shares of the baseline. The slopes give the error of what is expected by the
    delta method.
    """
    retained = 1 - drops
    slopes = np.zeros(len(drops))
    for place in range(len(drops)):
        others = np.delete(retained, place)
        slopes[place] = others.prod()
    expected = 1 - retained.prod()
    linear = slopes @ drops
    return slopes, float(expected - linear)


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
