"""What a large search costs beside the model: 80 blocks x 50 datasets x 8 sizes.

Answers are made up (`made_up_answers.py`); all else is real: the workflow, drawn samples, jobs,
cache, shards, beams, finalists.
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
    """Copy the workflow; its model has so many blocks and is never loaded."""
    roles = {"search": samples, "holdout": samples}
    copy_workflow(folder, datasets, {"samples": roles, "search": {"max_removed": sizes}})
    made_up = Path(__file__).with_name("made_up_answers.py")
    shutil.copy(made_up, folder / "src/blocksieve/search/answering.py")
    checkpoint = json.loads((folder / CHECKPOINT).read_text())
    checkpoint["text_config"]["num_hidden_layers"] = blocks
    (folder / CHECKPOINT).write_text(json.dumps(checkpoint))


def count_rows(folder: Path) -> int:
    """Count the rows of all Parquet files below a folder."""
    rows: int = pl.scan_parquet(folder / "**/*.parquet").select(pl.len()).collect().item()
    return rows


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Search, and count the pairs in the cache, which holds each once, and the rows of shards."""
    make_up(folder, options.blocks, options.datasets, options.sizes, options.samples)
    results = folder / "results/large"
    return {
        "blocks": options.blocks,
        "datasets": options.datasets,
        "sizes": options.sizes,
        "samples": options.samples,
        **snakemake(folder, *options.targets),
        "cache_rows": count_rows(results / "cache"),
        "shard_rows": count_rows(results / "shards"),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=["all"], help="targets of the workflow")
    parser.add_argument("--blocks", type=int, default=80)
    parser.add_argument("--datasets", type=int, default=50)
    parser.add_argument("--sizes", type=int, default=8)
    parser.add_argument("--samples", type=int, default=16, help="per role and dataset")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where the copy of the workflow goes and stays; a temporary one by default",
    )
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/simulated_search.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        row = run(options, options.folder or Path(temporary))
    print(row)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
