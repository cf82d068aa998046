"""The metrics: each module here scores one prediction against one sample's target.

Importing this package imports no metric; `load_metric` imports the one asked for.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blocksieve.errors import ConfigError, DataError

METRICS = ("vqa", "vqa_normalized", "anls", "exact_match", "multiple_choice", "cider")
"""The names of all metrics, which are the names of their modules."""


@dataclass(frozen=True)
class Target:
    """What one sample is scored against: its reference answers, and its choices where it is multiple choice.

    Raises DataError where there is no reference.
    """

    references: tuple[str, ...]
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a target that nothing could match."""
        if not self.references:
            raise DataError(
                "a target has no reference: drop the sample from the dataset or give it at least one answer"
            )


Scorer = Callable[[str, Target], float]
"""Scores one prediction against one target."""


@dataclass(frozen=True)
class Metric:
    """A metric: `prepare` takes the targets of the whole dataset and returns the scorer of single samples.

    `version` is raised whenever a score may change. `bounded` says that scores lie in [0, 1]; a metric that is not
    bounded (CIDEr) has its own scale. `parses` says whether a prediction can be read as an answer at all; one that
    cannot scores 0 and is counted.
    """

    version: int
    bounded: bool
    prepare: Callable[[Sequence[Target]], Scorer]
    parses: Callable[[str, Target], bool] = lambda prediction, target: True


def load_metric(name: str) -> Metric:
    """Import the metric called `name`, one of METRICS.

    Raises ConfigError for any other name.
    """
    if name not in METRICS:
        raise ConfigError(f"unknown metric {name!r}: use one of {', '.join(METRICS)}")
    metric: Metric = importlib.import_module(f"blocksieve.metrics.{name}").METRIC
    return metric
