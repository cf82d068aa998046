"""Mark where a text mentions choices, so that patterns of reading need not know the choices.

A mention by letter becomes ⟨B⟩, a mention by text ⟨b⟩. "I think B, the red one" is then
"I think ⟨B⟩, the ⟨b⟩ one".
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_uppercase

from blocksieve.metrics.exact_match import DIGITS
from blocksieve.metrics.texts import with_ascii_marks

OPEN, CLOSE = "⟨", "⟩"

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Kana, Chinese characters and Hangul: words that no spaces part."""

# Each is replaced in turn; the comment is an example of what it meets.
CLEANINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(f"[{OPEN}{CLOSE}]"), " "),
    # <think>It may be A</think>B; also a thought that was cut off, or begun by the prompt
    (re.compile(r"\A.*</think>|<think>.*", re.DOTALL), " "),
    # \text{B}
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathsf)\s*\{([^{}]*)\}"), r"\1"),
    # \frac{1}{2}, \sqrt{3}, x^{2}, 2 \times 3, 2*3
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\\sqrt\s*\{([^{}]*)\}"), r"√\1"),
    (re.compile(r"\^\s*\{([^{}]*)\}"), r"^\1"),
    (re.compile(r"\\(?:times|cdot)\b|(?<=\d)\s*\*\s*(?=\d)"), "×"),
    # $\boxed{B}$
    (re.compile(r"\\boxed\s*\{([^{}]*)\}"), r"\nAnswer: \1\n"),
    # <answer>B</answer>
    (re.compile(r"</answer>", re.IGNORECASE), "\n"),
    (re.compile(r"<answer>", re.IGNORECASE), "\nAnswer: "),
    # <|im_end|>, </s>
    (re.compile(r"<\|[^<>|]*\|>|</[A-Za-z_]+>"), "\n"),
    (re.compile(r"<[A-Za-z_]+>"), " "),
    # A turn that the model goes on to write: "B\nUSER: ..."
    (re.compile(r"(?<=\S)\s+(?:USER|User|Human)\s*:.*", re.DOTALL), ""),
    # "A... or B"
    (re.compile(r"\.\.+"), " - "),
    # \( and \), $B$, _B_, 'B'
    (re.compile(r"\\[()\[\]]"), " "),
    (re.compile(r"(?<!\w)[_~$']+([A-Za-z])[_~$']+(?!\w)"), r"\1"),
    # **B**, __B__, `B`, "B"
    (re.compile(r"[*`\"“”„«»「」『』《》]|__|##+"), ""),
    # Assistant: B
    (re.compile(r"\A\s*(?:assistant|model|bot)\s*:", re.IGNORECASE), ""),
    # "Is it St. Louis Sq.?", "Washington, D.C. or ..."
    (re.compile(r"\.(?=\s?[?,;:)]|\s(?:or|and)\b)"), ""),
    # # Answer; > B; - B
    (re.compile(r"(?m)^\s*[#>•-][ \t]+"), ""),
    # 选C
    (re.compile(f"(?<=[{CJK}])(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])(?=[{CJK}])"), " "),
)

# The start of a numbered list: "1. I look.\n2. ..."
NUMBERED = re.compile(r"^\s*1[.)]\s.*^\s*2[.)]\s", re.MULTILINE | re.DOTALL)
LIST_NUMBER = re.compile(r"^\s*\d+[.)][ \t]+", re.MULTILINE)

# "(b)"; "answer: b."; "b) red"
SMALL_LETTER = re.compile(
    r"""
    ( (?<![\w'])\( | \b(?:answer|ans|option|choice|it's|think)(?:\s+is)?[\s:]+\(? | \A\(? )
    ([a-z])
    (?= \s*\Z | \s*\n | [.:;,)]+(?:\s|\Z) )
    """,
    re.VERBOSE | re.IGNORECASE,
)

# A letter that stands alone: not "T-shirt", "U.S.", "A's", "C++".
LETTER = r"(?<![\w'.-])(?P<letter>[A-Z])(?![\w'+#]|-\w|\.[A-Z]\b)"

# "A dog": a word after "A" or "I" makes it the article or the pronoun, unless it is one of these.
AFTER_LETTER = """
    I is isn't are aren't were was or and nor because since as but not seems appears looks would
    could should might may must can can't cannot has does doesn't best fits matches too also rather
    instead only please that which
"""
ARTICLE_FOLLOWED = re.compile(
    rf"[ \t]+(?!(?:{'|'.join(AFTER_LETTER.split())}|(?-i:[A-Z]))\b)[^\W_{CJK}]", re.IGNORECASE
)

# Words that mean a choice at a clause's end only: not in "there is no dog".
FUNCTION_WORDS = frozenset({"no", "not", "none", "nothing", "both", "neither", "either", "all"})

WORD_EDGE_BEFORE = r"(?<![^\W" + CJK + r"])(?<![-'])(?<!\d[.,])"
WORD_EDGE_AFTER = r"(?![^\W" + CJK + r"]|[-'][^\W_]|[.,]\d)"

