"""What a large search costs beside the model: 80 blocks x 50 datasets x 8 sizes through the real workflow and cache.

Answers are made up (`made_up_answers.py`); all else is real: drawn samples, jobs, cache, shards, beams, finalists.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from workflow_copy import copy_workflow, snakemake

CHECKPOINT = Path("models/demo-vlm/config.json")


def make_up(folder: Path, blocks: int, datasets: int, sizes: int, samples: int) -> None:
    """A copy of the workflow whose model has so many blocks and is never loaded."""
    roles = {"search": samples, "holdout": samples}
    copy_workflow(folder, datasets, {"samples": roles, "search": {"max_removed": sizes}})
    shutil.copy(
        Path(__file__).with_name("made_up_answers.py"),
        folder / "src/blocksieve/search/answering.py",
    )
    checkpoint = json.loads((folder / CHECKPOINT).read_text())
    checkpoint["text_config"]["num_hidden_layers"] = blocks
    (folder / CHECKPOINT).write_text(json.dumps(checkpoint))


def rows_in(folder: Path) -> int:
    """Rows of all Parquet files below a folder."""
    rows: int = pl.scan_parquet(folder / "**/*.parquet").select(pl.len()).collect().item()
    return rows


def run(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Search: what it took, and the pairs in the cache, which holds each once, beside the rows of all shards."""
    make_up(folder, given.blocks, given.datasets, given.sizes, given.samples)
    row = {name: getattr(given, name) for name in ("blocks", "datasets", "sizes", "samples")}
    row |= snakemake(folder, *given.targets)
    return row | {
        f"{name}_rows": rows_in(folder / "results/large" / name) for name in ("cache", "shards")
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=["all"], help="targets of the workflow")
    parser.add_argument("--blocks", type=int, default=80)
    parser.add_argument("--datasets", type=int, default=50)
    parser.add_argument("--sizes", type=int, default=8)
    parser.add_argument("--samples", type=int, default=16, help="of each role, a dataset")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the copy of the workflow goes and stays; a temporary one if not given",
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/simulated_search.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        row = run(given, given.folder or Path(temporary))
    print(row)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
