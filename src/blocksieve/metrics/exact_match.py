"""Exact match: the prediction equals a reference, for counting and short closed answers.

Source: Acharya et al. 2019 (TallyQA), accuracy of the exact count. The light normalisation of both
texts, number words as digits among it, is this module's own.
"""

from blocksieve.metrics import Metric, Target
from blocksieve.metrics.texts import CLOSING_PUNCTUATION, compose

DIGITS = {
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
}


def normalize(text: str) -> str:
    """Lower-case in NFC, collapse whitespace, drop final punctuation; zero to twenty become digits.

    A text of punctuation alone is kept.
    """
    collapsed = " ".join(compose(text.lower()).split())
    words = (collapsed.rstrip(CLOSING_PUNCTUATION) or collapsed).split()
    digits_or_words = [DIGITS.get(word, word) for word in words]
    return " ".join(digits_or_words)


def score(prediction: str, target: Target) -> float:
    """Return 1 if the normalised prediction equals a normalised reference, else 0.

    An empty prediction is never right.
    """
    answer = normalize(prediction)
    accepted = [normalize(reference) for reference in target.references]
    return float(answer != "" and answer in accepted)


METRIC = Metric(bounded=True, prepare=lambda targets: score)
