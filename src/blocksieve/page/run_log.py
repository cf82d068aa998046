"""What the run's evaluation jobs did: pairs, times, the cache, and the engine's way."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from blocksieve.job_times import read_job_times


class JobRow(TypedDict):
    """What a job did on one dataset: its pairs, those of them that it computed, and seconds.

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


def run_log(paths: Iterable[Path]) -> list[JobRow]:
    """Return one row per evaluation job and dataset, from the jobs' times."""
    rows: list[JobRow] = []
    for path in paths:
        step, part = path.stem.rsplit(".", 1)
        for dataset, share in read_job_times(path).items():
            way = ""
            if share.computed:
                way = f"{share.engine['rung']} ({share.engine['reason']})"
            rows.append(
                {
                    "dataset": dataset,
                    "step": step,
                    "part": int(part),
                    "pairs": share.pairs,
                    "computed": share.computed,
                    "start_seconds": share.start_seconds,
                    "answer_seconds": share.answer_seconds,
                    "way": way,
                }
            )
    return rows
