"""Render a sample's prompt text from its dataset's template."""

from collections.abc import Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def render_prompt(template: str, question: str, choices: Sequence[str] = ()) -> str:
    """Fill `{question}` and `{choices}`; choices become lettered lines (`A. red`).

    The filled-in texts may themselves hold braces: the template is split, never formatted twice.
    """
    lettered = "\n".join(
        f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False)
    )
    parts = template.split("{choices}")
    return lettered.join(part.replace("{question}", question) for part in parts).strip()
