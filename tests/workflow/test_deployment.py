"""From the recommended lists to checkpoints: what is gained, the proof, the card, and faults."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from copies import Workflow
from safetensors.torch import load_file, save_file

LIMITS = ("--config", "analysis={max_drop: {conservative: 0, balanced: 50, aggressive: 400}}")


def read(workflow: Workflow, path: str) -> Any:
    return json.loads(workflow.results(path).read_text())


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Let a folder lie on a disk of its own, with the files that lie in it but no folders."""
    files = [path for path in folder.iterdir() if path.is_file()]
    copies = folder.with_name("copies")
    copies.mkdir()
    for file in files:
        shutil.copy2(file, copies)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        for file in copies.iterdir():
            shutil.copy2(file, folder)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(copies)


def tamper_with_the_source(workflow: Workflow) -> None:
    """Change a weight of the whole model so that no date tells."""
    file = workflow.folder / "models/demo-vlm/model.safetensors"
    date = file.stat()
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("layers.3.mlp.down_proj.weight"))
    weights[name] *= -30
    save_file(weights, file, metadata={"format": "pt"})
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))


@pytest.mark.long
def test_recommended_lists_become_checkpoints_that_answer_as_measured(finished: Workflow) -> None:
    finished.run("deploy", *LIMITS)
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
        card = (folder / proof["combination"] / "README.md").read_text()
        assert card.startswith("---\nbase_model: models/demo-vlm\n")
        assert f"{proof['equal']} token for token as the search measured" in card
        assert f"blocksieve export reduced --list {proof['combination']} --out" in card
        assert "| first token, 12 prompts at once, ms |" in card
        assert "| demo_caption | Captioning |" in card
    gain = read(finished, "deployment/deployment.json")
    assert [each["size"] for each in gain["models"]] == [0, 1, 2]
    assert gain["conditions"]["threads"] == 1
    sizes = [each["parameters"] for each in gain["models"]]
    assert sizes == sorted(sizes, reverse=True)
    assert finished.planned("deploy", *LIMITS) == set()

    # Of the faults below, each ends the run with a line that says which, and leaves no checkpoint.
    force = ("deploy", "--forcerun", "export_lists", *LIMITS)
    with small_disk(finished.results("deployment"), "4m"):
        full = finished.call(*force)
        assert full.returncode == 1
        assert "No space left on device" in full.stderr
        assert not list(folder.glob("*/*"))
    alone = finished.export("3")
    assert "answers are token for token those measured" in alone.stderr, alone.stderr
    mine = finished.folder / "mine"
    proof = json.loads((mine / "blocksieve-proof.json").read_text())
    assert proof["equal"] == proof["samples"] > 0
    assert "Not measured: the run measures the best list" in (mine / "README.md").read_text()
    twice = finished.export("3")
    assert (twice.returncode, twice.stderr) == (
        1,
        "error: mine exists already; name a new folder, or delete it first\n",
    )
    tamper_with_the_source(finished)
    tampered = finished.call(*force)
    assert tampered.returncode == 1
    assert "was measured: " in tampered.stderr, tampered.stderr
    assert "answers differ, first in dataset" in tampered.stderr
    assert not list(folder.glob("*/*"))


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
