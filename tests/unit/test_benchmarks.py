"""The engine's benchmark runs and says what it promises.

How fast it was is nobody's business here.
"""

import importlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zoo
from test_conformance import load

from blocksieve.combination import Combination
from blocksieve.engine.inputs import Batch

BENCHMARK = Path(__file__).parents[2] / "benchmarks/engine.py"


@pytest.mark.long
def test_the_engine_benchmark_compares_all_ways(tmp_path: Path) -> None:
    out = tmp_path / "engine.json"
    command = [
        sys.executable,
        str(BENCHMARK),
        "demo_vqa",
        "--samples",
        "6",
        "--repeats",
        "1",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    ways = [row["way"] for row in found["rows"]]
    assert ways[:3] == ["reference (plain loop)", "view, nothing shared", "shared (prefixes)"]
    assert {way.removeprefix("shared without ") for way in ways[3:]} == {
        "encoder memo", "replay of blocks", "common prefixes", "drafts", "merged continuation",
    }  # fmt: skip
    for row in found["rows"]:
        assert row["differing_rows"] == 0
        assert row["flop_bound"] > 1
        assert 0 < row["flop_share"] <= 1
        assert 0 < row["time_share"] < 1 < row["time_bound"]
    flops = found["datasets"]["demo_vqa"]["flops"]
    assert flops["bound"] <= flops["done"] < flops["plain"]


def test_the_bound_of_time_is_the_distinct_work_at_the_speed_of_a_full_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    timing = importlib.import_module("timing")
    model = zoo.make_model("llava")
    batch = Batch(zoo.make_inputs("llava", model))
    ticks = itertools.count()
    monkeypatch.setattr(timing, "clock", lambda: float(next(ticks)))  # a second for every module
    loaded = load(model)
    costs = timing.seconds_of_parts(loaded, batch)
    assert costs.blocks == dict.fromkeys(range(zoo.BLOCKS), 1 / batch.prompt_tokens)
    assert (costs.encoding, costs.head) == (2 / batch.rows, 1 / batch.rows)  # tower, projector
    # Two combinations: the first block runs once, the others twice, for the prompts alone.
    answers = {Combination.of((block,)): [[7]] * batch.rows for block in (1, 2)}
    blocks_run = 1 + (zoo.BLOCKS - 2) + (zoo.BLOCKS - 2)
    seconds = timing.seconds_of_distinct_work(loaded, batch, answers)
    assert seconds == pytest.approx(blocks_run + costs.encoding * batch.rows + 2)


def test_the_script_for_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path)}
    command = [str(BENCHMARK.parent / "gpu.sh"), "--small"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "gpu_results.json").read_text())
    notes = results.pop("notes")
    for part in ("conformance", "llava", "profile", "large decoder", "latency", "workflow"):
        assert part in results, notes
        assert any(note.startswith(f"{part}: took ") for note in notes), notes
    assert not any("Error" in note or "left out" in note for note in notes), notes
    assert {row["dtype"] for row in results["conformance"]} == {"float32", "bfloat16"}
    assert all(row["rows_differing"] == 0 for row in results["conformance"])
    compared = [row for row in results["llava"] if "speed_up" in row]
    alone = [row for row in results["llava"] if "speed_up" not in row]
    assert len(compared) == 2 * len(alone)  # the plain loop, too
    for row in compared + results["large decoder"]:
        assert row["differing_rows"] == 0
        assert row["flop_share"] <= 1
    assert {row["questions"] for row in results["llava"]} == {1, 5}


@pytest.mark.parametrize("rounds", [(), (0.25, 0.5)], ids=["no races", "races"])
def test_pooled_lists_are_near_the_better_of_own_and_generic_in_either_world(
    monkeypatch: pytest.MonkeyPatch, rounds: tuple[float, ...]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    planted_truth = importlib.import_module("planted_truth")
    worlds = {world.name: world for world in planted_truth.WORLDS}
    regrets = {}
    for name in ("all alike", "datasets differ"):
        rng = np.random.default_rng(0)
        draws = [planted_truth.regrets_of(worlds[name], 200, rng, rounds) for _ in range(5)]
        own, _, generic, pooled, _ = np.mean(draws, axis=0)
        regrets[name] = {"own": own, "generic": generic, "pooled": pooled}
    assert regrets["all alike"]["pooled"] < regrets["all alike"]["own"] / 2
    assert regrets["datasets differ"]["pooled"] < regrets["datasets differ"]["generic"] / 2


def test_every_judge_of_statements_judges_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    planted_truth = importlib.import_module("planted_truth")
    small = replace(planted_truth.NOTHING_DIFFERS, num_blocks=6, task_types=("VQA", "Captioning"))
    search = planted_truth.Search.of(small, 100, np.random.default_rng(0))
    families = {}
    for judge in planted_truth.JUDGES:
        families |= judge(search)
    singles = planted_truth.single_blocks(small, 100, np.random.default_rng(0))
    for judge in (planted_truth.blocks, planted_truth.types_and_pairs):
        families |= judge(singles)
    assert len(families) == 17
    # Where no block differs from another, every one of the tied is the best.
    assert not any(families["ties: none of the tied is the best"])
    assert len(families["intervals of recommended lists on holdout"]) == 4
    says_more = planted_truth.is_false(planted_truth.Verdict.COSTS_MORE, 0.0)
    assert (says_more, planted_truth.is_false(planted_truth.Verdict.COSTS_MORE, 1.0)) == (
        True,
        False,
    )
