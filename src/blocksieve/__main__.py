"""The command `blocksieve`: `blocksieve COMMAND --help` explains each command."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from blocksieve.commands import COMMANDS
from blocksieve.errors import BlocksieveError
from blocksieve.version import VERSION


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; exit with 1 and one line where something is wrong."""
    purposes = "\n".join(f"  {name:<10}{purpose}" for name, purpose in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="blocksieve",
        description=f"Which decoder blocks of a model can be removed.\n\ncommands:\n{purposes}",
        epilog="`blocksieve COMMAND --help` explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("blocksieve").setLevel(logging.INFO)
    try:
        # Only what the command needs: a router is read without torch or Snakemake.
        command = importlib.import_module(f"blocksieve.commands.{options.command}")
        command.main(options.arguments)
    except ModuleNotFoundError as error:
        sys.exit(f'error: {error.name} is not installed; pip install "blocksieve[models]"')
    except (BlocksieveError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
