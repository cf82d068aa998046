"""Export lists of a run as checkpoints: each proven, and with its card, before it has its name."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import polars as pl

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.combination import NONE, Combination
from blocksieve.deployment.card import CardFacts, card, source_licence
from blocksieve.deployment.proof import Proof, check, measured_answers, prove
from blocksieve.deployment.recommended import STRATEGIES
from blocksieve.errors import ModelError
from blocksieve.models.checkpoint import MODEL_CARD, fetch
from blocksieve.models.export import ExportRecord, export, why_not_exportable
from blocksieve.models.loading import empty_model
from blocksieve.specs import DatasetSpec, ModelSpec

logger = logging.getLogger("blocksieve")

PROOF = "blocksieve-proof.json"


@dataclass(frozen=True)
class RunFiles:
    """What a run left: with it exports are proven, and of it their cards tell.

    `tables` are the datasets' own files, `gain` is deployment.json.
    """

    run: str
    definitions: Mapping[str, DatasetSpec]
    tables: Mapping[str, Path]
    shards: Sequence[Path]
    evaluations: Path
    gain: Path


class Export(TypedDict):
    """A list of blocks, the strategies that recommend it, and where it lies or why it does not."""

    strategies: list[str]
    combination: str
    checkpoint: str | None
    refused: str | None


def export_strategies(
    model: ModelSpec, recommendations: RecommendationsDocument, folder: Path, files: RunFiles
) -> tuple[list[Export], list[Proof]]:
    """Export each list that a strategy recommends into a folder named by its blocks.

    A list that stock transformers cannot hold is not exported, and the log and the result say why.
    """
    strategies_of: dict[Combination, list[str]] = {}
    for strategy in STRATEGIES:
        combination = Combination.parse(recommendations["strategies"][strategy]["combination"])
        if combination != NONE:
            strategies_of.setdefault(combination, []).append(strategy)
    folder.mkdir(parents=True, exist_ok=True)
    exports: list[Export] = []
    proofs = []
    for combination, strategies in strategies_of.items():
        checkpoint = folder / str(combination)
        refused = why_not_exportable(model, empty_model(model), combination)
        if refused is None:
            proof = export_proven(model, combination, checkpoint, files)
            if proof is not None:
                proofs.append(proof)
        else:
            logger.warning("%s", refused)
        exports.append(
            {
                "strategies": strategies,
                "combination": str(combination),
                "checkpoint": str(checkpoint) if refused is None else None,
                "refused": refused,
            }
        )
    return exports, proofs


def export_proven(
    model: ModelSpec, combination: Combination, folder: Path, files: RunFiles
) -> Proof | None:
    """Export a combination into a new folder, if it answers as the run measured.

    The folder gets its proof and its card. ModelError, and no folder, if the combination cannot be
    exported or the proof fails. None if the run never evaluated it: then its card says so. With
    halves that is refused, since no names tell whether a block is its input plus two halves.
    """
    role, measured = measured_answers(combination, files.definitions, files.tables, files.shards)
    if role is None and combination.halves:
        raise ModelError(
            f"the run never evaluated {combination}, which removes halves of blocks; add it to"
            " `finalists` of its config first"
        )
    proof: Proof | None = None

    def finish(staging: Path, record: ExportRecord) -> None:
        """Prove what was written, and add its card."""
        nonlocal proof
        if role is not None:
            proof = prove(staging, model, combination, role, measured)
            check(proof, folder)
            text = json.dumps(proof, indent=2)
            (staging / PROOF).write_text(f"{text}\n", encoding="utf-8")
        facts = _facts(model, combination, record, proof, files)
        (staging / MODEL_CARD).write_text(card(facts), encoding="utf-8")

    export(model, combination, folder, finish)
    if role is None:
        logger.warning(
            "not proven: the run never evaluated blocks %s; add them to `finalists` of its config",
            combination,
        )
    return proof


def _facts(
    model: ModelSpec,
    combination: Combination,
    record: ExportRecord,
    proof: Proof | None,
    files: RunFiles,
) -> CardFacts:
    return CardFacts(
        run=files.run,
        model=model,
        record=record,
        licence=source_licence(fetch(model)),
        losses=_losses(pl.read_parquet(files.evaluations), combination),
        gain=json.loads(files.gain.read_text(encoding="utf-8")),
        proof=proof,
    )


def _losses(evaluations: pl.DataFrame, combination: Combination) -> pl.DataFrame:
    """Return a combination's rows: of each dataset on verify samples if it has any, else holdout.

    Verify samples are of single datasets where the config says so.
    """
    is_measured = pl.col("not_evaluable").is_null()
    rows = evaluations.filter(
        is_measured, pl.col("role").is_in(["verify", "holdout"]), combination=str(combination)
    )
    verify_first = rows.sort("dataset", "role", descending=[False, True])
    return verify_first.unique("dataset", keep="first", maintain_order=True)
