"""Try a config in a small run, and say how long all of it takes.

The small run has two datasets, 8 samples each and size 1, and lies in results/NAME-smoke.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from blocksieve.commands import estimate
from blocksieve.commands.run import call_snakemake
from blocksieve.config import merged, read_file, read_run
from blocksieve.files import write_text
from blocksieve.smoke import reduced
from blocksieve.specs import Content
from blocksieve.workflow_files import workflow_folder


def main(arguments: Sequence[str]) -> None:
    """Evaluate the small run, and print the estimate."""
    parser = argparse.ArgumentParser(prog="blocksieve smoke", description=__doc__)
    estimate.add_config(parser)
    configs = parser.parse_args(arguments).configs
    small = small_run(configs)
    small_config = Path("results", f"{small['run']}.yaml")
    write_text(small_config, yaml.safe_dump(small, sort_keys=False))
    status = call_snakemake([small_config], ["evaluation"])
    if status:
        sys.exit(status)
    print(estimate.describe(configs))


def small_run(configs: Sequence[Path]) -> Content:
    """Return the config of the small run: those given, reduced, without weights of datasets."""
    config: Content = {}
    for path in configs:
        config = merged(config, read_file(path))
    small = merged(config, reduced(read_run(configs, workflow_folder())))
    # They may be of datasets that the small run does not have.
    small.get("analysis", {}).pop("weights", None)
    return small
