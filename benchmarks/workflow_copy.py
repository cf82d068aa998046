"""A copy of the workflow with as many datasets as wanted, and what running it costs."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "rules", "workflow", "src", "config", "profiles", "envs", "models")


def copy_workflow(folder: Path, datasets: int, config: dict[str, Any]) -> None:
    """Copy the workflow, with so many copies of one dataset, each with a prompt of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    names = [f"dataset_{number}" for number in range(datasets)]
    definition = yaml.safe_load((ROOT / "config/datasets/demo_vqa.yaml").read_text())
    for name in names:
        definition["prompt"] = f"{{question}} ({name})"
        (folder / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(definition))
    run = {"run": "large", "datasets": names, **config}
    (folder / "run.yaml").write_text(yaml.safe_dump(run))


def snakemake(folder: Path, *arguments: str) -> dict[str, float]:
    """Run the copy's config on 2 cores.

    Returns jobs, seconds of the clock and of cores, peak memory of the largest process.
    """
    command = [sys.executable, "-m", "snakemake", *arguments]
    command += ["--configfile", "run.yaml", "--cores", "2"]
    log = folder / "printed"
    start = time.perf_counter()
    with log.open("w") as printed:
        running = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - start
    text = log.read_text()
    if status:
        sys.exit(text[-3000:])
    totals = [line for line in text.splitlines() if line.startswith("total ")]
    return {
        "jobs": int(totals[0].split()[1]),
        "seconds": seconds,
        "core_seconds": usage.ru_utime + usage.ru_stime,
        "peak_gib": usage.ru_maxrss / 2**20,
    }
