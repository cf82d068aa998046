"""Evaluate one part of a step on every dataset: what a GPU job does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.combination import Combination
from blocksieve.progress import Progress
from blocksieve.search.evaluate import Evaluation, count_missing, evaluate
from blocksieve.search.plan import Plan
from blocksieve.search.task import Task

if TYPE_CHECKING:
    from blocksieve.models.loading import LoadedModel

COLUMNS_OF_A_DRAW = ["sample_id", "role", "split", "cluster"]


@dataclass(frozen=True)
class Share:
    """What a job is asked of one dataset: a part of its plan, on the samples of a table."""

    task: Task
    table: Path
    plan: Plan
    combinations: Sequence[Combination]


def evaluate_shares(
    shares: Sequence[Share], cache_folder: Path
) -> Iterator[tuple[Task, Evaluation]]:
    """Yield what each share's pairs were answered, in order.

    All shares are of one model. It is loaded once, and only if the cache lacks a pair.
    """
    progress = Progress(_count_missing_pairs(shares, cache_folder), "pairs")

    @cache
    def load() -> "LoadedModel":
        from blocksieve.models.loading import load_model  # torch: only if something is to compute

        return load_model(shares[0].task.model)

    for share in shares:
        table = pl.read_parquet(share.table)
        samples = share.plan.samples(table)
        evaluation = evaluate(
            share.task, table, samples, share.combinations, cache_folder, load, progress
        )
        yield share.task, evaluation


def _count_missing_pairs(shares: Sequence[Share], cache_folder: Path) -> int:
    count = 0
    for share in shares:
        draw = pl.read_parquet(share.table, columns=COLUMNS_OF_A_DRAW)
        samples = share.plan.samples(draw)
        count += count_missing(share.task, samples, share.combinations, cache_folder)
    return count
