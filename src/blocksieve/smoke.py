"""A small run before a long one: what it keeps of a config, and how long the whole run takes by it.

`python -m blocksieve.smoke reduce CONFIG OUT` writes the small run's config, to be given after CONFIG;
`python -m blocksieve.smoke estimate CONFIG` prints how long CONFIG takes, by the results of the small run.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from blocksieve.config import resolve
from blocksieve.errors import BlocksieveError
from blocksieve.files import write_text
from blocksieve.specs import Content, RunSpec

SAMPLES = 8
DATASETS = 2


def reduced(run_spec: RunSpec) -> Content:
    """What a small run changes: two datasets (the longest and the shortest answers), 8 samples, size 1."""
    by_length = sorted(run_spec.datasets, key=lambda name: run_spec.datasets[name].max_new_tokens)
    return {
        "run": f"{run_spec.run}-smoke",
        "datasets": list(dict.fromkeys([by_length[0], by_length[-1]])),
        "samples": {"search": SAMPLES, "holdout": 0},
        "search": {"max_removed": 1, "beam_width": 1, "exhaustive_sizes": [1], "jobs_per_step": 1},
        "finalists": [],
    }


@dataclass(frozen=True)
class Times:
    """What a job takes to start, model and self-check included, and what a pair takes in it, in seconds."""

    start: float
    pair: float


def measured(baseline: float, step: float, blocks: int) -> Times:
    """Times from two jobs of a dataset: nothing removed, and each of `blocks` blocks alone, on SAMPLES each."""
    pair = max(step - baseline, 0.0) / ((blocks - 1) * SAMPLES)
    return Times(max(baseline - pair * SAMPLES, 0.0), pair)


def pairs_and_jobs(run_spec: RunSpec, blocks: int) -> tuple[int, int]:
    """About how many pairs one dataset of the whole run has, and how many jobs.

    Beams of both scopes count in full. Of the finalists, which many choices share, one a dataset and one in common at
    every size (the demo's 8 datasets: 34 where this gives 36).
    """
    search, samples = run_spec.search, run_spec.samples
    sizes = range(1, search.max_removed + 1)
    exhaustive = {1, *search.exhaustive_sizes}
    candidates, jobs = 1, 1 + search.jobs_per_step
    for size in sizes:
        beam = search.beam_width * (blocks - size + 1)
        candidates += comb(blocks, size) if size in exhaustive else 2 * beam
        jobs += search.jobs_per_step * (1 if size in exhaustive else 2)
    finalists = len(sizes) * (len(run_spec.datasets) + 1) + len(run_spec.finalists)
    pairs = candidates * samples.search + finalists * (samples.search + samples.holdout)
    return pairs, jobs


def estimate(run_spec: RunSpec, times: dict[str, Times], blocks: int) -> str:
    """How long the whole run takes, with what that assumes. `times` by dataset of the small run."""
    pairs, jobs = pairs_and_jobs(run_spec, blocks)
    tokens = {name: definition.max_new_tokens for name, definition in run_spec.datasets.items()}
    seconds = 0.0
    for name in tokens:
        alike = min(times, key=lambda other: abs(tokens[other] - tokens[name]))
        seconds += jobs * times[alike].start + pairs * times[alike].pair
    measured_ones = "; ".join(
        f"{name}: {time.start:.0f} s to start a job, {1 / time.pair:.1f} pairs a second"
        if time.pair > 0
        else f"{name}: {time.start:.0f} s to start a job, too quick to measure a pair"
        for name, time in times.items()
    )
    return (
        f"{measured_ones}\n"
        f"{run_spec.run}: about {pairs * len(tokens)} pairs in {jobs * len(tokens)} jobs: "
        f"{seconds / 3600:.1f} hours of one device; side by side on several, as many times less.\n"
        "Assumes that a pair costs at every size what it costs at size 1 and in a batch of 8, and on each dataset what "
        "it costs on the tried one whose answers are most nearly as long. Larger batches are faster; common images too."
    )


def read_times(results: Path, datasets: Sequence[str], blocks: int) -> dict[str, Times]:
    """The times of a small run, from its benchmarks; BlocksieveError if it is not finished."""
    found = {}
    for name in datasets:
        folder = results / "benchmarks/evaluate" / name
        files = [folder / "baseline.tsv", folder / "own/remove1.0.tsv"]
        missing = next((file for file in files if not file.exists()), None)
        if missing is not None:
            raise BlocksieveError(f"smoke: {missing} is missing; run `make smoke` first")
        baseline, step = (
            pl.read_csv(file, separator="\t", null_values=["NA", "-"])["s"][0] for file in files
        )
        found[name] = measured(baseline, step, blocks)
    return found


def main(arguments: Sequence[str], root: Path) -> None:
    """What the module's own text says."""
    action, path = arguments[:2]
    given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    default = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    run_spec = resolve(merged(default, given), root)
    small = reduced(run_spec)
    if action == "reduce":
        write_text(Path(arguments[2]), yaml.safe_dump(small, sort_keys=False))
        return
    results = root / "results" / small["run"]
    blocks = json.loads((results / "model.json").read_text())["num_blocks"]
    print(estimate(run_spec, read_times(results, small["datasets"], blocks), blocks))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A config with the values of another one put over it, as Snakemake merges config files."""
    both = {
        key: merged(base[key], over[key])
        for key in base.keys() & over.keys()
        if isinstance(over[key], dict)
    }
    return {**base, **over, **both}


if __name__ == "__main__":
    try:
        main(sys.argv[1:], Path.cwd())
    except BlocksieveError as error:
        sys.exit(f"error: {error}")
