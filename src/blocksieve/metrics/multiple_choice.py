"""Multiple choice: the prediction names one of the sample's choices, by its letter or by its text.

There is no official script: the rules of reading are this module's own, and strict.
"""

import re
from collections.abc import Callable, Sequence
from string import ascii_lowercase, ascii_uppercase

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target

# "The correct answer is option ..."
LEAD_IN = re.compile(
    r"(?:(?:the|my|correct|right|best|final)\s+)*(?:answer|option|choice)\b"
    r"(?:\s+is\b)?\s*:?\s*(?:option\s+)?",
    re.IGNORECASE,
)
# "(B) ...", "B. ...", "B: ..."; group 1 is the letter, group 2 what follows.
MARKED_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:]+(?=\s|$)(.*)", re.DOTALL)
# A capital before a lower-case word is the article "A" or the pronoun "I".
LONE_CAPITAL = re.compile(r"\b([A-Z])\b(?!\s+[a-z])")
LEADING_ARTICLE = re.compile(r"^(?:a|an|the)\s+(?=\S)")


def simplify(text: str) -> str:
    """Lower-case and strip each word's brackets, quotes and closing punctuation.

    A text of nothing else is kept.
    """
    words = []
    for word in text.lower().split():
        stripped = word.lstrip("([\"'").rstrip(".,;:!?)]\"'")
        if stripped:
            words.append(stripped)
    return " ".join(words) or text.strip().lower()


def without_article(text: str) -> str:
    """Drop a leading article that has a word after it.

    So "a cat" is the choice "cat" and never the letter A.
    """
    return LEADING_ARTICLE.sub("", text)


def read_exact(text: str, choices: Sequence[str]) -> set[int]:
    """Read the whole text, as written, as a choice's text or letter."""
    indices = set()
    for index, choice in enumerate(choices):
        if text in (choice.strip(), ascii_uppercase[index]):
            indices.add(index)
    return indices


def read_simplified(text: str, choices: Sequence[str]) -> set[int]:
    """Read the whole text, simplified, as a choice's letter, its text, or its letter and text."""
    plain = simplify(text)
    # In "A: red" the A is marked as a letter, so it is no article.
    answer = plain if MARKED_LETTER.match(text) else without_article(plain)
    indices = set()
    for index, choice in enumerate(choices):
        letter = ascii_lowercase[index]
        meaning = simplify(choice)
        names_letter = plain in (letter, f"{letter} {meaning}")
        if names_letter or answer == without_article(meaning):
            indices.add(index)
    return indices


def read_marked(text: str, choices: Sequence[str]) -> set[int]:
    """Read a marked letter at the start ("B) because ...").

    Other choices that the explanation after it names are read as well.
    """
    match = MARKED_LETTER.match(text)
    if match is None:
        return set()
    letter, explanation = match.groups()
    index = ascii_lowercase.index(letter.lower())
    if index >= len(choices):
        return set()
    indices = {index} | read_simplified(explanation, choices)
    for capital in LONE_CAPITAL.findall(explanation.strip()):
        index = ascii_uppercase.index(capital)
        if index < len(choices):
            indices.add(index)
    return indices


READINGS: tuple[Callable[[str, Sequence[str]], set[int]], ...] = (
    read_exact,
    read_simplified,
    read_marked,
)
"""The strictest first: the first reading that names a choice decides."""


def parse_choice(prediction: str, choices: Sequence[str]) -> int | None:
    """Return which choice a prediction names, from 0; None if it names none or more than one.

    A prediction may give a letter ("B", "(b)", "Answer: B."), a choice's text ("red", "The answer
    is red") or both. A choice is never guessed.
    """
    text = prediction.replace("*", "").strip()
    lead_in = LEAD_IN.match(text)
    remainder = text[lead_in.end() :] if lead_in else text
    for reading in READINGS:
        indices = reading(text, choices) | reading(remainder, choices)
        if len(indices) == 1:
            return indices.pop()
        if indices:
            return None
    return None


def score(prediction: str, target: Target) -> float:
    """Return 1 if the prediction names the same choice as a reference, else 0.

    A reference is a choice's letter or its text.
    """
    choices = target.choices
    answer = parse_choice(prediction, choices)
    if answer is None:
        return 0.0
    correct = [parse_choice(reference, choices) for reference in target.references]
    return float(answer in correct)


def parses(prediction: str, target: Target) -> bool:
    """Tell whether a prediction names one choice, right or wrong."""
    return parse_choice(prediction, target.choices) is not None


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check that every reference names one of its target's choices, and return the scorer.

    Raises DataError for the first target that fails, or that has no or more than 26 choices.
    """
    for target in targets:
        if not 1 <= len(target.choices) <= len(ascii_lowercase):
            raise DataError(
                f"multiple choice needs 1 to 26 choices, not {len(target.choices)}: check {target}"
            )
        for reference in target.references:
            if parse_choice(reference, target.choices) is None:
                raise DataError(
                    f"reference {reference!r} does not name one of the choices"
                    f" {target.choices}: correct it"
                )
    return score


METRIC = Metric(version=1, bounded=True, prepare=prepare, parses=parses)
