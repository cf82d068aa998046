"""Exact match after a light normalisation."""

import pytest

from blocksieve.metrics import Target
from blocksieve.metrics.exact_match import score


@pytest.mark.parametrize("prediction", ["3", "3.", " three ", "Three!", "THREE"])
@pytest.mark.parametrize("reference", ["3", "three", "3."])
def test_spellings_of_a_count_are_equal(prediction: str, reference: str) -> None:
    """Digits, number words, case and terminal punctuation do not matter."""
    assert score(prediction, Target((reference,))) == 1.0


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("twenty", ("20",), 1.0),
        ("thirteen  dogs", ("13 dogs",), 1.0),
        ("zero", ("0",), 1.0),
        ("2", ("3", "2"), 1.0),
        ("13", ("3",), 0.0),
        ("3.5", ("3",), 0.0),
        ("3 or 4", ("3",), 0.0),
        ("", ("3",), 0.0),
        ("someone", ("some1",), 0.0),
        ("Red", ("red",), 1.0),
        ("cafe\u0301", ("caf\u00e9",), 1.0),
        ("CAFE\u0301.", ("caf\u00e9",), 1.0),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", ("\ud55c\uae00",), 1.0),
        ("\u4e09\u3002", ("\u4e09",), 1.0),
        ("\u662f\uff01", ("\u662f",), 1.0),
        ("\u7ea2\u8272\uff0e", ("\u7ea2\u8272\u3002",), 1.0),
        ("3\u3002", ("three",), 1.0),
        ("red \u2026", ("red",), 1.0),
        ("", ("",), 0.0),
        (" ", ("", "red"), 0.0),
        (".", ("",), 0.0),
        (".", ("!",), 0.0),
        ("?", ("?",), 1.0),
    ],
)
def test_score(prediction: str, references: tuple[str, ...], expected: float) -> None:
    """Only the whole answer counts, and any reference will do."""
    assert score(prediction, Target(references)) == expected
