"""How long analyses of a large table take, and how much memory millions of sample rows need.

A table of 8 datasets x 600 combinations goes through `snakemake analysis figures report` on 2
cores. Shards of 10 datasets x 500 combinations x 2,000 samples, half of them holdout samples, are
merged into evaluations, summed by cluster, and analysed, each stage in a process of its own.
"""

import argparse
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import yaml

from blocksieve.combination import NONE, Combination, block_sites
from blocksieve.search.plan import all_combinations

ROOT = Path(__file__).parents[1]
BLOCKS = 32
SAMPLES_PER_IMAGE = 2
PARTS = 8
BASELINE = 0.7
TASK_TYPES = [
    "VQA",
    "Captioning",
    "Document QA",
    "Scene Text QA",
    "Multiple Choice",
    "Exact Match",
]


def write_table(datasets: int, num_combinations: int, path: Path) -> None:
    """Write evaluations of random drops that add up over blocks."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(datasets):
        weights = rng.gamma(0.5, 0.03, BLOCKS)
        dataset = {"dataset": f"dataset_{number}", "task_type": TASK_TYPES[number % 6]}
        for combination in (NONE, *some_combinations(num_combinations)):
            drop, se = 0.0, 0.0
            if combination != NONE:
                drop = float(weights[list(combination.blocks)].sum() + rng.normal(0, 0.005))
                se = 0.006
            rows.append({**dataset, **evaluation(combination, drop, se)})
    pl.DataFrame(rows).write_parquet(path)


def evaluation(combination: Combination, drop: float, se: float) -> dict[str, Any]:
    """Return a row of evaluations with a drop."""
    return {
        "role": "search",
        "n": 1000,
        "n_clusters": 800,
        "baseline": BASELINE,
        "combination": str(combination),
        "removed": list(combination.blocks),
        "size": combination.size,
        "score": BASELINE - drop,
        "drop": drop,
        "se": se,
        "ci_low": drop - 2 * se,
        "ci_high": drop + 2 * se,
        "relative": drop / BASELINE,
        "relative_se": se / BASELINE,
        "wins": 10,
        "losses": 40,
    }


def some_combinations(count: int) -> list[Combination]:
    """Return so many combinations of one to four blocks, every single block among them."""
    sites = block_sites(BLOCKS)
    combinations = all_combinations(sites, 1)
    per_size = (count - len(combinations)) // 3
    for size in (2, 3, 4):
        combinations += islice(all_combinations(sites, size), per_size)
    return combinations


def write_shards(folder: Path, dataset: str, num_combinations: int, samples: int) -> None:
    """Write the shards of one dataset, the baseline's in the first."""
    rng = np.random.default_rng(1)
    rows = sample_rows(dataset, samples)
    combinations = [NONE, *some_combinations(num_combinations)]
    for part, group in enumerate(np.array_split(np.arange(len(combinations)), PARTS)):
        tables = []
        for index in group:
            combination = combinations[index]
            removed = [list(combination.blocks)] * samples
            table = rows.with_columns(
                score=pl.Series((rng.random(samples) < BASELINE).astype(np.float32)),
                combination=pl.lit(str(combination)),
                removed=pl.Series(removed, dtype=pl.List(pl.UInt8)),
                size=pl.lit(combination.size, pl.UInt8),
                prediction=pl.lit("an answer"),
            )
            tables.append(table)
        pl.concat(tables).write_parquet(folder / f"{dataset}.{part}.parquet")


def sample_rows(dataset: str, samples: int) -> pl.DataFrame:
    """Return what all combinations' rows of a shard have in common."""
    numbers = range(samples)
    images = [number // SAMPLES_PER_IMAGE for number in numbers]
    no_fault = [False] * samples
    return pl.DataFrame(
        {
            "dataset": [dataset] * samples,
            "sample_id": [f"{number:016x}" for number in numbers],
            "cluster": [f"image {image:08d}" for image in images],
            "split": [("validation", "train")[number % 2] for number in numbers],
            "role": [("search", "holdout")[image % 2] for image in images],
            "near_tie": no_fault,
            "non_finite": no_fault,
            "unparsable": no_fault,
            "refused": pl.Series([None] * samples, dtype=pl.String),
        }
    )


def merge(folder: Path) -> None:
    """Merge all shards into one table of evaluations."""
    from blocksieve.merging import merge_shards
    from blocksieve.specs import DatasetSpec

    files = sorted(folder.glob("dataset_*.parquet"))
    definition = DatasetSpec("VQA", {"kind": "demo"}, ["train"], "{question}", "exact_match", 4)
    definitions = {path.name.split(".")[0]: definition for path in files}
    merge_shards(definitions, files, 0).write_parquet(folder / "evaluations.parquet")


def sum_clusters(folder: Path) -> None:
    """Sum the shards of every dataset by cluster."""
    from blocksieve.shards import by_cluster

    (folder / "clusters").mkdir()
    for first in sorted(folder.glob("dataset_*.0.parquet")):
        dataset = first.name.split(".")[0]
        sums = by_cluster(sorted(folder.glob(f"{dataset}.*.parquet")))
        sums.write_parquet(folder / f"clusters/{dataset}.parquet")


def analyse(folder: Path) -> None:
    """Compute every analysis but that of routing, which needs prompts."""
    from blocksieve.analysis import ANALYSES
    from blocksieve.evidence import read_evidence
    from blocksieve.specs import AnalysisSpec

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    files = SimpleNamespace(
        evaluations=str(folder / "evaluations.parquet"),
        clusters=sorted(map(str, (folder / "clusters").glob("*.parquet"))),
        beams=[],
        model=[],
        finalists=[],
    )
    evidence = read_evidence(files, AnalysisSpec.of(**config["analysis"]))
    for name in ANALYSES:
        start = time.perf_counter()
        if name != "routing":
            importlib.import_module(f"blocksieve.analysis.{name}").analyse(evidence)
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.1f} s, peak {peak_gib():.2f} GiB", file=sys.stderr, flush=True)


STAGES = {"merge": merge, "sum_clusters": sum_clusters, "analyse": analyse}


def peak_gib() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def time_stage(stage: str, folder: Path) -> dict[str, Any]:
    """Run one stage in this process."""
    start = time.perf_counter()
    STAGES[stage](folder)
    seconds = time.perf_counter() - start
    return {"stage": stage, "seconds": seconds, "peak_gib": peak_gib()}


def time_workflow(folder: Path, datasets: int, num_combinations: int) -> dict[str, Any]:
    """Run the three targets on a table, and remove the results."""
    table = folder / "table.parquet"
    write_table(datasets, num_combinations, table)
    command = [sys.executable, "-m", "snakemake", "analysis", "figures", "report"]
    command += ["--cores", "2", "--forceall"]
    command += ["--config", "run=benchmark_analysis", f"evaluations={table}"]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(ROOT / "results/benchmark_analysis")
    table.unlink()
    stage = f"{datasets} x {num_combinations} table"
    return {"stage": stage, "seconds": seconds, "peak_gib": None}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=STAGES, help="one stage only, in --folder")
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--datasets", type=int, default=10, help="datasets of a million sample rows"
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/analysis.json"))
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(time_stage(options.stage, options.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [time_workflow(folder, 8, 600)]
        for number in range(options.datasets):
            write_shards(folder, f"dataset_{number}", 500, 2000)
        for stage in STAGES:
            command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder)]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append(json.loads(printed.splitlines()[-1]))
    print(pl.DataFrame(rows))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
