"""VQA accuracy: how many annotators gave the predicted answer, after normalising both sides."""

import re
from collections.abc import Sequence
from functools import lru_cache

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
FULL_STOP = re.compile(r"\.(?!\d)")
FULL_STOPS_REMOVED = (
    32  # the script passes re.UNICODE, which is 32, where re.sub takes the largest count
)
NUMBER_WORDS = (
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
)
DIGITS = {"none": "0"} | {word: str(number) for number, word in enumerate(NUMBER_WORDS)}
ARTICLES = frozenset({"a", "an", "the"})

# The right-hand sides of the official contraction table. Its left-hand sides are these with one apostrophe missing.
CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CONTRACTIONS = {
    word[:position] + word[position + 1 :]: word
    for word in CONTRACTED.split()
    for position, character in enumerate(word)
    if character == "'"
} | {"somebody'd": "somebodyd"}  # the one entry of the official table that goes the other way


def on_one_line(text: str) -> str:
    """Turn line breaks and tabs into spaces and strip the text: what is done to every answer before anything else."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def remove_punctuation(text: str) -> str:
    """Remove or blank punctuation as `processPunctuation` of the official script does.

    A mark that touches a space anywhere, or any mark in a text with a number such as 1,000, is removed; otherwise it
    becomes a space. The first 32 full stops without a digit behind them go.
    """
    has_number_with_comma = re.search(r"\d,\d", text) is not None
    result = text
    for mark in PUNCTUATION:
        touches_space = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if touches_space or has_number_with_comma else " ")
    return FULL_STOP.sub("", result, count=FULL_STOPS_REMOVED)


@lru_cache(maxsize=2**16)
def normalize(text: str) -> str:
    """Lower-case, drop punctuation and articles, write number words as digits, restore apostrophes of contractions.

    Source: `processPunctuation` then `processDigitArticle` of vqaEval.py in the repository GT-Vision-Lab/VQA.
    """
    words = (DIGITS.get(word, word) for word in remove_punctuation(text).lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def agreement(answer: str, references: Sequence[str]) -> float:
    """The mean over annotators of min(1, matches among the other annotators / 3), in [0, 1].

    With n references, k of them matched: (k min(1, (k - 1) / 3) + (n - k) min(1, k / 3)) / n. Two or three references
    cannot give a full score, a single one gives 0.
    """
    n, k = len(references), sum(reference == answer for reference in references)
    return (k * min(1.0, (k - 1) / 3) + (n - k) * min(1.0, k / 3)) / n


def score(prediction: str, target: Target) -> float:
    """Score a prediction in [0, 1] as the official script does.

    Source: Antol et al. 2015 (VQA) and vqaEval.py of GT-Vision-Lab/VQA. As there, the text is normalised only where the
    references differ: where all annotators gave the same answer, "Yes" is wrong against ten times "yes". The metric
    `vqa_normalized` has not this trap.
    """
    answer, references = (
        on_one_line(prediction),
        [on_one_line(reference) for reference in target.references],
    )
    if len(set(references)) > 1:
        answer, references = normalize(answer), [normalize(reference) for reference in references]
    return agreement(answer, references)


def check(targets: Sequence[Target]) -> None:
    """DataError where a target has a single reference: leaving it out leaves none, so that no answer could score."""
    for target in targets:
        if len(target.references) < 2:
            raise DataError(
                f"VQA accuracy needs several references, not only {target.references}: use exact_match"
            )


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check the targets and return the scorer."""
    check(targets)
    return score


METRIC = Metric(version=2, bounded=True, prepare=prepare)
