"""Reading drills: pictures whose every tile is named in order.

That dense supervision teaches what a patch shows. They come before the demo tasks and are not part
of any dataset. They ask all that there is to ask.
"""

import random

from blocksieve.datasets.demo.canvas import (
    COLORS,
    GRID,
    INKS,
    LETTERS,
    SHAPES,
    Canvas,
    Thing,
    digit_images,
)
from blocksieve.datasets.demo.picture import Picture, Question
from blocksieve.datasets.demo.writing import LABELS, ORDINALS, SIGN_COLORS

CELLS = range(GRID * GRID)


def things(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Name colour and shape tile by tile.

    An empty tile is `no no`, so that the answer's n-th pair is the n-th tile.
    """
    canvas = Canvas(rng)
    share, names = rng.random(), []
    for cell in CELLS:
        thing = Thing(rng.choice(SHAPES), rng.choice(tuple(COLORS)), cell)
        present = rng.random() < share
        if present:
            canvas.put_thing(thing)
        names.append(thing.name if present else "no no")
    return Picture(canvas.pixels, [Question("objects", (" ".join(names),), "drill")])


def letters(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Spell four rows of four letters, each row in its own ink."""
    canvas, words = Canvas(rng), []
    for row in range(GRID):
        word = "".join(rng.choices(LETTERS, k=GRID))
        plate, ink = rng.choice(
            [(None, rng.choice(INKS)), ("blue", "white"), ("black", "yellow"), ("white", "black")]
        )
        canvas.put_word(word, row * GRID, ink, plate)
        words.append(word)
    return Picture(canvas.pixels, [Question("letters", (" ".join(words),), "drill")])


def form(
    canvas: Canvas, rng: random.Random, rows: int, holdout: bool
) -> dict[str, tuple[str, str]]:
    """Draw a form of some rows, and return every label's (ordinal, value), by row."""
    entries = {}
    numbers = sorted(rng.sample(range(GRID), rows))
    labels = rng.sample(LABELS, rows)
    for row, label in zip(numbers, labels, strict=True):
        value = f"{rng.randrange(100):02d}"
        canvas.put_label(label, row * GRID)
        for offset, digit in enumerate(value):
            canvas.put_digit(rng.choice(digit_images(holdout)[int(digit)]), row * GRID + 2 + offset)
        entries[label.lower()] = (ORDINALS[row], value)
    return entries


def digits(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Read a whole form: label and value row by row."""
    canvas = Canvas(rng)
    entries = form(canvas, rng, GRID, holdout)
    text = " ".join(f"{label} {value}" for label, (_, value) in entries.items())
    return Picture(canvas.pixels, [Question("form", (text,), "drill")])


def rows(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Say of every label in which row it stands."""
    canvas = Canvas(rng)
    entries = form(canvas, rng, GRID, holdout)
    questions = [
        Question(f"where is the {label}?", (row,), "drill") for label, (row, _) in entries.items()
    ]
    return Picture(canvas.pixels, questions)


def values(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Read the value of every row."""
    canvas = Canvas(rng)
    entries = form(canvas, rng, rng.randrange(1, GRID + 1), holdout)
    questions = [
        Question(f"what is the {row}?", (value,), "drill") for row, value in entries.values()
    ]
    return Picture(canvas.pixels, questions)


def lookup(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Look every label up: its row, and the value there."""
    canvas = Canvas(rng)
    entries = form(canvas, rng, rng.randrange(2, GRID + 1), holdout)
    questions = [
        Question(f"form {label}", (" ".join(entry),), "drill") for label, entry in entries.items()
    ]
    return Picture(canvas.pixels, questions)


LABEL_HALVES = tuple(sorted({half for label in LABELS for half in (label[:2], label[2:])}))
TILE_COLORS = ("no", *COLORS)
TILE_CONTENTS = ("no", *SHAPES, *LETTERS, *LABEL_HALVES, *"0123456789")


def tiles(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Fill each tile with an object, a letter, half a label, a digit, or nothing.

    Each tile has two words, one of TILE_COLORS and one of TILE_CONTENTS. This is no lesson: the
    vision tower learns it before the lessons.
    """
    canvas = Canvas(rng)
    names = []
    for cell in CELLS:
        color, content = rng.choice(tuple(COLORS)), "no"
        kind = rng.choice(("thing", "letter", "label", "digit", "no"))
        if kind == "thing":
            content = rng.choice(SHAPES)
            canvas.put_thing(Thing(content, color, cell))
        elif kind == "letter":
            content = rng.choice(LETTERS)
            plate, color = rng.choice([(None, rng.choice(INKS)), *SIGN_COLORS])
            canvas.put_word(content, cell, color, plate)
        elif kind == "label":
            content, color = rng.choice(LABEL_HALVES), "black"
            canvas.put_label(content, cell)
        elif kind == "digit":
            content, color = rng.choice("0123456789"), "black"
            canvas.put_digit(rng.choice(digit_images(holdout)[int(content)]), cell)
        else:
            color = "no"
        names.append(f"{color} {content}")
    if rng.random() < 0.3:
        canvas.spoil(0.6)
    return Picture(canvas.pixels, [Question("tiles", (" ".join(names),), "drill")])


DRILLS = {
    "things": things,
    "letters": letters,
    "digits": digits,
    "rows": rows,
    "values": values,
    "lookup": lookup,
}
