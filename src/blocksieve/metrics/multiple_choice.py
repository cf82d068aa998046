"""Multiple choice: the prediction names one of the sample's choices, by its letter or by its text.

There is no official script: the rules of reading are this module's own. They read what a careful
reader would, and never guess.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target
from blocksieve.metrics.choice_claims import Letters, read_claimed
from blocksieve.metrics.choice_mentions import (
    clean,
    letters_of,
    mark_mentions,
    simplify,
    without_article,
)
from blocksieve.metrics.texts import compose

MAX_CHOICES = 26

LEAD_IN = re.compile(
    r"(?:(?:the|my|correct|right|best|final)\s+)*(?:answer|option|choice|letter)\b"
    r"(?:\s+is\b)?\s*:?\s*(?:option\s+)?",
    re.IGNORECASE,
)
"""The start of "The correct answer is option ..."."""

STARS = re.compile(r"(?<!\d)(?<!\d\s)\*|\*(?!\s?\d)")
"""The stars of Markdown, and not those of "2*3"."""

FRAGMENT = re.compile(r"⟨[a-z]+⟩ [A-Za-z]+\W*|⟨[A-Z]⟩(?: ⟨[A-Z]⟩)+")
"""What is no sentence: "dog house", which is no dog; "B B", which stutters. But not "3 apples"."""


def read_exact(text: str, choices: tuple[str, ...]) -> Letters:
    """Read the whole text, as written, as a choice's letter or text.

    A letter that is also a choice's text is the letter: this is what the prompt asks for.
    """
    indices = letters_of(choices)
    if text in indices:
        return {text}
    letters = set()
    for letter, index in indices.items():
        if text == compose(choices[index]).strip():
            letters.add(letter)
    return letters


def read_simplified(text: str, choices: tuple[str, ...]) -> Letters:
    """Read the whole text, simplified, as a choice's letter or its text: "(b)", "The cat."."""
    plain = simplify(text)
    indices = letters_of(choices)
    if plain.upper() in indices:
        return {plain.upper()}
    answer = simplify(without_article(text))
    letters = set()
    for letter, index in indices.items():
        choice = clean(choices[index])
        if plain == f"{letter.lower()} {simplify(choice)}":
            return {letter}
        if answer and answer == simplify(without_article(choice)):
            letters.add(letter)
    return letters


def read_sentences(text: str, choices: tuple[str, ...]) -> Letters:
    """Read sentences: "So the answer is C.", "B, because ...", "I think it is the cat"."""
    marked = mark_mentions(clean(text), choices)
    is_fragment = FRAGMENT.fullmatch(marked) and not text[0].isdigit()
    return set() if is_fragment else read_claimed(marked)


READERS: tuple[Callable[[str, tuple[str, ...]], Letters], ...] = (
    read_exact,
    read_simplified,
    read_sentences,
)
"""The strictest first: the first reader that names a choice decides."""


def parse_choice(prediction: str, choices: Sequence[str]) -> int | None:
    """Return which choice a prediction names, from 0; None if it names none or more than one.

    A choice is never guessed, and an empty one is never named.
    """
    return _parse_choice(prediction, tuple(choices))


@lru_cache(maxsize=2**16)
def _parse_choice(prediction: str, choices: tuple[str, ...]) -> int | None:
    text = compose(prediction).strip()
    without_stars = STARS.sub("", text).strip()
    lead_in = LEAD_IN.match(without_stars)
    remainder = without_stars[lead_in.end() :] if lead_in else without_stars
    for reader in READERS:
        letters = reader(text, choices)
        letters |= reader(without_stars, choices) | reader(remainder, choices)
        if len(letters) == 1:
            return letters_of(choices).get(letters.pop())
        if letters:
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
        if not 1 <= len(target.choices) <= MAX_CHOICES:
            raise DataError(
                f"multiple choice needs 1 to {MAX_CHOICES} choices, not {len(target.choices)}:"
                f" check {target}"
            )
        for reference in target.references:
            _check_reference(reference, target.choices)
    return score


def _check_reference(reference: str, choices: tuple[str, ...]) -> None:
    """Raise DataError if a reference names no choice, or one by letter and another by text."""
    index = parse_choice(reference, choices)
    if index is None:
        raise DataError(
            f"reference {reference!r} does not name one of the choices {choices}: correct it"
        )
    text = reference.strip()
    if text in choices and choices[index].strip() != text:
        raise DataError(
            f"reference {reference!r} is the letter of one of the choices {choices} and the text"
            f" of another: write letter and text, such as {text}. {choices[index]}"
        )


METRIC = Metric(bounded=True, prepare=prepare, parses=parses)
