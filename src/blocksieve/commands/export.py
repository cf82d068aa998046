"""`blocksieve export RUN --list LIST --out FOLDER`: a checkpoint without some blocks."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import yaml

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.deployment.recommended import combination_of
from blocksieve.errors import ConfigError
from blocksieve.model_description import as_described, read_description
from blocksieve.specs import RunSpec

PROOF = "blocksieve-proof.json"

logger = logging.getLogger("blocksieve")


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
    """Export a list of a run into a new folder, and prove that it answers as the run measured.

    The proof is written into the folder. ConfigError if the run is not there or has no such list,
    ModelError if the list cannot be exported or the proof fails.
    """
    recommendations_file = results / "analysis/pruning_recommendations.json"
    if not recommendations_file.is_file():
        raise ConfigError(
            f"{recommendations_file} is missing; run the workflow for {results} first"
        )
    run_spec = RunSpec.of(yaml.safe_load((results / "config.yaml").read_text(encoding="utf-8")))
    if run_spec.evaluations is not None:
        raise ConfigError(f"{results}: a run of a given table has no model to export")
    recommendations: RecommendationsDocument = json.loads(
        recommendations_file.read_text(encoding="utf-8")
    )
    combination = combination_of(name, recommendations)
    model = as_described(run_spec.model, read_description(results / "model.json"))
    # torch and transformers, which take seconds to load.
    from blocksieve.deployment.proof import check, measured_answers, prove
    from blocksieve.models.export import export

    export(model, combination, folder)
    tables = {name: results / f"datasets/{name}.parquet" for name in run_spec.datasets}
    shards = sorted(results.glob("shards/*/*.parquet"))
    role, measured = measured_answers(combination, run_spec.datasets, tables, shards)
    if role is None:
        logger.warning(
            "not proven: the run never evaluated blocks %s; add them to `finalists` of its config",
            combination,
        )
        return
    proof = prove(folder, model, combination, role, measured)
    (folder / PROOF).write_text(json.dumps(proof, indent=2) + "\n", encoding="utf-8")
    check(proof, folder)
