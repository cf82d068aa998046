"""Run the workflow: `blocksieve run [CONFIG.yaml] [ARGUMENTS OF SNAKEMAKE]`.

Without a config the demo runs. Arguments are, for example, -n (what would run), a target such as
`figures`, or `--profile profiles/slurm`. A terminal shows a bar per rule and the time left,
anything else every job; `blocksieve status RUN` shows from elsewhere what the jobs are doing.
"""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from blocksieve.config import read_file
from blocksieve.errors import ConfigError
from blocksieve.workflow_files import workflow_folder

PLACES = re.compile(r"-[cj]\d*|--(cores|jobs|profile)(=.*)?")
"""The arguments of Snakemake that say where jobs run: also -c1 and --cores=1."""


def main(arguments: Sequence[str]) -> None:
    """Run Snakemake, and exit with its status if that is not 0."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    has_config = bool(arguments) and arguments[0].endswith((".yaml", ".yml"))
    configs = [Path(arguments[0])] if has_config else []
    status = call_snakemake(configs, arguments[len(configs) :])
    if status:
        sys.exit(status)


def call_snakemake(configs: Sequence[Path], arguments: Sequence[str]) -> int:
    """Run Snakemake here with configs, each put over those before it; return its exit status.

    ConfigError for a config that cannot be read, of which Snakemake says neither file nor line.
    ModuleNotFoundError where it is not installed.
    """
    for config in configs:
        read_file(config)
    if configs and any(argument.startswith("--configfile") for argument in arguments):
        raise ConfigError(
            f"--configfile beside {configs[0]}: only one of them would count;"
            " give the one config first, and change single keys by --config"
        )
    if importlib.util.find_spec("snakemake") is None:
        raise ModuleNotFoundError(name="snakemake")
    snakefile = workflow_folder() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += arguments
    if not any(map(PLACES.fullmatch, arguments)):
        command += ["--cores", "all"]
    if sys.stderr.isatty() and "--logger" not in arguments:
        command += ["--logger", "blocksieve"]
    if configs:
        # Last, since it takes all that follows for configs.
        command += ["--configfile", *map(str, configs)]
    return subprocess.run(command, check=False).returncode
