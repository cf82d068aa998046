"""ANLS, against the evaluation script of DocVQA and ST-VQA."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.errors import DataError
from blocksieve.metrics import Target
from blocksieve.metrics.anls import METRIC, score


# Made with the official algorithm: evaluate_method of the Robust Reading Competition's script,
# threshold 0.5.
@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("Hello World", ("hello  world",), 1.0),
        (" hello\nworld ", ("hello world",), 1.0),
        ("Hello Wrld", ("Hello World",), 1 - 1 / 11),
        ("kitten", ("sitting",), 1 - 3 / 7),
        ("ab", ("ax",), 0.5),  # exactly the threshold is kept
        ("ab  ", ("ax",), 0.75),  # the length is that of the raw text
        ("abc", ("xyz",), 0.0),
        ("", ("abc",), 0.0),
        ("", ("",), 1.0),
        (" ", ("",), 1.0),
        ("stra\u00dfe", ("strasse",), 1 - 2 / 7),
        ("\u00df", ("a",), 0.5),  # the upper-cased text is longer
        ("12 May", ("13 June", "12 may"), 1.0),
        ("coca cola", ("coca cola company", "coca-cola"), 1 - 1 / 9),
    ],
)
def test_score(prediction: str, references: tuple[str, ...], expected: float) -> None:
    """1 - NL from the threshold on, 0 below, the best reference counts."""
    assert score(prediction, Target(references)) == pytest.approx(expected)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_invariants(prediction: str, first: str, second: str) -> None:
    """Symmetric, 0 or at least 0.5, 1 for itself, and a further reference never costs."""
    value = score(prediction, Target((first,)))
    assert value == score(first, Target((prediction,)))
    assert value == 0.0 or 0.5 <= value <= 1.0
    assert score(prediction, Target((prediction,))) == 1.0
    assert score(prediction, Target((first, second))) >= value


def test_an_empty_reference_is_refused() -> None:
    """The official script would give an empty answer full marks for it."""
    with pytest.raises(DataError, match="empty"):
        METRIC.prepare([Target(("12 May", " "))])
