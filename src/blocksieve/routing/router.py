"""The router: the task type of a prompt, how sure that is, and the blocks to remove.

It needs numpy and scipy, not what fits it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.files import write_text

FORMAT = "blocksieve router 1"
LETTERS = (3, 4)

Blocks = tuple[int | str, ...]
"""Blocks by number, or halves of blocks as text, as `Combination.names`."""
BlocksBySize = tuple[Blocks, ...]
"""The blocks to remove at each size, size 1 first."""


@dataclass(frozen=True)
class Route:
    """Where a prompt goes.

    - task_type: the detected one, None where the router knows none.
    - confidence: the probability that it is right, 0 for a prompt unlike all fitted ones.
    - blocks: to remove, sorted.
    - source: `task` where the blocks are that task type's, `generic` where it is not sure enough.
    """

    task_type: str | None
    confidence: float
    blocks: Blocks
    source: Literal["task", "generic"]


@dataclass(frozen=True)
class Detection:
    """A prompt's most likely task type, by how much it leads, and how familiar the prompt is.

    `margin`: the log-odds of the type against all others, not calibrated. `familiarity`: see
    `Router.detect`.
    """

    task_type: str
    margin: float
    familiarity: float


@dataclass(frozen=True, eq=False)
class Router:
    """TF-IDF over words and letters, a linear classifier, and blocks to remove; read with `load`.

    - vocabulary (n-grams), idf (n-grams,), coefficients (n-grams, types), intercepts (types,).
    - unknown_idf: of an n-gram outside the vocabulary.
    - slope, offset: the confidence is expit(slope * margin + offset).
    - min_familiarity, threshold: a prompt takes its task type's blocks where its familiarity and
      its confidence are at least these; None: nothing is sure enough.
    - generic, task_types: the blocks for all prompts, and by task type.
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
    generic: BlocksBySize = ()
    task_types: Mapping[str, BlocksBySize] = field(default_factory=dict)

    def route(self, prompt: str, size: int = 1) -> Route:
        """Return which `size` blocks to remove for a prompt; DataError if it knows no such size."""
        if not 1 <= size <= len(self.generic):
            raise DataError(
                f"router: no list of {size} blocks; sizes go from 1 to {len(self.generic)}"
            )
        generic = self.generic[size - 1]
        detection = self.detect(prompt)
        if detection is None:
            return Route(task_type=None, confidence=0.0, blocks=generic, source="generic")
        confidence = self.confidence(detection)
        is_sure = self.threshold is not None and confidence >= self.threshold
        by_size = self.task_types.get(detection.task_type, ())
        is_task = is_sure and size <= len(by_size)
        return Route(
            task_type=detection.task_type,
            confidence=confidence,
            blocks=by_size[size - 1] if is_task else generic,
            source="task" if is_task else "generic",
        )

    def detect(self, prompt: str) -> Detection | None:
        """Return the most likely task type; None where the router knows none.

        The familiarity is the share of the prompt's n-grams that are in the vocabulary, each
        weighted by its idf: 0 to 1, 0 for a prompt without any.
        """
        if not self.types:
            return None
        counts = Counter(n_grams(prompt))
        known_grams = [gram for gram in counts if gram in self._places]
        known_counts = [counts[gram] for gram in known_grams]
        places = np.array([self._places[gram] for gram in known_grams], dtype=np.intp)
        weights = np.array(known_counts, dtype=np.float64) * self.idf[places]  # (known n-grams,)
        # A prompt without known n-grams has a length and a weight of 0, which must not divide.
        length = np.linalg.norm(weights) or 1.0
        scores = weights @ self.coefficients[places] / length
        logits = self.intercepts + scores  # (types,)
        best = int(np.argmax(logits))
        others = np.delete(logits, best)
        margin = float(logits[best] - logsumexp(others))
        num_unknown = counts.total() - sum(known_counts)
        known_weight = weights.sum()
        total_weight = known_weight + self.unknown_idf * num_unknown
        familiarity = float(known_weight / (total_weight or 1.0))
        return Detection(
            task_type=self.types[best],
            margin=margin,
            familiarity=familiarity,
        )

    def confidence(self, detection: Detection) -> float:
        """Return the calibrated probability that a detection is right, 0 if it is not familiar."""
        familiarity = detection.familiarity
        if familiarity == 0 or familiarity < self.min_familiarity:
            return 0.0
        log_odds = self.slope * detection.margin + self.offset
        return float(expit(log_odds))

    @cached_property
    def _places(self) -> dict[str, int]:
        """Each n-gram's row in `idf` and `coefficients`."""
        return {gram: place for place, gram in enumerate(self.vocabulary)}

    def save(self, path: Path | str) -> None:
        """Write the router as JSON, the same bytes for the same router."""
        lists = {
            "idf": self.idf.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercepts": self.intercepts.tolist(),
        }
        content = {"format": FORMAT} | asdict(self) | lists
        write_text(Path(path), json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "Router":
        """Read what `save` wrote; DataError for anything else."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            router = cls(**_fields(content))
            _check(router)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not a router ({error}); give a run's router.json") from error
        return router


def n_grams(text: str) -> list[str]:
    """Return the features of a text: words, pairs of words, groups of 3 and 4 letters in words.

    All lower case. A line break counts as a word: lists of choices have them. Groups of letters
    begin with a #; the spaces around a word count as letters.
    """
    lower = text.strip().lower()
    words = re.findall(r"\w+|\n", lower)
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    groups = []
    for word in lower.split():
        padded = f" {word} "
        for length in LETTERS:
            for start in range(len(padded) - length + 1):
                groups.append(f"#{padded[start : start + length]}")
    return words + pairs + groups


def _fields(content: dict[str, Any]) -> dict[str, Any]:
    """Return a file's content as the router holds it; unknown keys are left for it to refuse."""
    fields = dict(content)
    for name in ("idf", "intercepts"):
        fields[name] = np.array(content[name], dtype=np.float64)
    # An empty router's coefficients are [] in the file, which has lost their shape.
    shape = len(content["vocabulary"]), len(content["types"])
    coefficients = np.array(content["coefficients"], dtype=np.float64)
    fields["coefficients"] = coefficients.reshape(shape)
    fields["task_types"] = {
        name: _blocks_by_size(lists) for name, lists in content["task_types"].items()
    }
    for name in ("types", "vocabulary"):
        fields[name] = tuple(map(str, content[name]))
    fields["generic"] = _blocks_by_size(content["generic"])
    return fields


def _blocks_by_size(lists: Iterable[Iterable[int | str]]) -> BlocksBySize:
    return tuple(tuple(blocks) for blocks in lists)


def _check(router: Router) -> None:
    """Raise ValueError where the parts do not fit together."""
    numbers = [
        router.unknown_idf,
        router.slope,
        router.offset,
        router.min_familiarity,
        router.threshold or 0.0,
    ]
    for array in (router.idf, router.coefficients, router.intercepts, np.array(numbers, float)):
        if not np.isfinite(array).all():
            raise ValueError("a number is not finite")
    if len(router.vocabulary) != len(router.idf):
        raise ValueError("vocabulary and idf differ in length")
    if len(router.types) != len(router.intercepts):
        raise ValueError("types and intercepts differ in length")
    for names in (router.types, router.vocabulary):
        if len(names) != len(set(names)):
            raise ValueError("an n-gram or a type comes twice")
    for by_size in (router.generic, *router.task_types.values()):
        _check_blocks(by_size)
    if not router.generic:
        raise ValueError("there is no generic list")


def _check_blocks(by_size: BlocksBySize) -> None:
    for size, blocks in enumerate(by_size, start=1):
        if len(blocks) != size or blocks != Combination.of(blocks).names:
            raise ValueError("a list is not sorted, or not one block longer than the list before")
