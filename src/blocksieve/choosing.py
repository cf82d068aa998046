"""What each method removes for a dataset, a task type or all, chosen on search samples alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from blocksieve.choices import (
    GENERIC,
    RECOMMENDED,
    Choice,
    Method,
    Scope,
    best_first,
)
from blocksieve.combination import NONE, Combination
from blocksieve.evidence import Evidence
from blocksieve.importance import removal_order
from blocksieve.pooling import DropsOfSize


class Chooser(NamedTuple):
    """A scope, the name it chooses for, and the datasets on which it chooses."""

    scope: Scope
    name: str
    datasets: list[str]


@dataclass(frozen=True)
class DatasetChoices:
    """What might be removed on a dataset at a size: each scope's combination, if it has one."""

    method: Method
    size: int
    dataset: str
    combinations: dict[Scope, Combination]


def choices_of(evidence: Evidence) -> list[Choice]:
    """Return the choices that the run made; for a table from elsewhere, those that it makes."""
    return list(evidence.choices) or choose(evidence)


def recommended_for_all(evidence: Evidence) -> dict[int, Combination]:
    """Return the generic list of each size."""
    return {
        choice.size: choice.combination
        for choice in choices_of(evidence)
        if choice.method == RECOMMENDED and choice.scope == Scope.GENERIC
    }


def choices_by_dataset(evidence: Evidence) -> Iterator[DatasetChoices]:
    """Yield for every method, size and dataset the combination of each scope that has one."""
    combinations = {
        (choice.method, choice.size, choice.scope, choice.name): choice.combination
        for choice in choices_of(evidence)
    }
    for method in (Method.POOLED, Method.BEAM, Method.SCORES):
        sizes = sorted({key[1] for key in combinations if key[0] == method})
        for size in sizes:
            for dataset, task_type in evidence.task_types.items():
                names = dict.fromkeys(Scope, dataset)
                names |= {Scope.TASK_TYPE: task_type, Scope.GENERIC: GENERIC}
                keys = {scope: (method, size, scope, name) for scope, name in names.items()}
                chosen = {
                    scope: combinations[key] for scope, key in keys.items() if key in combinations
                }
                yield DatasetChoices(method, size, dataset, chosen)


def choose(evidence: Evidence) -> list[Choice]:
    """Return every method's choice for every scope at every size.

    beam: the first of the beam of a dataset or of the generic one; for the other scopes, which have
    no beam, and for a table from elsewhere the least mean drop among all combinations evaluated on
    the datasets concerned.
    scores: the k blocks of least mean drop alone.
    path: from the best block alone on all datasets, each step adds the block that then costs least.
    pooled: the least mean of shrunken drops, see `DropsOfSize`.
    Equal drops: by `best_first`, with pooled drops after the least mean over all datasets; beam and
    scores take the first in the combinations' order, as their files do. A scope without datasets or
    evaluations has no choice.
    """
    choices = []
    all_drops = []
    for combinations in by_size(evidence.coverage).values():
        all_drops.append(DropsOfSize.of(evidence, combinations))
    for chooser in choosers(evidence):
        for drops in all_drops:
            pooled = _least_pooled(drops, chooser)
            if pooled is not None:
                choices.append(_choice(Method.POOLED, chooser, pooled))
        for combination in _least_drops(evidence, chooser):
            choices.append(_choice(Method.BEAM, chooser, combination))
        for combination in _least_important(evidence, chooser.datasets):
            choices.append(_choice(Method.SCORES, chooser, combination))
    everyone = Chooser(Scope.GENERIC, GENERIC, evidence.datasets)
    return choices + [_choice(Method.PATH, everyone, each) for each in path(evidence)]


def _least_pooled(drops: DropsOfSize, chooser: Chooser) -> Combination | None:
    is_unseen = chooser.scope in (Scope.LEFT_OUT_OF_CHOICE, Scope.SAME_TYPE)
    return drops.least(chooser.datasets, chooser.name if is_unseen else None)


def _choice(method: Method, chooser: Chooser, combination: Combination) -> Choice:
    return Choice(method, chooser.scope, chooser.name, combination.size, combination)


def choosers(evidence: Evidence) -> Iterator[Chooser]:
    """Yield each scope and name with the datasets on which its combination is chosen."""
    types = evidence.task_types
    for dataset, task_type in types.items():
        yield Chooser(Scope.DATASET, dataset, [dataset])
        rest = [name for name in types if name != dataset]
        if rest:
            yield Chooser(Scope.LEFT_OUT_OF_CHOICE, dataset, rest)
        same_type = [name for name in rest if types[name] == task_type]
        if same_type:
            yield Chooser(Scope.SAME_TYPE, dataset, same_type)
    for task_type in dict.fromkeys(types.values()):
        of_type = [dataset for dataset in types if types[dataset] == task_type]
        yield Chooser(Scope.TASK_TYPE, task_type, of_type)
    yield Chooser(Scope.GENERIC, GENERIC, list(types))


def _least_drops(evidence: Evidence, chooser: Chooser) -> Iterator[Combination]:
    """Yield the best combination of each size: the beam's first, else the least mean drop."""
    has_beam = chooser.scope in (Scope.DATASET, Scope.GENERIC)
    beam = evidence.beams.get(chooser.name, {}) if has_beam else {}
    for size, combinations in by_size(evidence.measured_on(chooser.datasets)).items():
        if size in beam:
            yield beam[size][0]
        else:
            yield _least(evidence, combinations, chooser.datasets)


def by_size(combinations: Iterable[Combination]) -> dict[int, list[Combination]]:
    """Return the combinations of each size."""
    sizes: dict[int, list[Combination]] = {}
    for combination in combinations:
        sizes.setdefault(combination.size, []).append(combination)
    return dict(sorted(sizes.items()))


def _least(
    evidence: Evidence, combinations: Sequence[Combination], datasets: Sequence[str]
) -> Combination:
    mean_drops = evidence.mean_drops(combinations, datasets)
    return combinations[int(np.argmin(mean_drops))]


def _least_important(evidence: Evidence, datasets: Sequence[str]) -> Iterator[Combination]:
    order = removal_order(evidence, datasets)
    largest = max((combination.size for combination in evidence.coverage), default=0)
    for size in range(1, min(largest, len(order) - 1) + 1):
        yield Combination.of(order[:size])


def path(evidence: Evidence) -> list[Combination]:
    """Go from the best block alone, each step adding the one that then costs least on average.

    Equal drops: see `best_first`.
    """
    steps: list[Combination] = []
    while True:
        last = steps[-1] if steps else NONE
        next_size = evidence.with_full_coverage(last.size + 1)
        extensions = [combination for combination in next_size if combination.contains(last)]
        if not extensions:
            return steps
        drops = evidence.mean_drops(extensions, evidence.datasets)
        steps.append(extensions[best_first(extensions, drops)[0]])
