"""CIDEr-D, against values of pycocoevalcap 1.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.errors import DataError
from blocksieve.metrics import Target
from blocksieve.metrics.caption_tokens import tokenize
from blocksieve.metrics.cider import prepare

# Each expected value is what CiderScorer(n=4, sigma=6.0) of pycocoevalcap 1.2 returns:
# `scorer += (candidate, list(references))` for every row in this order, then
# `scorer.compute_score()[1]`.
CORPUS = [
    (
        "a man riding a horse on the beach",
        ("a man riding a horse on the beach", "a person rides a horse along the shore"),
        5.480622583715294,
    ),
    (
        "two dogs play with a red ball",
        (
            "two dogs are playing with a ball",
            "dogs chase a red ball in the grass",
            "two brown dogs play in a park",
        ),
        2.208942029079319,
    ),
    ("a cat", ("a cat sleeps on a sofa", "a grey cat is asleep on the couch"), 1.4052340031121924),
    (
        "the the the bus bus bus",
        ("a bus parked on the street", "the red bus waits at a stop"),
        0.4443872975804281,
    ),
    ("", ("a plate of food on a table",), 0.0),
    ("a slice of pizza on a plate", ("a slice of pizza on a plate",), 10.0),
]
TARGETS = [Target(references) for _, references, _ in CORPUS]


@pytest.mark.parametrize(("candidate", "references", "expected"), CORPUS)
def test_equals_pycocoevalcap(candidate: str, references: tuple[str, ...], expected: float) -> None:
    """Counts, document frequencies, clipping, length penalty and scale of the official scorer."""
    assert prepare(TARGETS)(candidate, Target(references)) == pytest.approx(expected, abs=1e-12)


# Made with the PTBTokenizer (-preserveLines -lowerCase) of stanford-corenlp-3.4.1, as pycocoevalcap
# 1.2 calls it, less the tokens on its punctuation list.
@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("A man (with a hat) isn't riding a horse-drawn cart.",
         "a man -lrb- with a hat -rrb- is n't riding a horse-drawn cart"),
        ("The dog's ball, and the dogs' bed; it's 3.5 feet long & costs $1,000!",
         "the dog 's ball and the dogs bed it 's 3.5 feet long & costs $ 1,000"),
        ("He cannot see; they're gonna wanna go... I'd've gone -- we'll see",
         "he can not see they 're gon na wan na go i 'd 've gone we 'll see"),
        ('A "stop" sign at 5:30 p.m. near St. Louis, U.S.',
         "a stop sign at 5:30 p.m. near st. louis u.s."),
        ("two 1/2 cups of a [red] {blue} x=3+4",
         "two 1/2 cups of a -lsb- red -rsb- -lcb- blue -rcb- x = 3 +4"),
        ("a sign: “hello” \u2013 it\u2019s closed…", "a sign hello it 's closed"),
        ("a woman,man and child w/ a t-shirt", "a woman man and child w / a t-shirt"),
        ("A dog sits.The end... B. Obama, Jan. 5, on Main St. at No. 7!! vs. bus no.",
         "a dog sits.the end b. obama jan. 5 on main st. at no. 7 !! vs. bus no"),
        ("'90s A&W ad: fish 'n' chips for £5, ½ off at 12:30pm **now** 😀",
         "'90s a&w ad fish 'n' chips for # 5 1/2 off at 12:30 pm ** now **"),
        ("'Tis www.x.com/a or https://x.y/z. #tag y'all can't <unk>",
         "'t is www.x.com / a or https://x.y/z #tag y' all ca n't <unk>"),
    ],
)  # fmt: skip
def test_tokenize(caption: str, tokens: str) -> None:
    """The tokens of the official tokenizer."""
    assert tokenize(caption) == tokens.split()


def test_one_target_scores_zero_and_none_is_refused() -> None:
    """log(1) = 0 leaves no weight, as in the official scorer."""
    assert prepare([TARGETS[0]])(CORPUS[0][0], TARGETS[0]) == 0.0
    with pytest.raises(DataError):
        prepare([])


@given(
    st.lists(st.sampled_from(["a", "dog", "ball", "red", "runs", "zebra", ".", "!"]), max_size=12)
)
def test_invariants(words: list[str]) -> None:
    """Within 0 and 10; case and punctuation do not matter; a caption scores the same twice."""
    scorer = prepare(TARGETS)
    caption = " ".join(words)
    value = scorer(caption, TARGETS[1])
    assert 0.0 <= value <= 10.0
    assert scorer(f"{caption.upper()} .", TARGETS[1]) == value
    assert scorer(caption, TARGETS[1]) == value
