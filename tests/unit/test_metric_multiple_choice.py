"""Multiple choice: what is read as a choice, and what is not."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.datasets.prompts import render_prompt
from blocksieve.errors import DataError
from blocksieve.metrics import Target
from blocksieve.metrics.multiple_choice import METRIC, parse_choice

CHOICES = ("green", "red", "a cat", "the dog house")
READ_LONG_TEXTS = f"""
import sys
from blocksieve.metrics.multiple_choice import parse_choice
for words in sys.argv[1:]:
    print(parse_choice(words * 600, {CHOICES}))
"""


@pytest.mark.parametrize(
    "prediction",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "B)",
        "[B]",
        "**B**",
        "Option B",
        " B\n",
        "Answer: B",
        "The answer is B",
        "The correct option is (B).",
        "answer: b",
        "red",
        "Red.",
        "The answer is red",
        '"red"',
        "Answer: (B) red",
        "b) red",
        "(b) red",
        "B. red",
        "B: Red.",
        "B red",
        "B) because it is red",
        "B. A man points at it",
    ],
)
def test_second_choice(prediction: str) -> None:
    """A letter, the choice's text, or both, with the usual lead-in."""
    assert parse_choice(prediction, CHOICES) == 1


@pytest.mark.parametrize(
    "prediction",
    [
        "",
        " ",
        ".",
        "E",
        "I",
        "yes",
        "not B",
        "blue",
        "a dog",
        "bread",
        "A or B",
        "A, B",
        "B) or A)",
        "Answer: A. Answer: B",
        "red or green",
        "B. green",
        "B) A",
        "A: red",
        "(a) cat",
    ],
)
def test_unparsable_or_ambiguous(prediction: str) -> None:
    """Nothing, something else, or two choices: never guessed."""
    assert parse_choice(prediction, CHOICES) is None
    assert METRIC.prepare([Target(("B",), CHOICES)])(prediction, Target(("B",), CHOICES)) == 0.0


@pytest.mark.parametrize(
    "prediction", ["a cat", "A cat", "cat", "the cat.", "C", "The answer is a cat"]
)
def test_article_is_not_the_letter_a(prediction: str) -> None:
    """An article before a choice's text does not name the first choice; a lone "a" does."""
    assert parse_choice(prediction, CHOICES) == 2
    assert parse_choice("a", CHOICES) == 0


def test_awkward_choices() -> None:
    """Texts that are letters, symbols or differ only in punctuation."""
    assert parse_choice("A", ("B", "A")) == 0  # the letter that the prompt asks for
    assert parse_choice("B. A", ("B", "A")) == 1
    assert parse_choice("A", ("A", "B")) == 0
    assert parse_choice("Option B", ("Option B", "Option A")) is None
    assert parse_choice("*", ("+", "-", "*")) == 2
    assert parse_choice("", ("+", "-", "*")) is None
    assert parse_choice("+", ("+", "-")) == 0
    assert parse_choice(".5", ("5", ".5")) == 1
    assert parse_choice("cat", ("cat", "cat")) is None


SIX = ("Six", "", "One", "Ten")


@pytest.mark.parametrize(
    ("prediction", "index"),
    [("", None), (" ", None), (".", None), ("B", None), ("B or C", None), ("C", 2), ("One", 2)],
)
def test_an_empty_choice_keeps_its_letter_and_is_never_named(
    prediction: str, index: int | None
) -> None:
    """The letters behind it do not move, in the prompt as in the reading."""
    assert parse_choice(prediction, SIX) == index
    assert render_prompt("{choices}", "?", SIX) == "A. Six\nC. One\nD. Ten"


def test_a_reference_to_an_empty_choice_is_refused() -> None:
    """Nothing could be right."""
    for reference in ("B", "", " "):
        with pytest.raises(DataError, match="does not name one"):
            METRIC.prepare([Target((reference,), SIX)])


def test_a_reference_that_is_a_letter_and_another_text_is_refused() -> None:
    """Written with letter and text it is not ambiguous."""
    choices = ("D", "B", "A", "C")
    with pytest.raises(DataError, match=r"such as C\. A"):
        METRIC.prepare([Target(("C",), choices)])
    target = Target(("C. A",), choices)
    scorer = METRIC.prepare([target])
    assert [scorer(prediction, target) for prediction in ("C", "(C)", "D", "A")] == [1, 1, 0, 0]
    METRIC.prepare([Target(("B",), choices)])


@pytest.mark.parametrize("reference", ["B", "(b)", "red"])
def test_reference_is_a_letter_or_a_text(reference: str) -> None:
    """Both kinds of reference score the same predictions."""
    target = Target((reference,), CHOICES)
    scorer = METRIC.prepare([target])
    scores = [scorer(prediction, target) for prediction in ("B", "red", "A", "?")]
    assert scores == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "target", [Target(("B",)), Target(("blue",), CHOICES), Target(("B",), ("x",) * 27)]
)
def test_unusable_targets_are_refused(target: Target) -> None:
    """No choices, too many, or a reference that is none of them."""
    with pytest.raises(DataError):
        METRIC.prepare([target])


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6), st.text(max_size=12))
def test_result_is_a_choice_or_none(choices: list[str], prediction: str) -> None:
    """Any text gives None or a valid position."""
    index = parse_choice(prediction, choices)
    assert index is None or 0 <= index < len(choices)


def test_long_repetitions_are_read_in_time() -> None:
    """No pattern takes more than linear or mildly quadratic time."""
    repeated = ["A ", "A or ", "red, ", "the answer is ", "is ", "(", "so \n"]
    command = [sys.executable, "-c", READ_LONG_TEXTS, *repeated]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) <= {"None", "0", "1"}
