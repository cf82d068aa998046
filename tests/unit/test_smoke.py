"""What a small run keeps of a config, and what it says of the whole run's time."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from blocksieve.commands.smoke import small_run
from blocksieve.config import merged, resolve
from blocksieve.errors import BlocksieveError, ConfigError
from blocksieve.job_times import ShareTimes, write_job_times
from blocksieve.smoke import (
    Speed,
    estimate,
    num_jobs,
    pairs_of_dataset,
    read_speeds,
    reduced,
)

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


def test_a_small_run_lacks_weights_of_datasets_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "weighted.yaml"
    names = ["demo_vqa", "demo_caption", "demo_okvqa"]
    content = {"datasets": names, "analysis": {"weights": {"demo_okvqa": 3}}}
    config.write_text(yaml.safe_dump(content | {"samples": {"verify": 40}}))
    monkeypatch.chdir(ROOT)
    small = small_run([config])
    resolved = resolve(merged(DEFAULT, small), ROOT)
    assert resolved.analysis.weights == {}
    assert resolved.samples.counts("demo_vqa") == {"search": 8, "holdout": 0}


def test_a_given_table_has_nothing_to_try() -> None:
    with pytest.raises(ConfigError, match="nothing to try"):
        reduced(replace(WHOLE, evaluations="table.parquet"))


def test_pairs_and_jobs_of_the_demo() -> None:
    # none, 16 blocks, then 2 kept x (15, 14) children in two scopes
    searched = 1 + 16 + 2 * 2 * (15 + 14)
    finalists = 3 * 2 * (8 + 1)
    assert pairs_of_dataset(WHOLE, 16) == searched * 256 + finalists * 656
    assert num_jobs(WHOLE) == 10  # two for the baseline, three sizes and the finalists


def test_the_estimate_takes_a_dataset_of_like_length() -> None:
    names = ("demo_vqa", "demo_caption", "demo_tally_qa")
    run_spec = replace(WHOLE, datasets={name: WHOLE.datasets[name] for name in names})
    pairs = pairs_of_dataset(run_spec, 16)
    # demo_tally_qa takes as long as demo_vqa
    speeds = {"demo_vqa": Speed(900, 3600 / pairs), "demo_caption": Speed(0, 1e-9)}
    told = estimate(run_spec, speeds, 16)
    assert "loads the model: 4.5 hours of one device, of which 2.5 are starts" in told


def test_speeds_are_those_of_the_small_run(tmp_path: Path) -> None:
    with pytest.raises(
        BlocksieveError,
        match=r"single\.0\.json is missing or lacks demo_vqa; run `blocksieve smoke` first",
    ):
        read_speeds(tmp_path, ["demo_vqa"])
    path = tmp_path / "times/single.0.json"
    answered = ShareTimes(pairs=140, computed=136, start_seconds=10.0, answer_seconds=68.0)
    write_job_times(path, {"demo_vqa": answered})
    assert read_speeds(tmp_path, ["demo_vqa"]) == {"demo_vqa": Speed(start=10.0, pair=0.5)}
    with pytest.raises(BlocksieveError, match="lacks demo_caption"):
        read_speeds(tmp_path, ["demo_vqa", "demo_caption"])
    write_job_times(path, {"demo_vqa": ShareTimes(pairs=140)})
    with pytest.raises(BlocksieveError, match="demo_vqa, since all its pairs were cached"):
        read_speeds(tmp_path, ["demo_vqa"])
