"""Export the recommended lists of a run, each distinct one once."""

import logging
from pathlib import Path
from typing import TypedDict

from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.combination import NONE, Combination
from blocksieve.deployment.recommended import STRATEGIES
from blocksieve.models.export import export, why_not_exportable
from blocksieve.models.loading import empty_model
from blocksieve.specs import ModelSpec

logger = logging.getLogger("blocksieve")


class Export(TypedDict):
    """A list of blocks, the strategies that recommend it, and where it lies or why it does not."""

    strategies: list[str]
    combination: str
    checkpoint: str | None
    refused: str | None


def export_strategies(
    model: ModelSpec, recommendations: RecommendationsDocument, folder: Path
) -> list[Export]:
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
    for combination, strategies in strategies_of.items():
        checkpoint = folder / str(combination)
        refused = why_not_exportable(model, empty_model(model), combination)
        if refused is None:
            export(model, combination, checkpoint)
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
    return exports
