"""`blocksieve status RUN`: how far a run is, by its files and the logs of its jobs."""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from blocksieve.errors import ConfigError
from blocksieve.job_times import read_job_times, times_path
from blocksieve.model_description import read_description
from blocksieve.search.steps import all_steps
from blocksieve.smoke import pairs_by_dataset
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
    if not _config(results).is_file():
        message = "is missing: there is no run of this name, or it has not begun"
        raise ConfigError(f"{_config(results)} {message}")
    run_spec = _run_spec(results)
    if run_spec.evaluations is None:
        num_jobs = run_spec.search.jobs_per_step
        for step in all_steps(run_spec.search):
            yield f"{step}: {len(_jobs_done(results, run_spec, step))} of {num_jobs} jobs done"
        running = list(running_jobs(results))
        for running_job in running:
            yield f"  running: {running_job}"
        remaining = _time_left(results, run_spec, running)
        if remaining:
            yield remaining
    report = results / "report/comprehensive_report.md"
    yield f"report: {report}" if report.is_file() else "report: not yet"


def time_left(results: Path) -> str | None:
    """Say in a line how long all evaluations will still take.

    None while no job says how fast it is, and where a dataset's number of samples is `all`.
    """
    if not _config(results).is_file():
        return None
    run_spec = _run_spec(results)
    return _time_left(results, run_spec, list(running_jobs(results)))


def _time_left(results: Path, run_spec: RunSpec, running: Sequence[RunningJob]) -> str | None:
    rate = sum(job.rate or 0.0 for job in running)
    counts = [run_spec.samples.counts(dataset).values() for dataset in run_spec.datasets]
    if not rate or any("all" in numbers for numbers in counts):
        return None
    num_blocks = read_description(results / "model.json")["num_blocks"]
    num_pairs = sum(pairs_by_dataset(run_spec, num_blocks).values())
    steps = all_steps(run_spec.search)
    jobs_done = [job for step in steps for job in _jobs_done(results, run_spec, step)]
    pairs_done = sum(_num_pairs(results, job) for job in jobs_done)
    pairs_done += sum(job.pairs for job in running)
    left = max(0, num_pairs - pairs_done)
    return (
        f"evaluations: about {duration(round(left / rate))} left,"
        f" {pairs_done:,} of about {num_pairs:,} pairs done, {rate:.1f} per second"
    )


def _config(results: Path) -> Path:
    return results / "config.yaml"


def _run_spec(results: Path) -> RunSpec:
    return RunSpec.of(yaml.safe_load(_config(results).read_text(encoding="utf-8")))


def _jobs_done(results: Path, run_spec: RunSpec, step: str) -> list[str]:
    jobs = [f"{step}.{part}" for part in range(run_spec.search.jobs_per_step)]
    return [job for job in jobs if _ended_at(results, job) is not None]


def running_jobs(results: Path) -> Iterator[RunningJob]:
    """Yield the evaluation jobs whose log is younger than the last that they are to write."""
    for log in sorted(results.glob("logs/evaluate/*.log")):
        ended_at = _ended_at(results, log.stem)
        try:
            last_line_at = log.stat().st_mtime
            text = log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # deleted since it was listed
            continue
        is_over = ended_at is not None and ended_at >= last_line_at - 1
        if not is_over and " ERROR " not in text:
            yield _job(log.stem, text)


def _ended_at(results: Path, job: str) -> float | None:
    """Return when a job had written its last file, in seconds; None if it has not."""
    try:
        return times_path(results, job).stat().st_mtime
    except FileNotFoundError:  # not yet, or no longer: a job that begins anew deletes its files
        return None


def _num_pairs(results: Path, job: str) -> int:
    try:
        shares = read_job_times(times_path(results, job))
    except FileNotFoundError:  # deleted between these two looks
        return 0
    return sum(share.pairs for share in shares.values())


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
