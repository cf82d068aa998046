"""The benchmarks that read finished runs still read them."""

import subprocess
import sys
from pathlib import Path

import pytest
from copies import Workflow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "runs", "line"),
    [
        ("racing.py", ["results/reduced"], "| halving |"),
        ("two_runs.py", ["results/reduced"] * 2, "pairs answered"),
    ],
)
def test_a_benchmark_reads_a_finished_run(
    finished: Workflow, script: str, runs: list[str], line: str
) -> None:
    command = [sys.executable, str(BENCHMARKS / script), *runs]
    done = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
