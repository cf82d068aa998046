"""Exact match: the prediction equals a reference, after a light normalisation (counting, short closed answers)."""

from blocksieve.metrics import Metric, Target

NUMBER_WORDS = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
DIGITS = {word: str(number) for number, word in enumerate(NUMBER_WORDS)}
TERMINAL_PUNCTUATION = ".,;:!? "


def normalize(text: str) -> str:
    """Lower-case, collapse whitespace, drop terminal punctuation, and write the words zero to twenty as digits."""
    words = " ".join(text.lower().split()).rstrip(TERMINAL_PUNCTUATION).split()
    return " ".join(DIGITS.get(word, word) for word in words)


def score(prediction: str, target: Target) -> float:
    """Score 1 where the normalised prediction equals a normalised reference, else 0.

    Source: Acharya et al. 2019 (TallyQA), accuracy of the exact count; number words as digits are this module's own.
    """
    answer = normalize(prediction)
    return float(any(normalize(reference) == answer for reference in target.references))


METRIC = Metric(version=1, bounded=True, prepare=lambda targets: score)