# A number is no mention within a larger one or a formula: not 3 in "minus 3", "3/4", "x^3", "x+3"
# or "17:03", nor 10 in "10 000".
NUMBER_EDGE_BEFORE = r"(?<![/^√±×÷])(?<![/×÷] )(?<!\d:)(?<![\w)]\+)"
NUMBER_EDGE_BEFORE += r"(?<!minus )(?<!negative )"
NUMBER_EDGE_AFTER = r"(?!\s?[/^×÷]\s?\w|:\d|\+\w|[ \u00a0\u202f]\d{3}(?!\d))"


def simplify(text: str) -> str:
    """Lower-case and strip each word's brackets, quotes and closing punctuation.

    A text of nothing else is kept.
    """
    words = []
    for word in with_ascii_marks(text).lower().split():
        stripped = word.lstrip("([\"'“").rstrip(".,;:!?)]\"'”")
        if stripped:
            words.append(stripped)
    return " ".join(words) or text.strip().lower()


def without_article(text: str) -> str:
    """Drop a leading article that has a word after it.

    So "a cat" is the choice "cat" and never the letter A.
    """
    return re.sub(r"^(?:an?|the)[ \t]+(?=\w)", "", text, flags=re.IGNORECASE)


def clean(text: str) -> str:
    """Bring marks to ASCII and drop thoughts, tags, and the marks of Markdown and LaTeX."""
    cleaned = with_ascii_marks(text)
    for pattern, replacement in CLEANINGS:
        cleaned = pattern.sub(replacement, cleaned)
    if NUMBERED.search(cleaned):
        cleaned = LIST_NUMBER.sub("", cleaned)
    return cleaned.strip()


def letters_of(choices: Sequence[str]) -> dict[str, int]:
    """Return each choice's index by its letter; an empty choice has none."""
    indices = {}
    for index, (letter, choice) in enumerate(zip(ascii_uppercase, choices, strict=False)):
        if choice.strip():
            indices[letter] = index
    return indices


@lru_cache(maxsize=2**12)
def _letters_by_text(choices: tuple[str, ...]) -> dict[str, str]:
    """Return the small letters of the choices with a text, by the text as it is looked for.

    A text that is a single letter is not looked for: within a sentence it is the choice's letter.
    """
    letters: dict[str, str] = {}
    for letter, index in letters_of(choices).items():
        text = simplify(without_article(clean(choices[index]))).replace(" %", "%")
        if not re.fullmatch("[a-z]?", text):
            letters[text] = letters.get(text, "") + letter.lower()
    return letters


@lru_cache(maxsize=2**12)
def _mention_pattern(choices: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of any choice's text (group "text") or any letter (group "letter")."""
    alternatives = []
    # The longest first: "dark red" does not mention "red".
    for text in sorted(_letters_by_text(choices), key=len, reverse=True):
        words = [re.escape(word) for word in text.split()]
        # "New York, NY" is looked for without the marks that `simplify` strips from words.
        alternative = r"[.,;:!?)']*\s+[(']*".join(words)
        # "5 %" is "5%"
        alternative = alternative.replace("%", r"\s?%")
        for word, digits in DIGITS.items():
            # "one" is mostly a pronoun: "the red one".
            if text == digits and word != "one":
                alternative += f"|{word}"
        if text in FUNCTION_WORDS:
            alternative += r"(?=\s*(?:[^\w\s]|\n|\Z|(?:or|and|because|since|as)\b|(?-i:[A-Z])[.)]))"
        if text[0].isdigit():
            alternative = f"{NUMBER_EDGE_BEFORE}(?:{alternative})"
        if text[-1].isdigit():
            alternative = f"(?:{alternative}){NUMBER_EDGE_AFTER}"
        alternatives.append(alternative)
    text_pattern = "|".join(alternatives) or r"(?!)"
    return re.compile(
        rf"(?i:{WORD_EDGE_BEFORE}(?:(?:an?|the)[ \t]+)?(?P<text>{text_pattern}){WORD_EDGE_AFTER}"
        r"(?!\s+(?-i:answer|option|choice)\b))"
        rf"|{LETTER}"
    )


def mark_mentions(text: str, choices: tuple[str, ...]) -> str:
    """Return a cleaned text in which every mention of a choice is marked.

    A letter beyond the choices, or of an empty one, is marked as well: whoever answers with it
    names no choice.
    """
    letters_by_text = _letters_by_text(choices)

    def mark(match: re.Match[str]) -> str:
        """Return the mark of a mention, or what is none as it is."""
        letter = match["letter"]
        if letter is None:
            mentioned = simplify(match["text"]).replace(" %", "%")
            letters = letters_by_text.get(mentioned)
            letters = letters or letters_by_text.get(DIGITS.get(mentioned, ""))
            return OPEN + letters + CLOSE if letters else match[0]
        is_article = letter in "AI" and ARTICLE_FOLLOWED.match(text, match.end())
        is_pronoun = letter == "I" and len(choices) <= ascii_uppercase.index("I")
        if is_article or is_pronoun:
            return letter
        return OPEN + letter + CLOSE

    text = SMALL_LETTER.sub(lambda match: match[1] + match[2].upper(), text)
    marked = _mention_pattern(choices).sub(mark, text)
    # "(⟨B⟩)" becomes "⟨B⟩)"
    return re.sub(rf"[(\[{{]\s*({OPEN}\w+{CLOSE})\s*[)\]}}]", r"\1)", marked)
