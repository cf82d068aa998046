"""Say how many pairs and jobs a config takes and, after `blocksieve smoke`, how many hours."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from blocksieve.config import num_blocks_of, read_run
from blocksieve.errors import ConfigError
from blocksieve.model_description import read_description
from blocksieve.smoke import counted, estimate, read_speeds, reduced
from blocksieve.workflow_files import workflow_folder


def main(arguments: Sequence[str]) -> None:
    """Print the estimate of the config that the arguments name."""
    parser = argparse.ArgumentParser(prog="blocksieve estimate", description=__doc__)
    add_config(parser)
    print(describe(parser.parse_args(arguments).configs))


def add_config(parser: argparse.ArgumentParser) -> None:
    """Let a command take a config, or none for the demo's."""
    parser.add_argument(
        "configs",
        nargs="*",
        type=Path,
        metavar="CONFIG",
        help="a file of config/; by default the demo's",
    )


def describe(configs: Sequence[Path]) -> str:
    """Say how much a run is, and how long it takes if its small run says so.

    ConfigError if the number of blocks is known only from a loaded model.
    """
    run_spec = read_run(configs, workflow_folder())
    small = reduced(run_spec)
    results = Path("results", small["run"])
    if (results / "model.json").exists():
        num_blocks = read_description(results / "model.json")["num_blocks"]
        return estimate(run_spec, read_speeds(results, small["datasets"]), num_blocks)
    stated = num_blocks_of(run_spec.model)
    if stated is None:
        raise ConfigError(
            f"{run_spec.model.path} does not say how many blocks it has without being loaded;"
            " `blocksieve smoke` loads it"
        )
    return (
        f"{counted(run_spec, stated)}.\n"
        "How long that takes is known after a small run: `blocksieve smoke` with the same config."
    )
