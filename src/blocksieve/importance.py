"""Importance scores: what removing each block alone costs, for a dataset, a task type, or all datasets."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blocksieve.errors import DataError
from blocksieve.evidence import Evidence

SCOPES = ("dataset", "task_type", "generic")


@dataclass(frozen=True)
class BlockScore:
    """One block's mean drop in the scores' unit, with its 95 % interval (None: unknown)."""

    block: int
    drop: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ImportanceScores:
    """The scores of all blocks for `name`, over `datasets` of equal weight with `samples` in all.

    `scope`: dataset, task_type or generic. `unit`: % of the baseline, or pp. `role`: the samples that measured.
    `removal_order`: the blocks, the least important first; equal drops in order of the block.
    """

    scope: str
    name: str
    datasets: tuple[str, ...]
    samples: int
    role: str
    unit: str
    blocks: tuple[BlockScore, ...]
    removal_order: tuple[int, ...]


def importance_scores(evidence: Evidence) -> Iterator[tuple[str, ImportanceScores]]:
    """The scores of every dataset, every task type and all datasets together, each with the name of its file.

    Only blocks removed alone on all of the datasets concerned have a score; without any there are no scores.
    """
    types: dict[str, list[str]] = {}
    for dataset, task_type in evidence.task_types.items():
        types.setdefault(task_type, []).append(dataset)
        yield from _scores(evidence, dataset, "dataset", dataset, [dataset])
    for task_type, datasets in types.items():
        slug = "_".join(task_type.lower().split())
        yield from _scores(evidence, f"task_{slug}", "task_type", task_type, datasets)
    yield from _scores(evidence, "generic", "generic", "generic", list(evidence.names))


def _scores(
    evidence: Evidence, file: str, scope: str, name: str, datasets: list[str]
) -> Iterator[tuple[str, ImportanceScores]]:
    alone = _alone(evidence, datasets)
    if not alone:
        return
    found = evidence.average([{single: 1.0} for single in alone], datasets).to_dicts()
    blocks = tuple(
        BlockScore(int(single), row["mean"], row["low"], row["high"])
        for single, row in zip(alone, found, strict=True)
    )
    order = removal_order(evidence, datasets)
    samples = sum(evidence.samples[dataset] for dataset in datasets)
    yield (
        file,
        ImportanceScores(
            scope, name, tuple(datasets), samples, evidence.role, evidence.unit, blocks, order
        ),
    )


def removal_order(evidence: Evidence, datasets: Iterable[str]) -> tuple[int, ...]:
    """The blocks by their mean drop alone over datasets, the least important first; equal ones in their order."""
    on = list(datasets)
    alone = _alone(evidence, on)
    drops = evidence.mean_drops(alone, on).tolist() if alone else []
    return tuple(block for _, block in sorted(zip(drops, map(int, alone), strict=True)))


def _alone(evidence: Evidence, datasets: list[str]) -> list[str]:
    """The blocks that were removed alone on all the datasets."""
    return [
        name
        for name, on in evidence.coverage.items()
        if "-" not in name and set(datasets) <= set(on)
    ]


def load_scores(path: Path | str) -> ImportanceScores:
    """Read a file of importance scores; DataError where it is none."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        blocks = tuple(BlockScore(**block) for block in document["blocks"])
        order, datasets = tuple(document["removal_order"]), tuple(document["datasets"])
        scores = ImportanceScores(
            **document | {"blocks": blocks, "removal_order": order, "datasets": datasets}
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of importance scores ({error}); give one of importance_scores/"
        ) from error
    if (
        sorted(scores.removal_order) != sorted(score.block for score in blocks)
        or scores.scope not in SCOPES
    ):
        raise DataError(
            f"{path}: scope, blocks and removal order do not fit together; write the file anew"
        )
    return scores


def blocks_to_remove(scores: ImportanceScores, k: int) -> tuple[int, ...]:
    """The k least important blocks, sorted. DataError where there are not more than k.

    Each was measured alone: what they cost together is for a measurement to say.
    """
    if not 0 <= k < len(scores.removal_order):
        raise DataError(
            f"{scores.name}: {k} blocks to remove of {len(scores.removal_order)}; leave at least one"
        )
    return tuple(sorted(scores.removal_order[:k]))
