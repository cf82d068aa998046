"""From the recommended lists to checkpoints, each with a proof of its answers."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
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


@pytest.mark.long
def test_a_healing_that_is_killed_goes_on_to_the_same_checkpoint(finished: Workflow) -> None:
    heal = [
        "deploy",
        "--config",
        "deploy={heal: {method: lora, lists: [2-5], steps: 12, samples: 40}}",
    ]
    # A state after every step, so that a kill at any step has one to go on from.
    code = finished.folder / "src/blocksieve/deployment/finetune.py"
    text = code.read_text()
    code.write_text(text.replace("SECONDS_BETWEEN_SAVES = 120.0", "SECONDS_BETWEEN_SAVES = 0.0"))
    assert code.read_text() != text
    finished.run(*heal)
    checkpoint = finished.results("deployment/healed/2-5/model.safetensors")
    document = finished.results("deployment/healing.json")
    expected = checkpoint.read_bytes(), document.read_bytes()
    assert finished.planned(*heal) == set()
    rows = read(finished, "deployment/healing.json")["rows"]
    assert [(row["dataset"], row["n"]) for row in rows] == [
        ("demo_caption", 4),
        ("demo_vqa", 4),
        (None, 8),
    ]
    drawn = {path.stem for path in finished.results("training").glob("*.parquet")}
    assert drawn == {"demo_caption", "demo_vqa"}

    shutil.rmtree(finished.results("deployment/healed"))
    document.unlink()
    log = finished.results("logs/heal.log")
    log.unlink()
    command = [sys.executable, "-m", "snakemake", *heal, "--cores", "2"]
    command += ["--configfile", "tests/workflow/reduced.yaml"]
    steps = random.randint(2, 10)
    process = subprocess.Popen(command, cwd=finished.folder, start_new_session=True)
    while f"step {steps} of 12:" not in (log.read_text() if log.exists() else ""):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished.run("--unlock")
    finished.run(*heal, "--rerun-incomplete")
    assert "going on after step" in log.read_text()
    assert (checkpoint.read_bytes(), document.read_bytes()) == expected
