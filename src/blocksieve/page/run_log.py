"""What the run's evaluation jobs did: pairs, times, the cache, and the engine's way."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from blocksieve import shards
from blocksieve.report.times import engine_costs, read_job_times


class JobRow(TypedDict):
    """A job: the pairs of its shard, those of them that it computed, and seconds.

    `way`: the engine's rung and why it took it; empty where the cache held all pairs.
    """

    dataset: str
    step: str
    part: int
    pairs: int
    computed: int
    start_seconds: float
    answer_seconds: float
    way: str


def run_log(times: Iterable[Path], shard_files: Iterable[Path]) -> list[JobRow]:
    """Return one row per evaluation job; times and shards come in the same order."""
    rows: list[JobRow] = []
    for times_path, shard in zip(times, shard_files, strict=True):
        job = read_job_times(times_path)
        costs = engine_costs(shards.metadata(shard))
        rows.append(
            {
                "dataset": job.dataset,
                "step": job.step,
                "part": job.part,
                "pairs": shards.num_pairs(shard),
                "computed": job.pairs,
                "start_seconds": job.start_seconds,
                "answer_seconds": job.answer_seconds,
                "way": "" if costs is None else f"{costs.rung} ({costs.reason})",
            }
        )
    return rows
