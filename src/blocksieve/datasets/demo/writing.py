"""Words, labels and where they stand in a picture."""

import random

from blocksieve.datasets.demo.canvas import GRID, Canvas

LABELS = (
    "AREA",
    "CODE",
    "COST",
    "DATE",
    "ITEM",
    "PAGE",
    "RATE",
    "ROOM",
    "SIZE",
    "TIME",
    "UNIT",
    "YEAR",
)
SIGN_COLORS = (("blue", "white"), ("green", "white"), ("black", "yellow"), ("white", "black"))
"""Plate and ink."""
ORDINALS = ("first", "second", "third", "fourth")
VOWELS = "AEIOU"
CONSONANTS = "BCDFGHJKLMNPRSTVWXZ"


def random_word(rng: random.Random, length: int) -> str:
    """Draw a pronounceable word of capital letters."""
    word = ""
    for position in range(length):
        letters = CONSONANTS if position % 2 == 0 else VOWELS
        word += rng.choice(letters)
    return word


def put_word_in_row(canvas: Canvas, word: str, row: int, ink: str, plate: str | None) -> None:
    """Write a word somewhere in a row of the canvas."""
    num_columns = GRID - len(word) + 1
    column = canvas.rng.randrange(num_columns)
    cell = row * GRID + column
    canvas.put_word(word, cell, ink, plate)
