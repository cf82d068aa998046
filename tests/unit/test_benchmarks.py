"""The engine's benchmark runs and says what it promises.

How fast it was is nobody's business here.
"""

import json
import subprocess
import sys
from pathlib import Path

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
