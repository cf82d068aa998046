"""Choices: the combination that each way of choosing removes, for a dataset, a task type, or whatever comes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence
from blocksieve.importance import removal_order

METHODS = ("beam", "scores")
"""How a combination is chosen: the least drop measured by the search, or the least important blocks taken together."""

SCOPES = ("dataset", "task_type", "generic", "leave_one_out", "same_type")
"""On which datasets: the dataset's own, its task type's, all, all but the dataset, its type's without the dataset."""


@dataclass(frozen=True)
class Choice:
    """What a method removes at a size, chosen on search samples; `name`: a dataset, a task type, or generic."""

    method: str
    scope: str
    name: str
    size: int
    combination: str


def choices_of(evidence: Evidence) -> list[Choice]:
    """The choices that the run made; for a given table, which has none, those that it makes."""
    return [Choice(**entry) for entry in evidence.choices] or choose(evidence)


def lists_of(evidence: Evidence) -> Iterator[tuple[str, int, str, dict[str, str]]]:
    """For every method, size and dataset the combination of each scope that has one: what might be removed there."""
    known = {
        (one.method, one.size, one.scope, one.name): one.combination for one in choices_of(evidence)
    }
    for method in METHODS:
        for size in sorted({size for own, size, *_ in known if own == method}):
            for dataset, task_type in evidence.task_types.items():
                names = dict.fromkeys(SCOPES, dataset) | {
                    "task_type": task_type,
                    "generic": "generic",
                }
                keys = {scope: (method, size, scope, name) for scope, name in names.items()}
                yield (
                    method,
                    size,
                    dataset,
                    {scope: known[key] for scope, key in keys.items() if key in known},
                )


def overlap(one: str, other: str) -> float:
    """The share of blocks that two combinations of one size have in common."""
    first, second = set(one.split("-")), set(other.split("-"))
    return len(first & second) / len(first)


def choose(evidence: Evidence) -> list[Choice]:
    """Every method's choice for every scope at every size, from the search samples alone.

    beam: the first of the beam of a dataset or of the generic one; for the other scopes, which have no beam, and for a
    given table the least mean drop among all combinations evaluated on the datasets concerned. scores: the k blocks of
    least mean drop alone. Equal drops: the first in the combinations' order. path: from the best block alone on all
    datasets, each step adds the block that then costs least. A scope without datasets or evaluations has no choice.
    """
    found = []
    for scope, name, datasets in judges(evidence):
        for method, combinations in (
            ("beam", _least(evidence, scope, name, datasets)),
            ("scores", _least_important(evidence, datasets)),
        ):
            found += [Choice(method, scope, name, one.size, str(one)) for one in combinations]
    return found + [
        Choice("path", "generic", "generic", name.count("-") + 1, name) for name in path(evidence)
    ]


def judges(evidence: Evidence) -> Iterator[tuple[str, str, list[str]]]:
    """Each scope and name with the datasets on which its combination is chosen; none without a dataset."""
    types = evidence.task_types
    for dataset, task_type in types.items():
        yield "dataset", dataset, [dataset]
        others = [other for other in types if other != dataset]
        if others:
            yield "leave_one_out", dataset, others
        if same := [other for other in others if types[other] == task_type]:
            yield "same_type", dataset, same
    for task_type in dict.fromkeys(types.values()):
        yield "task_type", task_type, [dataset for dataset in types if types[dataset] == task_type]
    yield "generic", "generic", list(types)


def _least(
    evidence: Evidence, scope: str, name: str, datasets: Sequence[str]
) -> Iterator[Combination]:
    beam = evidence.beams.get(name, {}) if scope in ("dataset", "generic") else {}
    by_size: dict[int, list[str]] = {}
    for one, on in evidence.coverage.items():
        if set(datasets) <= set(on):
            by_size.setdefault(one.count("-") + 1, []).append(one)
    for size, names in sorted(by_size.items()):
        best = (
            beam[size][0]
            if size in beam
            else names[int(np.argmin(evidence.mean_drops(names, datasets)))]
        )
        yield Combination.parse(best)


def _least_important(evidence: Evidence, datasets: Sequence[str]) -> Iterator[Combination]:
    order = removal_order(evidence, datasets)
    largest = max(name.count("-") + 1 for name in evidence.coverage) if evidence.coverage else 0
    for size in range(1, min(largest, len(order) - 1) + 1):
        yield Combination.of(order[:size])


def path(evidence: Evidence) -> list[str]:
    """One block after the other: from the best block alone, each step adds the one that then costs least on average."""
    steps: list[str] = []
    while True:
        blocks = set(steps[-1].split("-")) if steps else set()
        names = [name for name in evidence.full(len(blocks) + 1) if blocks < set(name.split("-"))]
        if not names:
            return steps
        steps.append(names[int(np.argmin(evidence.mean_drops(names, list(evidence.names))))])


def finalists(evidence: Evidence, named: Sequence[str]) -> dict[str, Any]:
    """What is measured on every dataset and in both roles: all choices, and the combinations named in the config."""
    made = choose(evidence)
    combinations = {
        Combination.parse(text) for text in (*(choice.combination for choice in made), *named)
    }
    return {
        "combinations": [str(one) for one in sorted(combinations)],
        "named": list(named),
        "choices": [asdict(choice) for choice in made],
    }
