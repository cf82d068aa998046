"""Multiple choice: the prediction names one of the sample's choices, by its letter or by its text."""

import re
from collections.abc import Callable, Sequence
from string import ascii_lowercase

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target

LEAD_IN = re.compile(
    r"(?:(?:the|my|correct|right|best|final)\s+)*(?:answer|option|choice)\b(?:\s+is\b)?\s*:?\s*(?:option\s+)?",
    re.IGNORECASE,
)
LETTERED = re.compile(r"[(\[]?([A-Za-z])[)\].:]+(?=\s|$)(.*)", re.DOTALL)
CAPITAL = re.compile(
    r"\b([A-Z])\b(?!\s+[a-z])"
)  # a capital before a lower-case word is the article or the pronoun


def simplify(text: str) -> str:
    """Lower-case and strip each word's brackets, quotes and closing punctuation; a text of nothing else is kept."""
    words = (word.lstrip("([\"'").rstrip(".,;:!?)]\"'") for word in text.lower().split())
    return " ".join(filter(None, words)) or text.strip().lower()


def without_article(text: str) -> str:
    """Drop a leading article that has a word after it, so that "a cat" is the choice "cat" and never the letter A."""
    return re.sub(r"^(?:a|an|the)\s+(?=\S)", "", text)


def exact(text: str, choices: Sequence[str]) -> set[int]:
    """Read the whole text as a choice's text or letter, as written."""
    return {
        index
        for index, choice in enumerate(choices)
        if text in (choice.strip(), ascii_lowercase[index].upper())
    }


def simplified(text: str, choices: Sequence[str]) -> set[int]:
    """Read the whole text, simplified, as a choice's letter, its text, or its letter and text."""
    plain = simplify(text)
    answer = (
        plain if LETTERED.match(text) else without_article(plain)
    )  # "A: red" is marked: no article
    found = set()
    for index, choice in enumerate(choices):
        letter, meaning = ascii_lowercase[index], simplify(choice)
        if plain in (letter, f"{letter} {meaning}") or answer == without_article(meaning):
            found.add(index)
    return found


def lettered(text: str, choices: Sequence[str]) -> set[int]:
    """Read a marked letter at the start ("B) because ...") and every other choice that the explanation names."""
    match = LETTERED.match(text)
    if match is None or ascii_lowercase.index(match[1].lower()) >= len(choices):
        return set()
    letters = {match[1].lower(), *CAPITAL.findall(match[2].strip())}
    positions = {ascii_lowercase.index(letter.lower()) for letter in letters}
    return {position for position in positions if position < len(choices)} | simplified(
        match[2], choices
    )


READINGS: tuple[Callable[[str, Sequence[str]], set[int]], ...] = (exact, simplified, lettered)
"""The strictest first: the first reading that finds anything decides."""


def parse_choice(prediction: str, choices: Sequence[str]) -> int | None:
    """Find which choice a prediction names, from 0, or None where it names none or several: it is never guessed.

    A prediction may give a letter ("B", "(b)", "Answer: B."), a choice's text ("red", "The answer is red") or both.
    """
    text = prediction.replace("*", "").strip()
    remainder = LEAD_IN.sub("", text, count=1) if LEAD_IN.match(text) else text
    for reading in READINGS:
        found = reading(text, choices) | reading(remainder, choices)
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def score(prediction: str, target: Target) -> float:
    """Score 1 where the prediction names the same choice as a reference (a letter or a choice's text), else 0."""
    answer = parse_choice(prediction, target.choices)
    return float(
        answer is not None
        and answer in {parse_choice(each, target.choices) for each in target.references}
    )


def parses(prediction: str, target: Target) -> bool:
    """Whether a prediction names one choice, right or wrong."""
    return parse_choice(prediction, target.choices) is not None


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check that every reference names one of its target's choices (at most 26), and return the scorer.

    Raises DataError for the first target where that is not so.
    """
    for target in targets:
        if not 1 <= len(target.choices) <= len(ascii_lowercase):
            raise DataError(
                f"multiple choice needs 1 to 26 choices, not {len(target.choices)}: check {target}"
            )
        for reference in target.references:
            if parse_choice(reference, target.choices) is None:
                raise DataError(
                    f"reference {reference!r} does not name one of the choices {target.choices}: correct it"
                )
    return score


METRIC = Metric(version=1, bounded=True, prepare=prepare, parses=parses)
