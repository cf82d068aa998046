"""ANLS: normalised Levenshtein similarity to the closest reference; forgives small reading errors.

Source: Biten et al. 2019 (ST-VQA), equation 1; Mathew et al. 2021 (DocVQA); and the evaluation
script of the Robust Reading Competition for both. Where script and equation differ, this follows
the script.
"""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target

THRESHOLD = 0.5


def normalize(text: str) -> str:
    """Lower-case a text and collapse its whitespace."""
    return " ".join(text.lower().split())


def distance(prediction: str, reference: str) -> float:
    """Return the Levenshtein distance of the normalised texts, divided by the longer raw length.

    As in the official script, the length is that of the upper-cased text before whitespace is
    collapsed. Blanks around an answer therefore make its errors count less. Two empty texts have
    distance 0.
    """
    prediction_length = len(prediction.upper())
    reference_length = len(reference.upper())
    length = max(prediction_length, reference_length)
    if length == 0:
        return 0.0
    edits = Levenshtein.distance(normalize(prediction), normalize(reference))
    return edits / length


def score(prediction: str, target: Target) -> float:
    """Return 1 - the distance to the closest reference if that is at least 0.5, else 0.

    A score of exactly 0.5 is kept, as the official script does and equation 1 does not.
    """
    distances = [distance(prediction, reference) for reference in target.references]
    similarity = 1 - min(distances)
    return similarity if similarity >= THRESHOLD else 0.0


def prepare(targets: Sequence[Target]) -> Scorer:
    """Return the scorer; raise DataError for an empty reference.

    The official script would give an empty prediction full marks for it.
    """
    for target in targets:
        if not all(reference.strip() for reference in target.references):
            raise DataError(
                f"a reference of {target.references} is empty: give its text or leave it out"
            )
    return score


METRIC = Metric(bounded=True, prepare=prepare)
