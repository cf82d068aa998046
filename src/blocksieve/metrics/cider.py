"""CIDEr-D: the consensus of a caption with its references, over TF-IDF weighted n-grams.

Source: Vedantam et al. 2015 (CIDEr), section 7, and CiderScorer of pycocoevalcap 1.2, whose "CIDEr"
is CIDEr-D.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target
from blocksieve.metrics.caption_tokens import tokenize

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0
"""Of the Gaussian length penalty, in tokens."""
SCALE = 10.0

Ngram = tuple[str, ...]
Weights = dict[Ngram, float]


@dataclass(frozen=True)
class Vector:
    """A caption as TF-IDF weights, with their Euclidean norm, for each n-gram order.

    `length` is the number of bigrams, as in the official scorer.
    """

    weights: tuple[Weights, ...]
    norms: tuple[float, ...]
    length: int


def ngrams(tokens: Sequence[str]) -> Iterator[Ngram]:
    """Yield every n-gram of the tokens for n = 1 to 4, with repeats."""
    for n in ORDERS:
        num_ngrams = len(tokens) - n + 1
        for start in range(num_ngrams):
            end = start + n
            yield tuple(tokens[start:end])


def count_documents(targets: Sequence[Target]) -> Counter[Ngram]:
    """Return in the references of how many targets each n-gram occurs."""
    document_frequency: Counter[Ngram] = Counter()
    for target in targets:
        distinct: set[Ngram] = set()
        for reference in target.references:
            distinct.update(ngrams(tokenize(reference)))
        document_frequency.update(distinct)
    return document_frequency


def weigh(tokens: Sequence[str], document_frequency: Counter[Ngram], corpus_size: int) -> Vector:
    """Weigh each n-gram by its count x log(corpus size / its document frequency).

    An n-gram in no reference counts as being in one.
    """
    weights: tuple[Weights, ...] = tuple({} for _ in ORDERS)
    counts = Counter(ngrams(tokens))
    for ngram, count in counts.items():
        num_documents = max(1, document_frequency[ngram])
        rarity = math.log(corpus_size) - math.log(num_documents)
        order = len(ngram) - 1
        weights[order][ngram] = count * rarity
    norms = tuple(_norm(order_weights) for order_weights in weights)
    num_bigrams = max(0, len(tokens) - 1)
    return Vector(weights, norms, length=num_bigrams)


def _norm(weights: Weights) -> float:
    squares = [weight**2 for weight in weights.values()]
    return math.sqrt(sum(squares))


def similarity(candidate: Vector, reference: Vector) -> float:
    """Return the mean clipped cosine over n, times the Gaussian length penalty, in [0, 1].

    Clipped: a candidate's weight counts up to the reference's, so that repeats gain nothing.
    """
    total = 0.0
    for order in range(len(ORDERS)):
        norms = candidate.norms[order] * reference.norms[order]
        if norms == 0:
            continue
        product = _clipped_product(candidate.weights[order], reference.weights[order])
        total += product / norms
    excess = candidate.length - reference.length
    penalty = math.exp(-(excess**2) / (2 * SIGMA**2))
    return penalty * total / len(ORDERS)


def _clipped_product(candidate_weights: Weights, reference_weights: Weights) -> float:
    products = []
    for ngram, weight in candidate_weights.items():
        reference_weight = reference_weights.get(ngram, 0.0)
        clipped = min(weight, reference_weight)
        products.append(clipped * reference_weight)
    return sum(products)


class CiderScorer:
    """Scores captions with the document frequencies of a dataset, on CIDEr's scale of 0 to 10."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._document_frequency = count_documents(targets)
        # As in the official scorer; with a single target every weight, and so every score, is 0.
        self._corpus_size = len(targets)
        self._reference_vectors: dict[Target, list[Vector]] = {}

    def __call__(self, prediction: str, target: Target) -> float:
        """Return 10 x the mean over references of `similarity`."""
        if target not in self._reference_vectors:
            vectors = [self._vector(reference) for reference in target.references]
            self._reference_vectors[target] = vectors
        candidate = self._vector(prediction)
        references = self._reference_vectors[target]
        total = sum(similarity(candidate, reference) for reference in references)
        return SCALE * total / len(references)

    def _vector(self, caption: str) -> Vector:
        tokens = tokenize(caption)
        return weigh(tokens, self._document_frequency, self._corpus_size)


def prepare(targets: Sequence[Target]) -> Scorer:
    """Count n-grams over the targets of a dataset and return the scorer.

    Raises DataError if there are no targets.
    """
    if not targets:
        raise DataError(
            "CIDEr needs the references of the whole dataset, and there are none: give it targets"
        )
    return CiderScorer(targets)


METRIC = Metric(bounded=False, prepare=prepare)
