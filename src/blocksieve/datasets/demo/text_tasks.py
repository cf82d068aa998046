"""Tasks about what is written: words, signs and forms, from level 0 (look) to level 4.

Each is a function `(rng, level, holdout, most) -> Picture`, which asks `most` questions or fewer.
The questions of a level include those of the levels below it.
"""

import random
from dataclasses import dataclass

from blocksieve.datasets.demo.canvas import GRID, INKS, Canvas, Thing, digit_images
from blocksieve.datasets.demo.picture import (
    MOST_QUESTIONS,
    TOP_LEVEL,
    Picture,
    Query,
    Question,
    Task,
    ask,
    with_annotators,
)
from blocksieve.datasets.demo.scenes import CELLS, random_kind
from blocksieve.datasets.demo.writing import (
    LABELS,
    ORDINALS,
    SIGN_COLORS,
    put_word_in_row,
    random_word,
)


@dataclass(frozen=True)
class Word:
    """A written word: its letters, its ink, and its place in the order from the top."""

    letters: str
    ink: str
    place: int

    @property
    def names(self) -> tuple[str, str]:
        """Both ways to name it."""
        return f"the {self.ink} word", f"the {ORDINALS[self.place]} word"


def text_vqa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw questions about one of some written words.

    They ask for the word (level 0), its last letter (1), the word above or below it (2), for the
    word backwards (3), and for the first or last word in the alphabet (4).
    """
    canvas = Canvas(rng)
    words = write_words(canvas, level)
    kinds = [read_word, last_letter, next_word, backwards, alphabet]
    queries = ask(rng, words, kinds[: level + 1], most)
    questions = [with_annotators(rng, query, kind) for kind, query in queries]
    return Picture(canvas.pixels, questions)


def write_words(canvas: Canvas, level: int) -> list[Word]:
    """Write one or two words at level 0, and up to four at higher levels."""
    rng = canvas.rng
    fewest = 1 if level == 0 else 2
    most = min(2 + level, GRID)
    count = rng.randint(fewest, most)
    rows = sorted(rng.sample(range(GRID), count))
    inks = rng.sample(INKS, count)
    words = []
    for place, (row, ink) in enumerate(zip(rows, inks, strict=True)):
        letters = word_of_level(rng, level)
        put_word_in_row(canvas, letters, row, ink, plate=None)
        words.append(Word(letters, ink, place))
    return words


def word_of_level(rng: random.Random, level: int) -> str:
    """Draw a word of two to four letters at level 0, of three or four above."""
    shortest = 2 if level == 0 else 3
    length = rng.randint(shortest, GRID)
    return random_word(rng, length)


def read_word(rng: random.Random, words: list[Word]) -> Query:
    """Ask for a word."""
    word = rng.choice(words)
    name = rng.choice(word.names)
    return Query(f"what is {name}?", word.letters)


def last_letter(rng: random.Random, words: list[Word]) -> Query:
    """Ask for the last letter of a word."""
    word = rng.choice(words)
    name = rng.choice(word.names)
    return Query(f"what is the last letter of {name}?", word.letters[-1])


def next_word(rng: random.Random, words: list[Word]) -> Query:
    """Ask for the word above or below a word."""
    first = rng.randrange(len(words) - 1)
    upper = words[first]
    lower = words[first + 1]
    if rng.random() < 0.5:
        return Query(f"what is below the {upper.ink} word?", lower.letters)
    return Query(f"what is above the {lower.ink} word?", upper.letters)


def backwards(rng: random.Random, words: list[Word]) -> Query:
    """Ask for a word backwards."""
    word = rng.choice(words)
    name = rng.choice(word.names)
    return Query(f"what is {name} backwards?", word.letters[::-1])


def alphabet(rng: random.Random, words: list[Word]) -> Query:
    """Ask for the first or the last word in the alphabet."""
    in_order = sorted(word.letters for word in words)
    if rng.random() < 0.5:
        return Query("which word is first in the alphabet?", in_order[0])
    return Query("which word is last in the alphabet?", in_order[-1])


def st_qa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw signs to read among objects: more lines, then a second sign, and a worse picture."""
    canvas = Canvas(rng)
    most_lines = min(1 + level, 3)
    num_lines = rng.randint(1, most_lines)
    first_row = rng.randrange(GRID - num_lines + 1)
    rows = range(first_row, first_row + num_lines)
    has_two_signs = level >= 2 and num_lines > 1 and rng.random() < 0.5
    num_signs = 2 if has_two_signs else 1
    signs = rng.sample(SIGN_COLORS, num_signs)
    words: dict[str, list[str]] = {plate: [] for plate, _ in signs}
    for line, row in enumerate(rows):
        plate, ink = signs[line % num_signs]
        word = word_of_level(rng, level)
        put_word_in_row(canvas, word, row, ink, plate)
        words[plate].append(word)
    free_cells = [cell for cell in CELLS if cell // GRID not in rows]
    scatter_things(canvas, free_cells, most=level)
    canvas.spoil(0.15 * level)
    plate = rng.choice(signs)[0]
    sign = f"{plate} sign" if has_two_signs else "sign"
    text = " ".join(words[plate])
    question = Question(f"what does the {sign} say?", (text,), sign)
    return Picture(canvas.pixels, [question])


def scatter_things(canvas: Canvas, cells: list[int], most: int) -> None:
    """Draw up to so many objects into some cells."""
    rng = canvas.rng
    count = min(rng.randint(0, most), len(cells))
    for cell in rng.sample(cells, count):
        shape, color = random_kind(rng)
        canvas.put_thing(Thing(shape, color, cell))


@dataclass(frozen=True)
class Entry:
    """One row of a form: its label, and its handwritten value of two digits."""

    label: str
    value: int


def doc_qa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw a small printed form with handwritten values, and questions about it.

    They ask for a value by its label (levels 0 and 1), for the value above or below (2), for the
    label of a value (3), and for the largest, the smallest, or a sum (4).
    """
    canvas = Canvas(rng)
    fewest = 1 if level == 0 else 2
    most_rows = min(1 + level, GRID)
    count = rng.randint(fewest, most_rows)
    entries = fill_form(canvas, count, holdout)
    kinds = [look_up, look_up, next_value, label_of, extreme, total]
    if level < TOP_LEVEL:
        kinds = kinds[: level + 1]
    queries = ask(rng, entries, kinds, most)
    questions = []
    for kind, query in queries:
        questions.append(Question(query.question, (query.answer,), kind))
    return Picture(canvas.pixels, questions)


def fill_form(canvas: Canvas, count: int, holdout: bool) -> list[Entry]:
    """Draw rows of a form: the label in two tiles, the two digits in the next two."""
    rng = canvas.rng
    rows = sorted(rng.sample(range(GRID), count))
    labels = rng.sample(LABELS, count)
    values = rng.sample(range(10, 100), count)
    entries = []
    for row, label, value in zip(rows, labels, values, strict=True):
        label_cell = row * GRID
        canvas.put_label(label, label_cell)
        for digit_cell, digit in enumerate(str(value), start=label_cell + 2):
            images = digit_images(holdout)[int(digit)]
            canvas.put_digit(rng.choice(images), digit_cell)
        entries.append(Entry(label.lower(), value))
    return entries


def look_up(rng: random.Random, entries: list[Entry]) -> Query:
    """Ask for the value of a label."""
    entry = rng.choice(entries)
    return Query(f"what is the {entry.label}?", str(entry.value))


def next_value(rng: random.Random, entries: list[Entry]) -> Query:
    """Ask for the value above or below a label's."""
    first = rng.randrange(len(entries) - 1)
    upper = entries[first]
    lower = entries[first + 1]
    if rng.random() < 0.5:
        return Query(f"what is below the {upper.label}?", str(lower.value))
    return Query(f"what is above the {lower.label}?", str(upper.value))


def label_of(rng: random.Random, entries: list[Entry]) -> Query:
    """Ask for the label of a value."""
    entry = rng.choice(entries)
    return Query(f"what is {entry.value}?", entry.label)


def extreme(rng: random.Random, entries: list[Entry]) -> Query:
    """Ask for the largest or the smallest value, or for its label."""
    in_order = sorted(entries, key=lambda entry: entry.value)
    name = rng.choice(("smallest", "largest"))
    entry = in_order[0] if name == "smallest" else in_order[-1]
    if rng.random() < 0.5:
        return Query(f"what is the {name} value?", str(entry.value))
    return Query(f"which item has the {name} value?", entry.label)


def total(rng: random.Random, entries: list[Entry]) -> Query:
    """Ask for the sum of two values."""
    first, second = rng.sample(entries, 2)
    question = f"what is the {first.label} plus the {second.label}?"
    return Query(question, str(first.value + second.value))


TEXT_TASKS: dict[str, Task] = {
    "text_vqa": text_vqa,
    "st_qa": st_qa,
    "doc_qa": doc_qa,
}
