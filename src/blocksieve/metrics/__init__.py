"""The metrics: each module here scores one prediction against one sample's target.

Importing this package imports no metric; `load_metric` imports the one it is asked for.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from blocksieve.errors import ConfigError, DataError

METRICS: dict[str, str] = {
    "vqa": "agreement with the annotators, each left out in turn, as in the VQA challenge",
    "vqa_normalized": 'the same with every text normalised, as for TextVQA: "Yes." is a "yes"',
    "anls": "similarity to the closest reference, 0 if below 0.5, as for DocVQA and ST-VQA",
    "exact_match": "1 if the text equals a reference after light normalisation, as for TallyQA",
    "multiple_choice": "1 if the text names the right choice, by its letter or by its text",
    "cider": "CIDEr-D, from 0 to 10, with document frequencies over the whole dataset",
}
"""What a score says, by the metric's name, which is the name of its module.

`config.read_schema` lets datasets use these names; config/README.md holds this as a table.
"""


@dataclass(frozen=True)
class Target:
    """What one sample is scored against: its reference answers, and its choices if it has some.

    Raises DataError if there is no reference.
    """

    references: tuple[str, ...]
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a target that nothing could match."""
        if not self.references:
            raise DataError(
                "a target has no reference: drop the sample from the dataset or give it"
                " at least one answer"
            )


Scorer = Callable[[str, Target], float]
"""Scores one prediction against one target."""


def above_chance(scorer: Scorer) -> Scorer:
    """Return the scorer of multiple choice that gives guessing 0 on average, and the truth 1.

    (score - chance) / (1 - chance), where chance is 1 / choices of the sample; an empty choice is
    never named, and does not count. A wrong answer scores -1 / (choices - 1), and so does one that
    cannot be read. A sample with one choice tells nothing: 0.
    """
    return partial(_above_chance, scorer)


def _above_chance(scorer: Scorer, prediction: str, target: Target) -> float:
    choices = [choice for choice in target.choices if choice.strip()]
    num_choices = len(choices)
    if num_choices < 2:
        return 0.0
    chance = 1 / num_choices
    score = scorer(prediction, target)
    return (score - chance) / (1 - chance)


def _always_parses(prediction: str, target: Target) -> bool:
    return True


@dataclass(frozen=True)
class Metric:
    """A metric: `prepare` takes all targets of a dataset and returns the scorer of one sample.

    If `bounded`, scores lie in [0, 1]; otherwise the metric has a scale of its own (CIDEr).
    `parses` tells whether a prediction can be read as an answer at all. A prediction that cannot be
    read scores 0 and is counted.
    """

    bounded: bool
    prepare: Callable[[Sequence[Target]], Scorer]
    parses: Callable[[str, Target], bool] = _always_parses


def load_metric(name: str) -> Metric:
    """Import the metric called `name`, one of METRICS.

    Raises ConfigError for any other name.
    """
    if name not in METRICS:
        names = ", ".join(METRICS)
        raise ConfigError(f"unknown metric {name!r}: use one of {names}")
    module = importlib.import_module(f"blocksieve.metrics.{name}")
    metric: Metric = module.METRIC
    return metric
