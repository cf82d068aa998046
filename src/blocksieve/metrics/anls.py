"""ANLS: the normalised Levenshtein similarity to the closest reference, forgiving small reading errors."""

from rapidfuzz.distance import Levenshtein

from blocksieve.metrics import Metric, Target

THRESHOLD = 0.5


def distance(prediction: str, reference: str) -> float:
    """Return the Levenshtein distance of the lower-cased texts with whitespace collapsed, by the longer raw length.

    Both texts empty: 0. As in the official script the length is that of the upper-cased text before whitespace is
    collapsed, so that blanks around an answer make its errors count less.
    """
    length = max(len(prediction.upper()), len(reference.upper()))
    plain = [" ".join(text.lower().split()) for text in (prediction, reference)]
    return Levenshtein.distance(*plain) / length if length else 0.0


def score(prediction: str, target: Target) -> float:
    """Score a prediction in [0, 1]: 1 - the least distance to a reference where that is at least 0.5, else 0.

    Source: Biten et al. 2019 (ST-VQA), equation 1; Mathew et al. 2021 (DocVQA), and the evaluation script of the Robust
    Reading Competition for both. Where the script differs from the equation this follows the script: a score of exactly
    0.5 is kept, and see `distance`.
    """
    similarity = 1 - min(distance(prediction, reference) for reference in target.references)
    return 0.0 if similarity < THRESHOLD else similarity


METRIC = Metric(version=2, bounded=True, prepare=lambda targets: score)
