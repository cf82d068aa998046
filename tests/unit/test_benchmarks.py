"""The engine's benchmark runs and says what it promises.

How fast it was is nobody's business here.
"""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks/engine.py"


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
    assert all(row["same_tokens"] and row["bound"] > 1 for row in found["rows"])
    flops = found["datasets"]["demo_vqa"]["flops"]
    assert flops["bound"] <= flops["done"] < flops["plain"]


def test_pooled_lists_are_near_the_better_of_own_and_generic_in_either_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    planted_truth = importlib.import_module("planted_truth")
    worlds = {world.name: world for world in planted_truth.WORLDS}
    regrets = {}
    for name in ("all alike", "datasets differ"):
        rng = np.random.default_rng(0)
        draws = [planted_truth.regrets_of(worlds[name], 200, rng) for _ in range(5)]
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
