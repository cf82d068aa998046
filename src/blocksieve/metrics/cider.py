"""CIDEr-D: the consensus of a caption with its references, over TF-IDF weighted n-grams."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target
from blocksieve.metrics.caption_tokens import tokenize

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0  # of the Gaussian length penalty, in tokens
SCALE = 10.0


def ngrams(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every n-gram of the tokens for n = 1 to 4, with repeats."""
    return (
        tuple(tokens[start : start + n]) for n in ORDERS for start in range(len(tokens) - n + 1)
    )


@dataclass(frozen=True)
class Vector:
    """A caption as TF-IDF weights: one dictionary and one Euclidean norm for each n-gram order, and its length."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    length: int


def weigh(
    tokens: Sequence[str], document_frequency: Counter[tuple[str, ...]], corpus_size: int
) -> Vector:
    """Weigh each n-gram by its count x log(corpus size / number of targets whose references contain it).

    An n-gram in no reference counts as being in one. The length is the number of bigrams, as in the official scorer.
    """
    weights: tuple[dict[tuple[str, ...], float], ...] = tuple({} for _ in ORDERS)
    for ngram, count in Counter(ngrams(tokens)).items():
        rarity = math.log(corpus_size) - math.log(max(1, document_frequency[ngram]))
        weights[len(ngram) - 1][ngram] = count * rarity
    norms = tuple(math.sqrt(sum(weight**2 for weight in order.values())) for order in weights)
    return Vector(weights, norms, length=max(0, len(tokens) - 1))


def similarity(candidate: Vector, reference: Vector) -> float:
    """Return the mean over n of the clipped cosine similarity times the Gaussian length penalty, in [0, 1].

    Source: Vedantam et al. 2015 (CIDEr), section 7 (CIDEr-D): a candidate's weight counts up to the reference's.
    """
    total = 0.0
    for order, norm, other, other_norm in zip(
        candidate.weights, candidate.norms, reference.weights, reference.norms, strict=True
    ):
        if norm and other_norm:
            clipped = sum(
                min(weight, other.get(ngram, 0.0)) * other.get(ngram, 0.0)
                for ngram, weight in order.items()
            )
            total += clipped / (norm * other_norm)
    penalty = math.exp(-((candidate.length - reference.length) ** 2) / (2 * SIGMA**2))
    return penalty * total / len(ORDERS)


def prepare(targets: Sequence[Target]) -> Scorer:
    """Count in how many targets each n-gram occurs and return the scorer, on CIDEr's own scale of 0 to 10.

    A score is 10 x the mean over references of `similarity`. Source: CiderScorer of pycocoevalcap 1.2, whose "CIDEr" is
    CIDEr-D. Its corpus size is the number of targets, so with a single target every score is 0. Raises DataError where
    there are no targets.
    """
    if not targets:
        raise DataError(
            "CIDEr needs the references of the whole dataset, and there are none: give it targets"
        )
    document_frequency = Counter(
        ngram
        for target in targets
        for ngram in {
            ngram for reference in target.references for ngram in ngrams(tokenize(reference))
        }
    )

    def vector(text: str) -> Vector:
        return weigh(tokenize(text), document_frequency, len(targets))

    @cache
    def reference_vectors(target: Target) -> list[Vector]:
        return [vector(reference) for reference in target.references]

    def score(prediction: str, target: Target) -> float:
        candidate = vector(prediction)
        references = reference_vectors(target)
        return (
            SCALE
            * sum(similarity(candidate, reference) for reference in references)
            / len(references)
        )

    return score


METRIC = Metric(version=2, bounded=False, prepare=prepare)
