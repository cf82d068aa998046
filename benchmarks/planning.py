"""How long Snakemake plans a large run, and in how much memory.

A dry run of 100 datasets x 6 sizes x 4 parts.
"""

import argparse
import json
import tempfile
from pathlib import Path

from workflow_copy import copy_workflow, snakemake


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=100)
    parser.add_argument("--sizes", type=int, default=6)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/planning.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        search = {"max_removed": options.sizes, "jobs_per_step": options.parts}
        copy_workflow(folder, options.datasets, {"search": search})
        row = {
            "datasets": options.datasets,
            "sizes": options.sizes,
            "parts": options.parts,
            **snakemake(folder, "-n", "--quiet", "host"),
        }
    print(row)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
