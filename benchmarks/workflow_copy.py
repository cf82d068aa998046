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
    """Copy the workflow, add copies of one dataset's definition each with a prompt of its own, and the config."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        copied = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copied(ROOT / part, folder / part)
    names = [f"dataset_{number}" for number in range(datasets)]
    definition = yaml.safe_load((ROOT / "config/datasets/demo_vqa.yaml").read_text())
    for name in names:
        definition["prompt"] = f"{{question}} ({name})"
        (folder / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(definition))
    (folder / "run.yaml").write_text(yaml.safe_dump({"run": "large", "datasets": names} | config))


def snakemake(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the copy's config on 2 cores: jobs, seconds of the clock and of cores, peak memory of the largest process."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *arguments,
        "--configfile",
        "run.yaml",
        "--cores",
        "2",
    ]
    start = time.perf_counter()
    with (folder / "printed").open("w") as printed:
        running = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(running.pid, 0)
    text = (folder / "printed").read_text()
    if status:
        sys.exit(text[-3000:])
    jobs = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("total "))
    seconds = {
        "seconds": time.perf_counter() - start,
        "core_seconds": used.ru_utime + used.ru_stime,
    }
    return {"jobs": jobs} | seconds | {"peak_gib": used.ru_maxrss / 2**20}
