"""The router: the task type of a prompt, how sure that is, and the blocks to remove. Needs numpy alone."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from blocksieve.errors import DataError
from blocksieve.files import write_text

FORMAT = "blocksieve router 1"
LETTERS = (3, 4)

Lists = tuple[tuple[int, ...], ...]
"""Blocks to remove, one list a size: first the list of one block."""


@dataclass(frozen=True)
class Route:
    """Where a prompt goes.

    `task_type`: the detected one, None where the router knows none. `confidence`: the probability that it is right, 0
    for a prompt unlike all that the router was fitted on. `blocks`: to remove, sorted. `source`: `task` where they are
    that task type's, `generic` where the router is not sure enough.
    """

    task_type: str | None
    confidence: float
    blocks: tuple[int, ...]
    source: Literal["task", "generic"]


@dataclass(frozen=True)
class Detection:
    """A prompt's most likely task type, by how much it leads, and how much of the prompt is known.

    `margin`: the log-odds of the type against all others, not calibrated. `familiarity`: see `Router.detect`.
    """

    task_type: str
    margin: float
    familiarity: float


@dataclass(frozen=True, eq=False)
class Router:
    """TF-IDF over words and letters, a linear classifier, and the lists of blocks; read with `load`.

    `vocabulary` (n features), `idf` (n,), `coefficients` (n, types), `intercepts` (types,). `slope` and `offset`: the
    confidence is expit(slope * margin + offset). A prompt takes its task type's list where its familiarity is at least
    `min_familiarity`, its confidence at least `threshold` (None: nothing is sure enough), and that type has a list.
    """

    types: tuple[str, ...]
    vocabulary: tuple[str, ...]
    idf: NDArray[np.float64]
    unknown_idf: float
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    slope: float = 1.0
    offset: float = 0.0
    min_familiarity: float = 0.0
    threshold: float | None = None
    generic: Lists = ()
    task_types: Mapping[str, Lists] = field(default_factory=dict)

    def route(self, prompt: str, size: int = 1) -> Route:
        """Say which `size` blocks to remove for a prompt. DataError where the router holds no list of this size."""
        if not 1 <= size <= len(self.generic):
            raise DataError(
                f"router: no list of {size} blocks; sizes go from 1 to {len(self.generic)}"
            )
        found = self.detect(prompt)
        if found is None:
            return Route(None, 0.0, self.generic[size - 1], "generic")
        confidence = self.confidence(found)
        lists = self.task_types.get(found.task_type, ())
        if self.threshold is None or confidence < self.threshold or len(lists) < size:
            return Route(found.task_type, confidence, self.generic[size - 1], "generic")
        return Route(found.task_type, confidence, lists[size - 1], "task")

    def detect(self, prompt: str) -> Detection | None:
        """Name the most likely task type; None where the router knows none.

        The familiarity is the share of the prompt's n-grams that the router was fitted on, each weighted by its idf
        (unknown ones by that of an n-gram never seen): 0 to 1, 0 for a prompt without any.
        """
        if not self.types:
            return None
        counts = Counter(n_grams(prompt))
        known = {
            self._places[gram]: count for gram, count in counts.items() if gram in self._places
        }
        places = np.array(list(known), dtype=np.intp)
        weights = np.array(list(known.values()), dtype=np.float64) * self.idf[places]
        unknown = self.unknown_idf * (counts.total() - sum(known.values()))
        logits = self.intercepts + weights @ self.coefficients[places] / (
            np.linalg.norm(weights) or 1.0
        )
        best = int(np.argmax(logits))
        margin = float(logits[best] - logsumexp(np.delete(logits, best)))
        familiarity = float(weights.sum() / ((weights.sum() + unknown) or 1.0))
        return Detection(self.types[best], margin, familiarity)

    def confidence(self, found: Detection) -> float:
        """Give the calibrated probability that a detection is right, 0 where the prompt is not familiar."""
        if found.familiarity == 0 or found.familiarity < self.min_familiarity:
            return 0.0
        return float(expit(self.slope * found.margin + self.offset))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {gram: place for place, gram in enumerate(self.vocabulary)}

    def save(self, path: Path | str) -> None:
        """Write the router as JSON, the same bytes for the same router."""
        arrays = {
            name: getattr(self, name).tolist() for name in ("idf", "coefficients", "intercepts")
        }
        content = {"format": FORMAT, **asdict(replace(self, **arrays))}
        write_text(Path(path), json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "Router":
        """Read what `save` wrote; DataError for anything else."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            router = cls(**_typed(content))
            _check(router)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not a router ({error}); give a run's router.json") from error
        return router


def n_grams(text: str) -> list[str]:
    """The features of a text: words, pairs of words, and groups of 3 and 4 letters within words, lower case.

    A line break counts as a word: lists of choices have them. Groups of letters bear a # in front; the spaces around a
    word count as letters.
    """
    lower = text.strip().lower()
    words = re.findall(r"\w+|\n", lower)
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    padded = [f" {word} " for word in lower.split()]
    letters = [
        f"#{word[at : at + n]}"
        for word in padded
        for n in LETTERS
        for at in range(len(word) - n + 1)
    ]
    return words + pairs + letters


def _typed(content: dict[str, Any]) -> dict[str, Any]:
    """The fields as the router holds them."""
    arrays = {name: np.array(content[name], dtype=np.float64) for name in ("idf", "intercepts")}
    shape = len(content["vocabulary"]), len(content["types"])
    arrays["coefficients"] = np.array(content["coefficients"], dtype=np.float64).reshape(shape)
    lists = {name: _lists(found) for name, found in content["task_types"].items()}
    texts = {name: tuple(map(str, content[name])) for name in ("types", "vocabulary")}
    return content | arrays | texts | {"generic": _lists(content["generic"]), "task_types": lists}


def _lists(found: Any) -> Lists:
    return tuple(tuple(map(int, blocks)) for blocks in found)


def _check(router: Router) -> None:
    """ValueError where the parts do not fit together."""
    numbers = [
        router.unknown_idf,
        router.slope,
        router.offset,
        router.min_familiarity,
        router.threshold or 0.0,
    ]
    arrays = router.idf, router.coefficients, router.intercepts
    lists = [router.generic, *router.task_types.values()]
    faults = {
        "a number is not finite": not all(
            np.isfinite(part).all() for part in (*arrays, np.array(numbers, float))
        ),
        "vocabulary and idf differ in length": len(router.vocabulary) != len(router.idf),
        "types and intercepts differ in length": len(router.types) != len(router.intercepts),
        "an n-gram or a type comes twice": any(
            len(names) != len(set(names)) for names in (router.types, router.vocabulary)
        ),
        "a list is not sorted, or not one block longer than the list before": any(
            len(set(blocks)) != size or list(blocks) != sorted(blocks) or min(blocks) < 0
            for by_size in lists
            for size, blocks in enumerate(by_size, 1)
        ),
        "there is no generic list": not router.generic,
    }
    for fault, found in faults.items():
        if found:
            raise ValueError(fault)
