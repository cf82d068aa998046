"""VQA accuracy, against values of the official script."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.errors import DataError
from blocksieve.metrics import Target, load_metric, vqa, vqa_normalized
from blocksieve.metrics.vqa import CONTRACTIONS, normalize, score


@pytest.mark.parametrize(
    ("matches", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0), (10, 1.0)]
)
def test_ten_references_give_the_published_steps(matches: int, expected: float) -> None:
    """The leave-one-out mean with ten annotators: 0, 0.3, 0.6, 0.9, 1."""
    references = ("cat",) * matches + tuple(f"other {number}" for number in range(10 - matches))
    assert score("cat", Target(references)) == pytest.approx(expected)


# Made with processPunctuation and processDigitArticle of GT-Vision-Lab/VQA, vqaEval.py.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", "yes"),
        ("The cat", "cat"),
        ("two", "2"),
        ("None", "0"),
        ("1,000", "1000"),
        ("1,000 - 2,000", "1000 2000"),
        ("2.5", "2.5"),
        (".5", ".5"),
        ("3.", "3"),
        ("T-shirt", "t shirt"),
        ("red/blue", "red blue"),
        ("red, blue", "red blue"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("U.S.", "us"),
        ("5:30", "5:30"),
        ("." * 34 + "x", "..x"),
    ],
)
def test_normalize(text: str, expected: str) -> None:
    """Punctuation, digits, articles, contractions and 32 full stops as in the official script."""
    assert normalize(text) == expected


# Made with the official algorithms: evaluate() of vqaEval.py, and EvalAIAnswerProcessor with
# TextVQA's evaluation.
@pytest.mark.parametrize(
    ("prediction", "references", "official", "normalized"),
    [
        ("Yes.", ("yes",) * 10, 0.0, 1.0),
        ("yes", ("yes",) * 10, 1.0, 1.0),
        (" yes\n", ("yes",) * 10, 1.0, 1.0),
        ("t shirt", ("T-shirt",) * 10, 0.0, 1.0),
        ("T-shirt", ("T-shirt",) * 10, 1.0, 1.0),
        ("Yes.", ("yes",) * 9 + ("no",), 1.0, 1.0),
        ("Two", ("2",) * 3 + ("3",) * 7, 0.9, 0.9),
        ("a\tdog", ("dog", "a dog", "the dog") + ("cat",) * 7, 0.9, 0.9),
        ("men's", ("men 's",) * 2 + ("boys",) * 8, 0.0, 0.6),
        ("1,5", ("15",) * 5 + ("1 5",) * 5, 1.0, 1.0),
        ("red,blue", ("red blue",) * 5 + ("redblue",) * 5, 1.0, 1.0),
        ("dont", ("don't", "dont", "do not") * 3, 1.0, 1.0),
        ("", ("", "a", "the") * 3, 1.0, 1.0),
        ("cat", ("cat",), 0.0, 0.0),
        ("cat", ("cat", "cat"), 1 / 3, 1 / 3),
        ("cat", ("cat", "cat", "dog"), 4 / 9, 4 / 9),
    ],
)
def test_equals_the_official_scripts(
    prediction: str, references: tuple[str, ...], official: float, normalized: float
) -> None:
    """Normalised only where the references differ, or always."""
    assert vqa.score(prediction, Target(references)) == pytest.approx(official)
    assert vqa_normalized.score(prediction, Target(references)) == pytest.approx(normalized)


def test_contraction_table_has_every_official_entry_that_can_apply() -> None:
    """The official table has 114 entries that are lower-case and change the word.

    Words are lower-cased before they are looked up.
    """
    assert len(CONTRACTIONS) == 114
    assert all(
        word == word.lower() and word != contracted for word, contracted in CONTRACTIONS.items()
    )


@pytest.mark.parametrize("name", ["vqa", "vqa_normalized"])
def test_a_single_reference_is_refused(name: str) -> None:
    """Nothing could score against it: leaving it out leaves none."""
    with pytest.raises(DataError, match="several references"):
        load_metric(name).prepare([Target(("cat",))])


@pytest.mark.parametrize("scorer", [vqa.score, vqa_normalized.score])
@given(
    references=st.lists(
        st.sampled_from(["cat", "dog", "two", "2", "a cat"]), min_size=2, max_size=12
    )
)
def test_equals_the_leave_one_out_definition(
    scorer: Callable[[str, Target], float], references: list[str]
) -> None:
    """The closed form is the mean over the leave-one-out subsets."""
    apart = len(set(references)) > 1 or scorer is vqa_normalized.score
    matches = [(normalize(reference) if apart else reference) == "cat" for reference in references]
    subsets = [
        min(1.0, sum(matches[:left_out] + matches[left_out + 1 :]) / 3)
        for left_out in range(len(matches))
    ]
    assert scorer("cat", Target(tuple(references))) == pytest.approx(sum(subsets) / len(subsets))


def test_more_matches_never_score_less() -> None:
    """The score is monotone in the number of matching references."""
    scores = [score("x", Target(("x",) * k + ("y",) * (7 - k))) for k in range(8)]
    assert all(low <= high for low, high in pairwise(scores))
