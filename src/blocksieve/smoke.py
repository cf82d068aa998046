"""A small run before a long one: what it keeps of a config, and how long the whole run takes by it.

The commands `smoke` and `estimate` use it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blocksieve.errors import BlocksieveError, ConfigError
from blocksieve.job_times import read_job_times, times_path
from blocksieve.search.steps import SINGLE, all_steps
from blocksieve.search.strategies import most_combinations
from blocksieve.specs import Content, RunSpec

SAMPLES = 8


@dataclass(frozen=True)
class Speed:
    """What a dataset takes a job before its first answer, and per pair, in seconds.

    The first dataset of a job waits for the model, all for the check of the engine.
    """

    start: float
    pair: float

    def __str__(self) -> str:
        pairs_per_second = 1 / self.pair
        return f"{self.start:.0f} s to start, {pairs_per_second:.1f} pairs a second"


def reduced(run_spec: RunSpec) -> Content:
    """Return what a small run changes.

    Two datasets (the longest and the shortest answers), 8 samples, size 1. ConfigError for a run
    from a given table, which has nothing to try.
    """
    if run_spec.evaluations is not None:
        raise ConfigError(
            "config: evaluations: a run from a given table evaluates nothing, so that there is"
            " nothing to try or to estimate; run it as it is"
        )
    counts = {"search": SAMPLES, "holdout": 0, "verify": 0}
    by_length = sorted(run_spec.datasets, key=lambda name: run_spec.datasets[name].max_new_tokens)
    datasets = list(dict.fromkeys([by_length[0], by_length[-1]]))
    return {
        "run": f"{run_spec.run}-smoke",
        "datasets": datasets,
        "samples": {**counts, "datasets": dict.fromkeys(datasets, counts)},
        "search": {
            "max_removed": 1,
            "beam_width": 1,
            "exhaustive_sizes": [1],
            "jobs_per_step": 1,
        },
        "finalists": [],
    }


def pairs_of_dataset(run_spec: RunSpec, num_blocks: int) -> int:
    """Return about how many pairs one dataset of the whole run has.

    Beams of both scopes count in full, as without racing. Of the finalists, which many choices
    share, two per dataset and two in common count at every size: 54 in the demo, which has 57.
    """
    search, samples = run_spec.search, run_spec.samples
    if samples.search == "all" or samples.holdout == "all":
        raise BlocksieveError(
            "smoke: how many samples are all is known only once they are drawn;"
            " give numbers in samples to have an estimate"
        )
    num_sites = 2 * num_blocks if search.unit == "half" else num_blocks
    candidates = 1  # the baseline
    for size in range(1, search.max_removed + 1):
        candidates += most_combinations(search, size, num_sites)
    finalists = 2 * search.max_removed * (len(run_spec.datasets) + 1) + len(run_spec.finalists)
    samples_of_all_roles = samples.search + samples.holdout + samples.verify
    return candidates * samples.search + finalists * samples_of_all_roles


def pairs_by_dataset(run_spec: RunSpec, num_blocks: int) -> dict[str, int]:
    """Return about how many pairs each dataset of the whole run has."""
    by_dataset = {}
    for name in run_spec.datasets:
        counts = run_spec.samples.counts(name)
        samples = replace(
            run_spec.samples,
            search=counts["search"],
            holdout=counts["holdout"],
            verify=int(counts.get("verify", 0)),
        )
        by_dataset[name] = pairs_of_dataset(replace(run_spec, samples=samples), num_blocks)
    return by_dataset


def num_jobs(run_spec: RunSpec) -> int:
    """Return how many evaluation jobs the whole run has; each loads the model."""
    return len(all_steps(run_spec.search)) * run_spec.search.jobs_per_step


def counted(run_spec: RunSpec, num_blocks: int) -> str:
    """Say how many pairs and jobs the whole run has."""
    pairs = sum(pairs_by_dataset(run_spec, num_blocks).values())
    return (
        f"{run_spec.run}: about {pairs:,} pairs (a combination and a sample) in"
        f" {num_jobs(run_spec)} jobs, each of which loads the model"
    )


def estimate(run_spec: RunSpec, speeds: Mapping[str, Speed], num_blocks: int) -> str:
    """Say how long the whole run takes, with what that assumes.

    `speeds`: by dataset of the small run.
    """
    lengths = {name: dataset.max_new_tokens for name, dataset in run_spec.datasets.items()}
    start = sum(speed.start for speed in speeds.values())
    starts = num_jobs(run_spec) * start
    seconds = starts
    for name, pairs in pairs_by_dataset(run_spec, num_blocks).items():
        nearest = _nearest(lengths[name], {tried: lengths[tried] for tried in speeds})
        seconds += pairs * speeds[nearest].pair
    measured = "; ".join(f"{name}: {speed}" for name, speed in speeds.items())
    return (
        f"{measured}\n"
        f"{counted(run_spec, num_blocks)}: {seconds / 3600:.1f} hours of one device, of which"
        f" {starts / 3600:.1f} are starts; side by side on several, as many times less.\n"
        "Assumes that a pair costs at every size what it costs at size 1 and in a batch of 8, and"
        " on each dataset what it costs on the tried one whose answers are most nearly as long."
        " Larger batches are faster; common images too."
    )


def _nearest(length: int, lengths: dict[str, int]) -> str:
    """Return the dataset whose longest answer differs least."""
    differences = {name: abs(candidate - length) for name, candidate in lengths.items()}
    return min(differences, key=lambda name: differences[name])


def read_speeds(results: Path, datasets: Sequence[str]) -> dict[str, Speed]:
    """Read what the jobs of a small run took; BlocksieveError if it is not finished."""
    path = times_path(results, f"{SINGLE}.0")
    shares = read_job_times(path) if path.exists() else {}
    speeds = {}
    for name in datasets:
        if name not in shares:
            raise BlocksieveError(
                f"smoke: {path} is missing or lacks {name}; run `blocksieve smoke` first"
            )
        share = shares[name]
        if not share.computed:
            raise BlocksieveError(
                f"smoke: {path} says nothing of {name}, since all its pairs were cached;"
                f" delete {results} and run `blocksieve smoke` again"
            )
        speeds[name] = Speed(share.start_seconds, share.answer_seconds / share.computed)
    return speeds
