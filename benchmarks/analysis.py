"""How long the analyses of a large given table take, and how much memory millions of sample-level rows need.

A table of 8 datasets x 600 combinations goes through `snakemake analysis figures report` on 2 cores. Shards of 10
datasets x 500 combinations x 2,000 samples, half of them holdout samples, are merged into evaluations, summed by
cluster, and analysed, each stage in a process of its own.
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
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

ROOT = Path(__file__).parents[1]
BLOCKS, SAMPLES_PER_IMAGE = 32, 2


def given_table(datasets: int, amount: int, path: Path) -> None:
    """Evaluations of random drops that add up over blocks."""
    rng = np.random.default_rng(0)
    types = ["VQA", "Captioning", "Document QA", "Scene Text QA", "Multiple Choice", "Exact Match"]
    rows = []
    for number in range(datasets):
        weights = rng.gamma(0.5, 0.03, BLOCKS)
        about = {"dataset": f"dataset_{number}", "task_type": types[number % 6], "role": "search"}
        counts = {"n": 1000, "n_clusters": 800, "baseline": 0.7}
        for removed in [(), *chosen(amount)]:
            drop = float(weights[list(removed)].sum() + rng.normal(0, 0.005)) if removed else 0.0
            se = 0.006 if removed else 0.0
            rows.append(
                about | counts | {"combination": name(removed), "removed": list(removed), "size": len(removed)}
                | {"score": 0.7 - drop, "drop": drop, "se": se, "ci_low": drop - 2 * se, "ci_high": drop + 2 * se}
                | {"relative": drop / 0.7, "relative_se": se / 0.7, "wins": 10, "losses": 40}
            )  # fmt: skip
    pl.DataFrame(rows).write_parquet(path)


def chosen(amount: int) -> list[tuple[int, ...]]:
    """The first so many combinations of one to four blocks, every single block among them."""
    sizes = [(block,) for block in range(BLOCKS)]
    rest = amount - len(sizes)
    return sizes + [
        pair for size in (2, 3, 4) for pair in islice(combinations(range(BLOCKS), size), rest // 3)
    ]


def name(removed: tuple[int, ...]) -> str:
    """As in the tables."""
    return "-".join(map(str, removed)) or "none"


def shards(folder: Path, dataset: str, amount: int, samples: int) -> list[Path]:
    """Sample-level shards of one dataset: its baseline, and the others."""
    rng, paths = np.random.default_rng(1), []
    ids = [f"{number:016x}" for number in range(samples)]
    sample = {
        "dataset": [dataset] * samples, "sample_id": ids,
        "cluster": [f"image {number // SAMPLES_PER_IMAGE:08d}" for number in range(samples)],
        "split": ["train" if number % 2 else "validation" for number in range(samples)],
        "role": [("search", "holdout")[number // SAMPLES_PER_IMAGE % 2] for number in range(samples)],
        **dict.fromkeys(("near_tie", "non_finite", "unparsable"), [False] * samples),
        "refused": pl.Series([None] * samples, dtype=pl.String),
    }  # fmt: skip
    for part, group in enumerate(np.array_split(np.arange(amount + 1), 8)):
        everything = [(), *chosen(amount)]
        tables = [
            pl.DataFrame(
                sample | {"score": (rng.random(samples) < 0.7).astype(np.float32)}
            ).with_columns(
                combination=pl.lit(name(everything[place])),
                removed=pl.Series([list(everything[place])] * samples, dtype=pl.List(pl.UInt8)),
                size=pl.lit(len(everything[place]), pl.UInt8),
                prediction=pl.lit("an answer"),
            )
            for place in group
            if place < len(everything)
        ]
        paths.append(folder / f"{dataset}.{part}.parquet")
        pl.concat(tables).write_parquet(paths[-1])
    return paths


def merge(folder: Path) -> None:
    """All shards into one table of evaluations."""
    from blocksieve.evaluations import merge_shards

    files = sorted(folder.glob("dataset_*.parquet"))
    definitions = {
        path.name.split(".")[0]: {"task_type": "VQA", "metric": "exact_match"} for path in files
    }
    merge_shards(definitions, files, 0).write_parquet(folder / "evaluations.parquet")


def sum_up(folder: Path) -> None:
    """The shards of every dataset into its sums a cluster."""
    from blocksieve.evidence import sum_clusters

    (folder / "clusters").mkdir()
    for first in sorted(folder.glob("dataset_*.0.parquet")):
        name = first.name.split(".")[0]
        summed = sum_clusters(sorted(folder.glob(f"{name}.*.parquet")))
        summed.write_parquet(folder / f"clusters/{name}.parquet")


def analyse(folder: Path) -> None:
    """Every analysis but that of routing, which needs prompts."""
    from blocksieve.analysis import DOCUMENTS, TABLES
    from blocksieve.evidence import read_evidence

    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["analysis"]
    sums = sorted(map(str, (folder / "clusters").glob("*.parquet")))
    evidence = read_evidence(str(folder / "evaluations.parquet"), settings, sums, [], None, None)
    for name in (*TABLES, *DOCUMENTS):
        start = time.perf_counter()
        if name != "routing":
            importlib.import_module(f"blocksieve.analysis.{name}").analyse(evidence)
        print(
            f"{name}: {time.perf_counter() - start:.1f} s, peak {peak_gib():.2f} GiB",
            file=sys.stderr,
            flush=True,
        )


STAGES = {"merge": merge, "sum_clusters": sum_up, "analyse": analyse}


def peak_gib() -> float:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def workflow(folder: Path, datasets: int, amount: int) -> dict[str, Any]:
    """The three targets on a given table: seconds."""
    given_table(datasets, amount, folder / "given.parquet")
    config = ["--config", "run=benchmark_analysis", f"evaluations={folder / 'given.parquet'}"]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "analysis",
        "figures",
        "report",
        "--cores",
        "2",
        "--forceall",
        *config,
    ]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(ROOT / "results/benchmark_analysis")
    return {"stage": f"{datasets} x {amount} table", "seconds": seconds, "peak_gib": None}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=STAGES, help="one stage only, in --folder")
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--datasets", type=int, default=10, help="datasets of a million sample-level rows"
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/analysis.json"))
    given = parser.parse_args()
    if given.stage:
        start = time.perf_counter()
        STAGES[given.stage](given.folder)
        print(
            json.dumps(
                {
                    "stage": given.stage,
                    "seconds": time.perf_counter() - start,
                    "peak_gib": peak_gib(),
                }
            )
        )
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [workflow(folder, 8, 600)]
        (folder / "given.parquet").unlink()
        for number in range(given.datasets):
            shards(folder, f"dataset_{number}", 500, 2000)
        for stage in STAGES:
            command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder)]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            rows.append(json.loads(printed.splitlines()[-1]))
    print(pl.DataFrame(rows))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
