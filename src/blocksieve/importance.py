"""Importance scores: what removing each site alone costs, for a dataset, a task type, or all.

A site is a block, named by its number, or in a search of halves a half, named as in `4a`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.choices import GENERIC, Scope
from blocksieve.combination import Combination, Site, singles_of_one_kind
from blocksieve.errors import DataError

# Reading scores needs no table library.
if TYPE_CHECKING:
    from blocksieve.evidence import Evidence

SCOPES = (Scope.DATASET, Scope.TASK_TYPE, Scope.GENERIC)


@dataclass(frozen=True)
class BlockScore:
    """One site's mean drop in the scores' unit, with its 95 % interval (None: unknown)."""

    block: int | str
    drop: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ImportanceScores:
    """The scores of all blocks for `name`: means over `datasets`, whose weights are `weights`.

    `left_out`: the datasets whose baseline is too close to 0 for a mean of relative drops.
    `samples`: of `datasets` together. `role`: the samples that measured.
    `unit`: % of the baseline, or pp.
    `removal_order`: the blocks, the least important first; equal drops in order of the block.
    """

    scope: Scope
    name: str
    datasets: tuple[str, ...]
    weights: tuple[float, ...]
    left_out: tuple[str, ...]
    samples: int
    role: str
    unit: str
    blocks: tuple[BlockScore, ...]
    removal_order: tuple[int | str, ...]


def importance_scores(evidence: "Evidence") -> Iterator[tuple[str, ImportanceScores]]:
    """Yield the scores of every dataset, every task type and all datasets, with their file's name.

    Only blocks removed alone on all of the datasets concerned have a score; without any there are
    no scores.
    """
    types: dict[str, list[str]] = {}
    for dataset, task_type in evidence.task_types.items():
        types.setdefault(task_type, []).append(dataset)
        yield from _scores(evidence, dataset, Scope.DATASET, dataset, [dataset])
    for task_type, datasets in types.items():
        slug = "_".join(task_type.lower().split())
        yield from _scores(evidence, f"task_{slug}", Scope.TASK_TYPE, task_type, datasets)
    yield from _scores(evidence, GENERIC, Scope.GENERIC, GENERIC, evidence.datasets)


def _scores(
    evidence: "Evidence", file: str, scope: Scope, name: str, datasets: list[str]
) -> Iterator[tuple[str, ImportanceScores]]:
    singles = _measured_singles(evidence, datasets)
    if not singles:
        return
    counted = evidence.counted(datasets)
    means = evidence.average([{single: 1.0} for single in singles], datasets)
    blocks = []
    for single, mean in zip(singles, means, strict=True):
        assert mean.mean is not None  # a measured combination has a mean
        blocks.append(BlockScore(_name(single), mean.mean, mean.low, mean.high))
    yield (
        file,
        ImportanceScores(
            scope=scope,
            name=name,
            datasets=tuple(counted),
            weights=tuple(evidence.weights_of(counted)),
            left_out=tuple(dataset for dataset in datasets if dataset not in counted),
            samples=sum(evidence.samples[dataset] for dataset in counted),
            role=evidence.role,
            unit=evidence.unit,
            blocks=tuple(blocks),
            removal_order=removal_order(evidence, datasets),
        ),
    )


def removal_order(evidence: "Evidence", datasets: Iterable[str]) -> tuple[int | str, ...]:
    """Return the blocks, or halves, by their mean drop alone, the least important first.

    On average over the datasets that count; equal drops in order of the block.
    """
    over = list(datasets)
    singles = _measured_singles(evidence, over)
    if not singles:
        return ()
    drops = evidence.mean_drops(singles, over).tolist()
    ordered = sorted(zip(drops, singles, strict=True))
    return tuple(_name(single) for _, single in ordered)


def _name(single: Combination) -> int | str:
    """Return how files name the one site that is removed."""
    return single.names[0]


def _site(name: int | str) -> Site:
    return Site.parse(str(name))


def _measured_singles(evidence: "Evidence", datasets: list[str]) -> list[Combination]:
    """Return the blocks, or halves, that were removed alone on all the datasets."""
    return singles_of_one_kind(evidence.measured_on(datasets))


def load_scores(path: Path | str) -> ImportanceScores:
    """Read a file of importance scores; DataError where it is none. Public API, not used here."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        blocks = tuple(BlockScore(**block) for block in document["blocks"])
        typed = {
            "scope": Scope(document["scope"]),
            "blocks": blocks,
            "removal_order": tuple(document["removal_order"]),
            "datasets": tuple(document["datasets"]),
            "weights": tuple(document["weights"]),
            "left_out": tuple(document["left_out"]),
        }
        scores = ImportanceScores(**document | typed)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a file of importance scores ({error}); give one of importance_scores/"
        ) from error
    scored_sites = sorted(_site(score.block) for score in blocks)
    if sorted(map(_site, scores.removal_order)) != scored_sites or scores.scope not in SCOPES:
        raise DataError(
            f"{path}: scope, blocks and removal order do not fit together; write the file anew"
        )
    return scores


def blocks_to_remove(scores: ImportanceScores, k: int) -> tuple[int | str, ...]:
    """Return the k least important blocks, sorted. Public API, not used here.

    DataError where there are not more than k. Each block was measured alone: what they cost
    together is for a measurement to say.
    """
    num_blocks = len(scores.removal_order)
    if not 0 <= k < num_blocks:
        raise DataError(f"{scores.name}: {k} blocks to remove of {num_blocks}; leave at least one")
    return tuple(sorted(scores.removal_order[:k], key=_site))
