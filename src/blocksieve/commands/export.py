"""`blocksieve export RUN --list LIST --out FOLDER`: a checkpoint without some blocks."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.deployment.recommended import combination_of
from blocksieve.errors import ConfigError
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import RunSpec


def main(arguments: Sequence[str]) -> None:
    """Export the list that the arguments name."""
    parser = argparse.ArgumentParser(prog="blocksieve export", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run's name; its results lie in results/RUN")
    parser.add_argument(
        "--list",
        nargs="+",
        required=True,
        help="conservative, balanced, aggressive, a task type, or blocks such as 4-13",
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args(arguments)
    export_list(Path("results", options.run), " ".join(options.list), options.out)


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
