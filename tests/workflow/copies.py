"""Copies of the repository, in which tests run the real Snakefile."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[2]
PARTS = (
    "Snakefile",
    "rules",
    "workflow",
    "src",
    "config",
    "profiles",
    "envs",
    "models",
    "tests/workflow/reduced.yaml",
)


class Workflow:
    """A copy of the repository that snakemake is called in."""

    def __init__(self, folder: Path, origin: Path = ROOT, parts: Sequence[str] = PARTS) -> None:
        self.folder = folder
        for part in parts:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (origin / part).is_dir():
                shutil.copytree(
                    origin / part,
                    target,
                    ignore=shutil.ignore_patterns("__pycache__"),
                    dirs_exist_ok=True,
                )
            else:
                shutil.copy2(origin / part, target)

    def call(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess[str]:
        """Run snakemake with the reduced config."""
        command = [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores)]
        if "--configfile" not in arguments:
            command += ["--configfile", "tests/workflow/reduced.yaml"]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=900, check=False
        )

    def run(self, *arguments: str, cores: int = 2) -> str:
        """Run snakemake, which must succeed; return what it printed."""
        done = self.call(*arguments, cores=cores)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def export(self, blocks: str, run: str = "reduced") -> subprocess.CompletedProcess[str]:
        """Call `blocksieve export` for one list of a finished run, into the folder `mine`."""
        command = [sys.executable, "-m", "blocksieve", "export", run, "--out", "mine"]
        return subprocess.run(
            [*command, "--list", blocks],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder / "src")},
            capture_output=True,
            text=True,
            check=False,
        )

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a dry run would run; `evaluate` also with each of its steps."""
        printed = self.run("-n", *arguments, "--quiet", "reason")
        rules = set()
        for job in re.split(r"\n(?:local)?rule ", printed)[1:]:
            rule = job.partition(":")[0]
            step = re.search(r"wildcards: .*step=(\w+)", job)
            rules.add(f"{rule} {step[1]}" if rule == "evaluate" and step else rule)
        return rules - {"all"}

    def results(self, path: str, run: str = "reduced") -> Path:
        """A file of a run's results."""
        return self.folder / "results" / run / path

    def cached(self, run: str = "reduced") -> pl.DataFrame:
        """All rows of the cache: what was ever evaluated, repeats included."""
        return pl.concat(
            pl.read_parquet(path).select(
                "combination", "sample_id", context=pl.lit(path.parent.name)
            )
            for path in sorted(self.results("cache", run).rglob("*.parquet"))
        )
