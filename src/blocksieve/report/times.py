"""Where a run's time went and what its engine saved: all that differs between identical runs.

A job computes what the cache lacks, so that the same run may take hours or seconds. None of this
stands in the comprehensive report, whose bytes are the same for the same results.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from blocksieve.job_times import ShareTimes
from blocksieve.report.columns import Column, Record, count, table_section, text
from blocksieve.report.numbers import UNKNOWN
from blocksieve.report.section import Section, as_markdown
from blocksieve.shards import Computed
from blocksieve.units import PERCENT

TITLE = "blocksieve: times and costs"
ALL_DATASETS = "all"


def times_document(jobs: Iterable[Mapping[str, ShareTimes]]) -> str:
    """Return a Markdown document of times per dataset, and of what the engine saved in all.

    `jobs`: the shares of each evaluation job, by dataset.
    """
    by_dataset: dict[str, list[ShareTimes]] = {}
    for shares in jobs:
        for dataset, share in shares.items():
            by_dataset.setdefault(dataset, []).append(share)
    return as_markdown(TITLE, [_times(by_dataset), _engine(_all_shares(by_dataset))])


def _all_shares(by_dataset: Mapping[str, Sequence[ShareTimes]]) -> list[ShareTimes]:
    return list(itertools.chain(*by_dataset.values()))


def _times(by_dataset: Mapping[str, Sequence[ShareTimes]]) -> Section:
    records = [_total(dataset, by_dataset[dataset]) for dataset in sorted(by_dataset)]
    if records:
        records.append(_total(ALL_DATASETS, _all_shares(by_dataset)))
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


def _total(name: str, shares: Sequence[ShareTimes]) -> Record:
    return {
        "dataset": name,
        "shares": len(shares),
        "pairs": sum(share.computed for share in shares),
        "start_seconds": sum(share.start_seconds for share in shares),
        "answer_seconds": sum(share.answer_seconds for share in shares),
    }


def _pairs_per_second(record: Record) -> str:
    if not record["pairs"] or not record["answer_seconds"]:
        return UNKNOWN
    return f"{record['pairs'] / record['answer_seconds']:,.1f}"


def _engine(shares: Sequence[ShareTimes]) -> Section:
    engines = [share.engine for share in shares if share.computed]
    rows = [
        (
            "shares",
            f"{len(engines)} of {len(shares)} had anything to compute that was not in the cache",
        )
    ]
    if engines:
        rows += [*_flops_rows(engines), *_way_rows(engines)]
    return Section(
        title="What the engine saved",
        header=("what", "how much"),
        rows=rows,
        text_columns=2,
    )


def _flops_rows(engines: Sequence[Computed]) -> list[tuple[str, str]]:
    done = sum(engine["flops"]["done"] for engine in engines)
    plain = sum(engine["flops"]["plain"] for engine in engines)
    bound = sum(engine["flops"]["bound"] for engine in engines)
    if not done:
        return []
    saved = PERCENT * (1 - done / plain)
    return [
        ("done", f"{done:.3e} FLOPs"),
        ("plain loop", f"{plain:.3e} FLOPs to evaluate the same combinations one by one"),
        ("saved", f"{saved:.1f} % of the plain loop's work"),
        ("distinct work", f"{bound:.3e} FLOPs, the least that gives the same answers"),
    ]


def _way_rows(engines: Sequence[Computed]) -> list[tuple[str, str]]:
    """Count the shares by the rung of the engine and why it took it, then by device."""
    rungs = Counter((engine["rung"], engine["reason"]) for engine in engines)
    devices = Counter(engine["ran_on"] for engine in engines)
    rows = [
        ("rung", f"{rung}: {num_shares} shares ({reason})")
        for (rung, reason), num_shares in sorted(rungs.items())
    ]
    rows += [
        ("ran on", f"{device}: {num_shares} shares")
        for device, num_shares in sorted(devices.items())
    ]
    return rows
