"""What a small run keeps of a config, and what it says of the whole run's time."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from blocksieve.config import resolve
from blocksieve.errors import BlocksieveError
from blocksieve.smoke import Times, estimate, measured, merged, pairs_and_jobs, read_times, reduced

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
WHOLE = resolve(copy.deepcopy(DEFAULT), ROOT)


def test_a_small_run_has_the_longest_and_the_shortest_answers_and_is_valid() -> None:
    small = reduced(WHOLE)
    lengths = [WHOLE.datasets[name].max_new_tokens for name in small["datasets"]]
    every = [definition.max_new_tokens for definition in WHOLE.datasets.values()]
    assert lengths == [min(every), max(every)]
    resolved = resolve(merged(DEFAULT, small), ROOT)
    assert (resolved.run, resolved.samples.search, resolved.search.max_removed) == (
        "demo-smoke",
        8,
        1,
    )


def test_start_and_pair_follow_from_two_jobs() -> None:
    # start 10 s, pair 0.5 s: a baseline of 8 pairs, a step of 16 blocks x 8
    times = measured(10 + 8 * 0.5, 10 + 16 * 8 * 0.5, 16)
    assert times.start == pytest.approx(10)
    assert times.pair == pytest.approx(0.5)
    assert measured(12.0, 11.0, 16) == Times(12.0, 0.0)


def test_pairs_and_jobs_of_the_demo() -> None:
    # none, 16 blocks, then 3 kept x (15, 14, 13) children in two scopes
    searched = 1 + 16 + 2 * 3 * (15 + 14 + 13)
    assert pairs_and_jobs(WHOLE, 16) == (searched * 96 + 4 * (8 + 1) * 192, 1 + 1 + 2 * 3 + 1)


def test_the_estimate_takes_a_dataset_of_like_length(tmp_path: Path) -> None:
    names = ("demo_vqa", "demo_caption", "demo_tally_qa")
    config = replace(WHOLE, datasets={name: WHOLE.datasets[name] for name in names})
    text = estimate(config, {"demo_vqa": Times(3600, 0), "demo_caption": Times(0, 0)}, 16)
    assert (
        "jobs: 18.0 hours of one device" in text
    )  # 9 jobs of an hour each for demo_vqa and demo_tally_qa
    with pytest.raises(BlocksieveError, match=r"baseline.tsv is missing; run `make smoke` first"):
        read_times(tmp_path, ["demo_vqa"], 16)
    folder = tmp_path / "benchmarks/evaluate/demo_vqa"
    (folder / "own").mkdir(parents=True)
    for name, seconds in (("baseline.tsv", "14.0"), ("own/remove1.0.tsv", "74.0")):
        (folder / name).write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:14\t-\n")
    assert read_times(tmp_path, ["demo_vqa"], 16)["demo_vqa"].pair == pytest.approx(0.5)
