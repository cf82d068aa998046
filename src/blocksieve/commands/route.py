"""`blocksieve route RUN PROMPT`: which blocks to remove for a prompt."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from blocksieve.errors import ConfigError
from blocksieve.routing.router import Router


def main(arguments: Sequence[str]) -> None:
    """Print the blocks, the detected task type, and how sure that is."""
    parser = argparse.ArgumentParser(prog="blocksieve route", description=__doc__)
    parser.add_argument("run", help="a run's name; its results lie in results/RUN")
    parser.add_argument("prompt", help="the text of the request")
    parser.add_argument("--size", type=int, default=1, help="how many blocks to remove")
    options = parser.parse_args(arguments)
    path = Path("results", options.run, "router.json")
    if not path.is_file():
        raise ConfigError(f"{path} is missing; run the workflow for {options.run} first")
    router = Router.load(path)
    route = router.route(options.prompt, options.size)
    blocks = "-".join(map(str, route.blocks))
    if route.task_type is None:
        print(f"{blocks} (the list for all tasks: the router knows no task type)")
    elif route.source == "task":
        print(f"{blocks} (the list of {route.task_type}, confidence {route.confidence:.2f})")
    elif router.threshold is None or route.confidence < router.threshold:
        print(
            f"{blocks} (the list for all tasks: {route.task_type} has a confidence of only"
            f" {route.confidence:.2f})"
        )
    else:
        print(
            f"{blocks} (the list for all tasks: {route.task_type} has no list of"
            f" {options.size} blocks)"
        )
