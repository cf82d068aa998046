"""The model card of a healed checkpoint: what training brought back, and what it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from blocksieve.deployment.card import (
    MILLION,
    ExportFacts,
    header,
    loading,
    proof_sentence,
    removed_blocks,
    source_table,
    table,
    title,
)
from blocksieve.models.export import HealedRecord


class HealedRow(TypedDict):
    """The drop of a list on holdout samples before and after, with the ends of 95 % intervals.

    `dataset` is None for the mean over datasets, whose `n` counts the samples of all.
    """

    combination: str
    size: int
    dataset: str | None
    n: int
    before: float | None
    before_low: float | None
    before_high: float | None
    after: float | None
    after_low: float | None
    after_high: float | None


@dataclass(frozen=True)
class HealedFacts(ExportFacts):
    """All that the card of a healed checkpoint tells; drops of `rows` in `unit`."""

    rows: Sequence[HealedRow]
    unit: str


def healed_card(facts: HealedFacts) -> str:
    """Return the card as Markdown; the same facts give the same bytes."""
    training = facts.record["healed"]
    parts = [
        header(facts),
        f"{title(facts.record)}, healed",
        _summary(facts, training),
        "## From which model",
        source_table(facts),
        "## What was removed",
        removed_blocks(facts.record),
        "## What it loses",
        _losses(facts),
        "## What it was trained on",
        _prompts(training),
        "## How to load it",
        *loading(facts),
        "## How it was proven",
        proof_sentence(facts.proof),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(facts: HealedFacts, training: HealedRecord) -> str:
    return (
        f"{facts.record['parameters'] / MILLION:,.1f} million parameters in"
        f" {facts.record['dtype']}. The blocks that are left were finetuned"
        f" ({training['method']}, {training['steps']} steps, largest learning rate"
        f" {training['learning_rate']:g}, seed {training['seed']}) on the whole model's own"
        " answers."
    )


def _losses(facts: HealedFacts) -> str:
    note = (
        f"Drops in {facts.unit} with 95 % intervals on holdout samples, which neither chose the"
        " blocks nor were trained on, before and after healing."
    )
    rows = []
    for row in facts.rows:
        before = _interval(row["before"], row["before_low"], row["before_high"])
        after = _interval(row["after"], row["after_low"], row["after_high"])
        rows.append((row["dataset"] or "mean", before, after, str(row["n"])))
    return f"{note}\n\n{table(('dataset', 'before', 'after', 'samples'), rows)}"


def _interval(drop: float | None, low: float | None, high: float | None) -> str:
    if drop is None or low is None or high is None:
        return "not known"
    return f"{drop:+.1f} ({low:+.1f} to {high:+.1f})"


def _prompts(training: HealedRecord) -> str:
    counts = [(dataset, str(count)) for dataset, count in training["samples"].items()]
    note = (
        "Prompts of the split `train`; none of them, and none of their pictures, is among the"
        " samples that chose the blocks or measured losses."
    )
    return f"{note}\n\n{table(('dataset', 'prompts'), counts)}"
