"""From the recommended lists to checkpoints, each with a proof of its answers."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from conftest import Workflow

LIMITS = "analysis={max_drop: {conservative: 0, balanced: 50, aggressive: 400}}"


def read(workflow: Workflow, path: str) -> Any:
    return json.loads(workflow.results(path).read_text())


@pytest.mark.long
def test_recommended_lists_become_checkpoints_that_answer_as_measured(finished: Workflow) -> None:
    finished.run("deploy", "--config", LIMITS)
    strategies = read(finished, "analysis/pruning_recommendations.json")["strategies"]
    recommended = {each["combination"] for each in strategies.values()} - {"none"}
    assert recommended
    exports = read(finished, "deployment/exports.json")
    assert {each["combination"] for each in exports} == recommended
    folder = finished.results("deployment/checkpoints")
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == recommended
    for proof in read(finished, "deployment/proof.json"):
        assert proof["role"] == "holdout"
        assert proof["equal"] == proof["samples"] > 0
    assert finished.planned("deploy", "--config", LIMITS) == set()

    weights = folder / exports[0]["combination"] / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    again = finished.call("deploy", "--forcerun", "prove_exports", "--config", LIMITS)
    assert again.returncode == 1
    assert "model.safetensors is not as it was exported" in again.stderr

    command = [sys.executable, "-m", "blocksieve", "export", "reduced", "--out", "mine", "--list"]
    environment = os.environ | {"PYTHONPATH": str(finished.folder / "src")}
    options = {"cwd": finished.folder, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*command, "3"], check=True, **options)
    assert "answers are token for token those measured" in done.stderr
    proof = json.loads((finished.folder / "mine/blocksieve-proof.json").read_text())
    assert proof["equal"] == proof["samples"] > 0
    twice = subprocess.run([*command, "3"], check=False, **options)
    assert (twice.returncode, twice.stderr) == (
        1,
        "error: mine exists already; name a new folder, or delete it first\n",
    )
