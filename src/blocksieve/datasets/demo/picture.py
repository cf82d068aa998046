"""What a demo task gives: a picture, questions about it, and their accepted answers."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

TOP_LEVEL = 4
"""The level of the hardest questions; 0 is that of the smallest pictures."""
MOST_QUESTIONS = 3
"""Questions of the datasets about a picture. Training asks more, since a picture costs most."""

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


class Task(Protocol):
    """Draws a picture of a level and asks up to `most` questions about it."""

    def __call__(
        self, rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS
    ) -> Picture:
        """Draw a picture, with digits that training never sees if `holdout`."""


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
) -> list[tuple[str, Query]]:
    """Draw up to `most` different questions, of all kinds in turn, with the names of the kinds."""
    in_turn = itertools.cycle(rng.sample(kinds, len(kinds)))
    queries = {}
    for kind in itertools.islice(in_turn, most):
        query = kind(rng, facts)
        if query is not None:
            queries[query.question] = (kind.__name__, query)
    return list(queries.values())


def with_annotators(rng: random.Random, query: Query, kind: str) -> Question:
    """Return a question with ten annotators' answers."""
    answers = annotators(rng, query.answer, query.alternative)
    return Question(query.question, answers, kind)
