"""Render a sample's prompt text from its dataset's template."""

from collections.abc import Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def render_prompt(template: str, question: str, choices: Sequence[str] = ()) -> str:
    """Fill `{question}` and `{choices}` into a template; choices become lettered lines (`A. red`).

    An empty choice has no line, but keeps its letter: those of the others do not move.
    The filled-in texts may themselves hold braces, so they are never searched for fields.
    """
    lines = []
    for letter, choice in zip(LETTERS, choices, strict=False):
        if choice.strip():
            lines.append(f"{letter}. {choice}")
    lettered = "\n".join(lines)
    parts = []
    for part in template.split("{choices}"):
        parts.append(part.replace("{question}", question))
    return lettered.join(parts).strip()
