"""What a demo task gives: a picture, questions about it, and their accepted answers."""

import random
from dataclasses import dataclass

import numpy as np


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
