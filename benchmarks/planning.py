"""How long Snakemake plans a large run, and in how much memory: 100 datasets x 6 sizes x 4 parts, in a dry run.

The plan is made in a copy of the workflow that holds as many copies of one dataset's definition.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "rules", "workflow", "src", "config", "profiles", "envs", "models")


def plan(folder: Path, datasets: int, sizes: int, parts: int) -> dict[str, Any]:
    """Plan a run: jobs, seconds (of the clock, and of a core), and peak memory."""
    for part in PARTS:
        copied = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copied(ROOT / part, folder / part)
    names = [f"planned_{number}" for number in range(datasets)]
    for name in names:
        shutil.copy(ROOT / "config/datasets/demo_vqa.yaml", folder / f"config/datasets/{name}.yaml")
    config = {"run": "plan", "datasets": names, "search": {"max_removed": sizes, "jobs_per_step": parts}}
    (folder / "plan.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "host", "--configfile", "plan.yaml", "--cores", "2"]
    start = time.perf_counter()
    with (folder / "printed").open("w") as printed:
        planning = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(planning.pid, 0)
    text = (folder / "printed").read_text()
    if status:
        sys.exit(text)
    total = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("total "))
    seconds = {"seconds": time.perf_counter() - start, "core_seconds": used.ru_utime + used.ru_stime}
    about = {"datasets": datasets, "sizes": sizes, "parts": parts, "jobs": total}
    return about | seconds | {"peak_gib": used.ru_maxrss / 2**20}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--sizes", type=int, default=6)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/planning.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row = plan(Path(folder), given.datasets, given.sizes, given.parts)
    print(row)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
