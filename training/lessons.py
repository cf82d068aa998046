"""The order of the lessons: reading drills first, then all tasks, each from its smallest cases on.

A lesson is a pair (task, level). A task's next level opens once the present one is passed. What is
open stays in the mix, the weaker the more often.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from blocksieve.datasets.demo.picture import TOP_LEVEL
from blocksieve.datasets.demo.tasks import TASKS
from drills import DRILLS

Lesson = tuple[str, int]

READING_DRILLS = ("things", "letters", "digits")
DRILL_LESSONS: list[Lesson] = [(drill, 0) for drill in DRILLS]
PASS_AT = 0.7
FEWEST_SAMPLES = 2_000
"""Samples of a lesson before it can be passed."""
MOST_SAMPLES = 60_000
"""Samples of a lesson after which the next one opens in any case."""


@dataclass
class Curriculum:
    """Which lessons are open, and how well and how often each was answered."""

    right: dict[Lesson, float] = field(default_factory=lambda: defaultdict(float))
    seen: dict[Lesson, int] = field(default_factory=lambda: defaultdict(int))
    top_levels: dict[str, int] = field(default_factory=dict)
    """The highest open level of every task; none before the reading drills are passed."""

    def draw(self, rng: random.Random, size: int) -> list[Lesson]:
        """Draw the lessons of a batch."""
        if not self.top_levels:
            reading = [(drill, 0) for drill in READING_DRILLS]
            return rng.choices(reading, [self.weight(lesson) for lesson in reading], k=size)
        lessons = list(DRILL_LESSONS)
        for task, top_level in self.top_levels.items():
            lessons += [(task, level) for level in range(top_level + 1)]
        return rng.choices(lessons, [self.weight(lesson) for lesson in lessons], k=size)

    def weight(self, lesson: Lesson) -> float:
        """Return how often a lesson is drawn: the weaker the more, most of all the top levels."""
        task, level = lesson
        is_top = level == self.top_levels.get(task, 0)
        share = 1 if is_top else 0.25
        return share * (0.1 + 1 - self.right[lesson])

    def update(self, lessons: Sequence[Lesson], right: Sequence[bool]) -> None:
        """Count the answers of a batch, and open the next lessons."""
        answers: dict[Lesson, list[bool]] = defaultdict(list)
        for lesson, is_right in zip(lessons, right, strict=True):
            answers[lesson].append(is_right)
        for lesson, are_right in answers.items():
            self.seen[lesson] += len(are_right)
            share = sum(are_right) / len(are_right)
            # A running mean over the last 300 samples or so.
            weight = 1 - (1 - 1 / 300) ** len(are_right)
            self.right[lesson] += weight * (share - self.right[lesson])
        self.open()

    def open(self) -> None:
        """Open all tasks once the reading drills are passed, then level after level."""
        if not self.top_levels:
            if all(self.is_passed((drill, 0)) for drill in READING_DRILLS):
                self.top_levels = dict.fromkeys(TASKS, 0)
            return
        for task, level in self.top_levels.items():
            if level < TOP_LEVEL and self.is_passed((task, level)):
                self.top_levels[task] = level + 1

    def is_passed(self, lesson: Lesson) -> bool:
        """Tell whether a lesson is answered well, or has had its time."""
        seen = self.seen[lesson]
        return seen >= MOST_SAMPLES or (seen >= FEWEST_SAMPLES and self.right[lesson] >= PASS_AT)

    def __str__(self) -> str:
        """Return the share of right answers of every lesson."""
        shares = [f"{task}{level}:{self.right[task, level]:.2f}" for task, level in self.seen]
        return " ".join(sorted(shares))
