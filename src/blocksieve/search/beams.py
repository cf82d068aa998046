"""Select the combinations of a size that the search goes on with."""

from typing import Any

import polars as pl

from blocksieve.errors import DataError


def select_own_beam(evaluations: pl.DataFrame, beam_width: int) -> list[dict[str, Any]]:
    """The best combinations of one dataset's step: least drop, ties in the combinations' order.

    `evaluations` has a row a combination with columns `removed` and `drop` (score units).
    """
    best = evaluable(evaluations).sort("drop", "removed").head(beam_width)
    return _entries(best, ["drop"])


def select_generic_beam(
    evaluations: pl.DataFrame, beam_width: int, across_datasets: str
) -> list[dict[str, Any]]:
    """The best combinations over all datasets: least macro-average of the drop, ties in the combinations' order.

    `evaluations` has a row a dataset and combination; every combination must stand for every dataset that counts.
    `relative` averages drop / baseline and leaves out datasets whose baseline is 0; `points` averages the drop over
    datasets whose metric lies in [0, 1]. DataError if no dataset is left or a combination lacks one.
    """
    relative = across_datasets == "relative"
    counted = evaluable(evaluations).filter(
        pl.col("baseline") > 0 if relative else pl.col("bounded")
    )
    if counted.is_empty():
        raise DataError(
            f"no dataset counts for analysis.across_datasets: {across_datasets}; "
            + ("every baseline score is 0" if relative else "no metric lies in [0, 1]")
        )
    mean = counted.group_by("combination", "removed").agg(
        pl.col("relative" if relative else "drop").mean().alias("mean_drop"),
        pl.len().alias("coverage"),
    )
    if mean["coverage"].n_unique() != 1:
        lacking = mean.sort("coverage", "removed")["combination"][0]
        raise DataError(
            f"combination {lacking} was not evaluated on every dataset; rerun the search step"
        )
    return _entries(mean.sort("mean_drop", "removed").head(beam_width), ["mean_drop", "coverage"])


def evaluable(evaluations: pl.DataFrame) -> pl.DataFrame:
    """Without the combinations that the model cannot run; DataError if it can run none."""
    possible = evaluations.filter(pl.col("not_evaluable").is_null())
    if possible.is_empty():
        reason = evaluations["not_evaluable"][0]
        raise DataError(
            f"no combination of this step can be evaluated ({reason}); set search.max_removed lower"
        )
    return possible


def _entries(best: pl.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    return best.select("combination", *columns).to_dicts()
