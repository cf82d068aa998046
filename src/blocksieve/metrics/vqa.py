"""VQA accuracy: how many annotators gave the predicted answer.

Source: Antol et al. 2015 (VQA) and vqaEval.py in the repository GT-Vision-Lab/VQA.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from blocksieve.errors import DataError
from blocksieve.metrics import Metric, Scorer, Target

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
FULL_STOP = re.compile(r"\.(?!\d)")
# The official script passes re.UNICODE, which is 32, where re.sub takes the largest count.
FULL_STOPS_REMOVED = 32
DIGITS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
ARTICLES = frozenset({"a", "an", "the"})

# The right-hand sides of the official contraction table.
# Its left-hand sides are these words with one apostrophe missing.
CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've
    might've mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
    shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
    someone's something'd something'd've something'll that's there'd there'd've there're there's
    they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're
    what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
    why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're
    you've
"""


def _contraction_table() -> dict[str, str]:
    table = {}
    for word in CONTRACTED.split():
        for position, character in enumerate(word):
            if character == "'":
                misspelled = word[:position] + word[position + 1 :]
                table[misspelled] = word
    # The one entry of the official table that goes the other way.
    table["somebody'd"] = "somebodyd"
    return table


CONTRACTIONS = _contraction_table()


def on_one_line(text: str) -> str:
    """Turn line breaks and tabs into spaces and strip the text.

    The official script does this to every answer before anything else.
    """
    without_breaks = text.replace("\n", " ")
    return without_breaks.replace("\t", " ").strip()


def remove_punctuation(text: str) -> str:
    """Remove or blank punctuation as `processPunctuation` of the official script does.

    A mark that touches a space anywhere is removed, as is every mark of a text with a number such
    as 1,000. Any other mark becomes a space. The first 32 full stops without a digit behind them
    are removed.
    """
    has_number_with_comma = re.search(r"\d,\d", text) is not None
    result = text
    for mark in PUNCTUATION:
        touches_space = f"{mark} " in text or f" {mark}" in text
        is_removed = touches_space or has_number_with_comma
        result = result.replace(mark, "" if is_removed else " ")
    return FULL_STOP.sub("", result, count=FULL_STOPS_REMOVED)


@lru_cache(maxsize=2**16)
def normalize(text: str) -> str:
    """Drop case, punctuation and articles; write number words as digits; restore apostrophes.

    Source: `processPunctuation`, then `processDigitArticle` of the official script.
    """
    plain = remove_punctuation(text).lower()
    words = []
    for raw_word in plain.split():
        word = DIGITS.get(raw_word, raw_word)
        if word not in ARTICLES:
            words.append(CONTRACTIONS.get(word, word))
    return " ".join(words)


def agreement(answer: str, references: Sequence[str]) -> float:
    """Return the mean over annotators of min(1, matches among the remaining ones / 3), in [0, 1].

    With n references, k of them matched, this is
    (k min(1, (k - 1) / 3) + (n - k) min(1, k / 3)) / n.
    Two or three references cannot give a full score; a single one gives 0.
    """
    n = len(references)
    k = sum(reference == answer for reference in references)
    of_matching = min(1.0, (k - 1) / 3)
    of_differing = min(1.0, k / 3)
    return (k * of_matching + (n - k) * of_differing) / n


def score(prediction: str, target: Target) -> float:
    """Return the agreement with the annotators in [0, 1], as the official script computes it.

    As there, texts are normalised only if the references differ: where all annotators gave the same
    answer, "Yes" is wrong against ten times "yes". The metric `vqa_normalized` does not have this
    pitfall.
    """
    answer = on_one_line(prediction)
    references = [on_one_line(reference) for reference in target.references]
    all_agree = len(set(references)) == 1
    if not all_agree:
        answer = normalize(answer)
        references = [normalize(reference) for reference in references]
    return agreement(answer, references)


def check(targets: Sequence[Target]) -> None:
    """Raise DataError if a target has a single reference.

    Leaving that one out leaves none, so that no answer could score.
    """
    for target in targets:
        if len(target.references) < 2:
            raise DataError(
                f"VQA accuracy needs several references, not only {target.references}:"
                " use exact_match"
            )


def prepare(targets: Sequence[Target]) -> Scorer:
    """Check the targets and return the scorer."""
    check(targets)
    return score


METRIC = Metric(bounded=True, prepare=prepare)
