"""Where a run's time went and what its engine saved: all that differs between identical runs.

A job computes what the cache lacks, so that the same run may take hours or seconds. None of this
stands in the comprehensive report, whose bytes are the same for the same results.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blocksieve.report.columns import Column, Record, count, table_section, text
from blocksieve.report.numbers import UNKNOWN
from blocksieve.report.section import Section, as_markdown
from blocksieve.units import PERCENT

TITLE = "blocksieve: times and costs"
ALL_DATASETS = "all"


@dataclass(frozen=True)
class JobTimes:
    """What one evaluation job took for one dataset: a share.

    `pairs` (a combination and a sample) were not in the cache.
    """

    dataset: str
    step: str
    part: int
    start_seconds: float
    answer_seconds: float
    pairs: int


@dataclass(frozen=True)
class EngineCosts:
    """How the engine of one job answered, and the FLOPs it took.

    `done`: computed. `plain`: a loop over the combinations, one by one. `bound`: the least that
    gives the same answers. All 0 where the engine does not count.
    """

    rung: str
    reason: str
    device: str
    done: int
    plain: int
    bound: int


def read_job_times(path: Path) -> JobTimes:
    """Read `times/{dataset}/{step}.{part}.json`."""
    step, part = path.stem.rsplit(".", 1)
    times = json.loads(path.read_text())
    return JobTimes(
        dataset=path.parent.name,
        step=step,
        part=int(part),
        start_seconds=times["start_seconds"],
        answer_seconds=times["answer_seconds"],
        pairs=times["pairs"],
    )


def engine_costs(metadata: Record) -> EngineCosts | None:
    """Return what a shard's metadata say of its engine; None if all pairs were in the cache."""
    if "flops" not in metadata:
        return None
    flops = metadata["flops"]
    return EngineCosts(
        rung=metadata["rung"],
        reason=metadata["reason"],
        device=metadata["ran_on"],
        done=flops["done"],
        plain=flops["plain"],
        bound=flops["bound"],
    )


def times_document(jobs: Sequence[JobTimes], costs: Sequence[EngineCosts] = ()) -> str:
    """Return a Markdown document of times per dataset, and of what the engine saved in all.

    `costs`: one per share that had anything to compute.
    """
    return as_markdown(TITLE, [_times(jobs), _engine(costs, num_shares=len(jobs))])


def _times(jobs: Sequence[JobTimes]) -> Section:
    by_dataset: dict[str, list[JobTimes]] = {}
    for job in jobs:
        by_dataset.setdefault(job.dataset, []).append(job)
    records = [_total(dataset, by_dataset[dataset]) for dataset in sorted(by_dataset)]
    if records:
        records.append(_total(ALL_DATASETS, jobs))
    columns = [
        text("dataset"),
        count("shares"),
        count("pairs"),
        Column("s to start", lambda record: f"{record['start_seconds']:,.1f}"),
        Column("s answering", lambda record: f"{record['answer_seconds']:,.1f}"),
        Column("pairs per s", _pairs_per_second),
    ]
    return table_section(
        title="Times of the evaluation jobs",
        notes=[
            "Sums over shares: what one job did on one dataset. Jobs may have run at the same time."
            " pairs: a combination and a sample, answered because the cache lacked them; to start:"
            " loading the model, in the first share of a job, and checking the engine."
        ],
        columns=columns,
        records=records,
    )


def _total(name: str, jobs: Sequence[JobTimes]) -> Record:
    return {
        "dataset": name,
        "shares": len(jobs),
        "pairs": sum(job.pairs for job in jobs),
        "start_seconds": sum(job.start_seconds for job in jobs),
        "answer_seconds": sum(job.answer_seconds for job in jobs),
    }


def _pairs_per_second(record: Record) -> str:
    if not record["pairs"] or not record["answer_seconds"]:
        return UNKNOWN
    return f"{record['pairs'] / record['answer_seconds']:,.1f}"


def _engine(costs: Sequence[EngineCosts], num_shares: int) -> Section:
    rows = [
        (
            "shares",
            f"{len(costs)} of {num_shares} had anything to compute that was not in the cache",
        )
    ]
    if costs:
        rows += [*_flops_rows(costs), *_way_rows(costs)]
    return Section(
        title="What the engine saved",
        header=("what", "how much"),
        rows=rows,
        text_columns=2,
    )


def _flops_rows(costs: Sequence[EngineCosts]) -> list[tuple[str, str]]:
    done = sum(job.done for job in costs)
    plain = sum(job.plain for job in costs)
    bound = sum(job.bound for job in costs)
    if not done:
        return []
    saved = PERCENT * (1 - done / plain)
    return [
        ("done", f"{done:.3e} FLOPs"),
        ("plain loop", f"{plain:.3e} FLOPs to evaluate the same combinations one by one"),
        ("saved", f"{saved:.1f} % of the plain loop's work"),
        ("distinct work", f"{bound:.3e} FLOPs, the least that gives the same answers"),
    ]


def _way_rows(costs: Sequence[EngineCosts]) -> list[tuple[str, str]]:
    """Count the shares by the rung of the engine and why it took it, then by device."""
    rungs = Counter((job.rung, job.reason) for job in costs)
    devices = Counter(job.device for job in costs)
    rows = [
        ("rung", f"{rung}: {num_shares} shares ({reason})")
        for (rung, reason), num_shares in sorted(rungs.items())
    ]
    rows += [
        ("ran on", f"{device}: {num_shares} shares")
        for device, num_shares in sorted(devices.items())
    ]
    return rows
