"""What texts are brought to before they are compared: NFC, and marks of known widths."""

import unicodedata

CLOSING_PUNCTUATION = ".,;:!? 。．｡，､、；：！？…"
"""What may end an answer without being part of it, full-width marks among it."""

FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""The full-width forms of the printable ASCII characters."""

ASCII_MARKS = str.maketrans(
    {
        "\u3000": " ",
        "。": ". ",
        "｡": ". ",
        "、": ", ",
        "､": ", ",
        "…": "...",
        "’": "'",
        "‘": "'",
        "–": "-",
        "\u2010": "-",
        "\u2011": "-",
        "\u2212": "-",
        "\ufe63": "-",
        "—": " - ",
        "【": "[",
        "】": "]",
        "〔": "[",
        "〕": "]",
    }
)


def compose(text: str) -> str:
    """Return a text in NFC: an accent that is a character of its own joins its letter."""
    return unicodedata.normalize("NFC", text)


def with_ascii_marks(text: str) -> str:
    """Return a composed text whose full-width and Chinese marks are those of ASCII."""
    return compose(text).translate(FULL_WIDTH).translate(ASCII_MARKS)
