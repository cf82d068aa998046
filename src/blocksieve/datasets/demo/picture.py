"""What a demo task gives: a picture, questions about it, and their accepted answers."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

TOP_LEVEL = 4
"""The level of the hardest questions; 0 is that of the smallest pictures."""

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Question:
    """One question: its accepted answers, the plainest first, and the sub-task that it is of."""

    question: str
    references: tuple[str, ...]
    kind: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Pixels uint8 [64, 64, 3] and the questions about them."""

    pixels: np.ndarray
    questions: list[Question]


def annotators(rng: random.Random, answer: str, alternative: str) -> tuple[str, ...]:
    """Return ten annotators' answers as in VQA: seven to ten say `answer`, the rest differ."""
    num_agreeing = rng.randrange(7, 11)
    answers = [answer] * num_agreeing
    answers += [alternative] * (10 - num_agreeing)
    return tuple(answers)


@dataclass(frozen=True)
class Query:
    """A question and its answer.

    Some annotators give `alternative` instead; `wrong` are the wrong choices, three at least.
    """

    question: str
    answer: str
    alternative: str = "unknown"
    wrong: tuple[str, ...] = ()


Kind = Callable[[random.Random, Facts], Query | None]
"""Draws one kind of question about what a picture shows; None if that allows none."""


def ask(
    rng: random.Random, facts: Facts, kinds: Sequence[Kind[Facts]], most: int
) -> dict[str, Query]:
    """Draw up to `most` questions of different kinds, by the name of their kind."""
    count = min(most, len(kinds))
    queries = {}
    for kind in rng.sample(kinds, count):
        query = kind(rng, facts)
        if query is not None:
            queries[kind.__name__] = query
    return queries


def with_annotators(rng: random.Random, query: Query, kind: str) -> Question:
    """Return a question with ten annotators' answers."""
    answers = annotators(rng, query.answer, query.alternative)
    return Question(query.question, answers, kind)
