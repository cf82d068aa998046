"""Select the combinations of a size that the search goes on with."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Required, TypedDict, cast

import polars as pl

from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evaluations import strong_unless_all_are_weak, weak_datasets
from blocksieve.units import Scale

IN_ORDER = ("removed", "combination")
"""How combinations are ordered; halves of a block remove the same block."""


class BeamEntry(TypedDict, total=False):
    """A combination that is kept: with its drop (own), or its mean and coverage (generic).

    What survived a round of a race stands alone.
    """

    combination: Required[str]
    drop: float
    mean_drop: float
    coverage: int


class BeamDocument(TypedDict):
    """Content of a beam's file: how many candidates there were, what is kept, the best first.

    A round of a race leaves the same of what survived it.
    """

    candidates: int
    beam: list[BeamEntry]


def select_beam(
    evaluations: pl.DataFrame,
    proposals: Iterable[Combination],
    scope: Literal["own", "generic"],
    beam_width: int,
    scale: Scale,
    weights: Mapping[str, float],
) -> BeamDocument:
    """Select the beam of a scope from what that scope proposed."""
    names = [str(combination) for combination in proposals]
    candidates = evaluations.filter(pl.col("combination").is_in(names))
    if scope == "own":
        kept = select_own_beam(candidates, beam_width)
    else:
        kept = select_generic_beam(candidates, beam_width, scale, weights)
    return {"candidates": candidates["combination"].n_unique(), "beam": kept}


def read_beam(path: Path) -> list[Combination]:
    """Read what a beam's file keeps, the best first."""
    document: BeamDocument = json.loads(path.read_text(encoding="utf-8"))
    return [Combination.parse(entry["combination"]) for entry in document["beam"]]


def select_own_beam(evaluations: pl.DataFrame, beam_width: int) -> list[BeamEntry]:
    """Return the best combinations of one dataset's step: least drop.

    Equal drops: in the combinations' order. `evaluations` has one row per combination with columns
    `removed` and `drop` (score units).
    """
    ordered = evaluable(evaluations).sort("drop", *IN_ORDER)
    best = ordered.head(beam_width)
    entries = best.select("combination", "drop").to_dicts()
    return cast(list[BeamEntry], entries)


def select_generic_beam(
    evaluations: pl.DataFrame, beam_width: int, scale: Scale, weights: Mapping[str, float]
) -> list[BeamEntry]:
    """Return the best combinations over all datasets: least macro-average of the drop.

    Equal drops: in the combinations' order. `evaluations` has one row per dataset and combination;
    every combination must stand for every dataset that counts. `relative` averages drop / baseline
    and leaves out datasets whose baseline is 0 or, unless all are, weak; `points`
    averages the drop over datasets whose metric lies in [0, 1]. `weights`: of datasets, 1 where not
    given. DataError if no dataset is left or a combination lacks one.
    """
    counted = counted_rows(evaluable(evaluations), scale)
    drop = "relative" if scale == "relative" else "drop"
    weight = pl.col("dataset").replace_strict(weights, default=1.0, return_dtype=pl.Float64)
    means = counted.group_by("combination", "removed").agg(
        mean_drop=(weight * pl.col(drop)).sum() / weight.sum(), coverage=pl.len()
    )
    if means["coverage"].n_unique() != 1:
        lacking = means.sort("coverage", *IN_ORDER)["combination"][0]
        raise DataError(
            f"combination {lacking} was not evaluated on every dataset; rerun the search step"
        )
    best = means.sort("mean_drop", *IN_ORDER).head(beam_width)
    entries = best.select("combination", "mean_drop", "coverage").to_dicts()
    return cast(list[BeamEntry], entries)


def counted_rows(evaluations: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Return the rows of the datasets that count in a mean over all; DataError if none does."""
    if scale == "relative":
        counts, lack = pl.col("baseline") > 0, "every baseline score is 0"
    else:
        counts, lack = pl.col("bounded"), "no metric lies in [0, 1]"
    counted = evaluations.filter(counts)
    if counted.is_empty():
        raise DataError(f"no dataset counts for analysis.across_datasets: {scale}; {lack}")
    if scale == "relative":
        datasets = counted["dataset"].unique()
        weak = weak_datasets(counted)
        over = strong_unless_all_are_weak(datasets, weak)
        counted = counted.filter(pl.col("dataset").is_in(over))
    return counted


def evaluable(evaluations: pl.DataFrame) -> pl.DataFrame:
    """Drop the combinations that the model cannot run; DataError if it can run none."""
    possible = evaluations.filter(pl.col("not_evaluable").is_null())
    if possible.is_empty():
        reason = evaluations["not_evaluable"][0]
        raise DataError(
            f"no combination of this step can be evaluated ({reason}); set search.max_removed lower"
        )
    return possible
