"""`blocksieve status RUN`: how far a run is, by its files and the logs of its jobs."""

import argparse
import json
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from blocksieve.errors import ConfigError
from blocksieve.search.steps import FINALISTS, SINGLE, step_of_size
from blocksieve.specs import RunSpec

PROGRESS = re.compile(r".* INFO (\d+) of (\d+) pairs, ([\d.]+)/s, (\d+) s remaining")
"""A line of an evaluation job's log, as `blocksieve.progress` writes it."""


@dataclass(frozen=True)
class RunningJob:
    """An evaluation job that has begun and not ended; the last three None before its first batch.

    `pairs` of `num_pairs` are done, at `rate` per second.
    """

    name: str
    pairs: int
    num_pairs: int | None
    rate: float | None
    seconds_left: int | None

    def __str__(self) -> str:
        if self.num_pairs is None:
            return f"{self.name}: starting"
        return (
            f"{self.name}: {self.pairs:,} of {self.num_pairs:,} pairs, {self.rate:.1f} per second,"
            f" {duration(self.seconds_left or 0)} left"
        )


def main(arguments: Sequence[str]) -> None:
    """Print the run's steps, and its evaluation jobs that are running."""
    parser = argparse.ArgumentParser(prog="blocksieve status", description=__doc__)
    parser.add_argument("run", help="a run's name; its results lie in results/RUN")
    options = parser.parse_args(arguments)
    print("\n".join(describe(Path("results", options.run))))


def describe(results: Path) -> Iterator[str]:
    """Yield what a run has done and what it is doing, a line each."""
    config = results / "config.yaml"
    if not config.is_file():
        raise ConfigError(f"{config} is missing: there is no run of this name, or it has not begun")
    run_spec = RunSpec.of(yaml.safe_load(config.read_text(encoding="utf-8")))
    jobs_left = 0
    if run_spec.evaluations is None:
        steps = [SINGLE, *map(step_of_size, range(2, run_spec.search.max_removed + 1)), FINALISTS]
        num_jobs = len(run_spec.datasets) * run_spec.search.jobs_per_step
        for step in steps:
            num_done = len(list(results.glob(f"shards/*/{step}.*.parquet")))
            jobs_left += num_jobs - num_done
            yield f"{step}: {num_done} of {num_jobs} jobs done"
    running = list(running_jobs(results))
    for job in running:
        yield f"  running: {job}"
    yield from _time_left(results, jobs_left, len(running))
    report = results / "report/comprehensive_report.md"
    yield f"report: {report}" if report.is_file() else "report: not yet"


def _time_left(results: Path, jobs_left: int, num_running: int) -> Iterator[str]:
    """Yield how long the evaluations will still take, where jobs run and others have computed."""
    seconds = []
    for path in results.glob("times/*/*.json"):
        times = json.loads(path.read_text(encoding="utf-8"))
        # A job whose pairs all came from the cache says nothing about the others.
        if times["pairs"]:
            seconds.append(times["start_seconds"] + times["answer_seconds"])
    if seconds and num_running:
        mean = statistics.fmean(seconds)
        left = duration(round(jobs_left * mean / num_running))
        yield (
            f"evaluations: about {left} left, at {mean:.0f} s per job so far,"
            f" {num_running} at once; later steps may take longer"
        )


def running_jobs(results: Path) -> Iterator[RunningJob]:
    """Yield the evaluation jobs whose log is younger than what they are to write."""
    folder = results / "logs/evaluate"
    for log in sorted(folder.rglob("*.log")):
        name = log.relative_to(folder).with_suffix("")
        shard = results / "shards" / f"{name}.parquet"
        is_over = shard.exists() and shard.stat().st_mtime >= log.stat().st_mtime - 1
        text = log.read_text(encoding="utf-8", errors="replace")
        if not is_over and " ERROR " not in text:
            yield _job(str(name), text)


def _job(name: str, text: str) -> RunningJob:
    matches = [match for line in text.splitlines() if (match := PROGRESS.fullmatch(line))]
    if not matches:
        return RunningJob(name, pairs=0, num_pairs=None, rate=None, seconds_left=None)
    pairs, num_pairs, rate, seconds_left = matches[-1].groups()
    return RunningJob(name, int(pairs), int(num_pairs), float(rate), int(seconds_left))


def duration(seconds: int) -> str:
    """Write seconds as hours and minutes, or as seconds below two minutes."""
    if seconds < 120:
        return f"{seconds} s"
    hours, rest = divmod(seconds, 3600)
    minutes = f"{rest // 60} min"
    if not hours:
        return minutes
    return f"{hours} h {minutes}"
