"""The command `blocksieve`: `blocksieve export RUN --list balanced --out FOLDER`."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.deployment.recommended import combination_of
from blocksieve.errors import BlocksieveError, ConfigError
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import RunSpec

logger = logging.getLogger("blocksieve")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exit with 1 and one line where something is wrong."""
    parser = argparse.ArgumentParser(prog="blocksieve", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    export = commands.add_parser(
        "export",
        help="write a model without some blocks as a checkpoint of its own, and prove its answers",
    )
    export.add_argument("run", metavar="RUN", help="a run's name; its results lie in results/RUN")
    export.add_argument(
        "--list",
        nargs="+",
        required=True,
        help="conservative, balanced, aggressive, a task type, or blocks such as 4-13",
    )
    export.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("blocksieve").setLevel(logging.INFO)
    try:
        export_list(Path("results", options.run), " ".join(options.list), options.out)
    except (BlocksieveError, OSError) as error:
        sys.exit(f"error: {error}")


def export_list(results: Path, name: str, folder: Path) -> None:
    """Export a list of a run into a new folder, if it answers as the run measured.

    Proof and model card are written into the folder. ConfigError if the run is not there or has no
    such list. ModelError, and no folder, if the list cannot be exported or the proof fails.
    """
    recommendations_file = results / "analysis/pruning_recommendations.json"
    for needed in (recommendations_file, results / "deployment/deployment.json"):
        if not needed.is_file():
            raise ConfigError(f"{needed} is missing; run the workflow for {results} first")
    run_spec = RunSpec.of(yaml.safe_load((results / "config.yaml").read_text(encoding="utf-8")))
    if run_spec.evaluations is not None:
        raise ConfigError(f"{results}: a run of a given table has no model to export")
    recommendations: RecommendationsDocument = json.loads(
        recommendations_file.read_text(encoding="utf-8")
    )
    combination = combination_of(name, recommendations)
    model = as_described(run_spec.model, read_description(results / "model.json"))
    # torch and transformers, which take seconds to load.
    from blocksieve.deployment.exports import RunFiles, export_proven

    files = RunFiles(
        run=results.name,
        definitions=run_spec.datasets,
        tables={name: results / f"datasets/{name}.parquet" for name in run_spec.datasets},
        shards=sorted(results.glob("shards/*/*.parquet")),
        evaluations=results / "evaluations.parquet",
        gain=results / "deployment/deployment.json",
    )
    export_proven(model, combination, folder, files)


if __name__ == "__main__":
    main()
