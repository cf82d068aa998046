"""The eight demo tasks: each draws one picture and asks its questions about it.

A task is a function `(rng, level, held_out) -> Picture`. `level` 0 is the smallest case (where training starts), 2 what
the datasets hold. The same functions serve training and the datasets: `draw` keeps the two apart by the picture's hash.
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blocksieve.datasets.demo.canvas import COLORS, GRID, INKS, SHAPES, Canvas, Thing, digit_images

FRUIT = {
    "red": ("apple", "cherry"),
    "green": ("lime", "kiwi"),
    "blue": ("blueberry", "blueberries"),
    "yellow": ("banana", "lemon"),
    "purple": ("grape", "plum"),
    "orange": ("tangerine", "mandarin"),
    "black": ("blackberry", "blackberries"),
    "white": ("coconut", "lychee"),
}
ANIMAL = {
    "red": ("lobster", "crab"),
    "green": ("frog", "lizard"),
    "blue": ("whale", "bluebird"),
    "yellow": ("canary", "chick"),
    "purple": ("starfish", "urchin"),
    "orange": ("tiger", "fox"),
    "black": ("raven", "crow"),
    "white": ("swan", "polar bear"),
}
USE = {
    "circle": ("wheel", "ball"),
    "square": ("box", "window"),
    "triangle": ("roof", "tent"),
    "star": ("badge", "medal"),
    "cross": ("hospital", "pharmacy"),
    "diamond": ("kite", "jewel"),
}
SYNONYMS = {
    "purple": "violet",
    "square": "box",
    "diamond": "rhombus",
    "cross": "plus",
    "yes": "yeah",
    "no": "nope",
}
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
ORDINALS = ("first", "second", "third", "fourth")
CHOICE_LETTERS = "ABCD"
CAPTION_STYLES = (
    "{}",
    "there is {}",
    "a picture of {}",
    "the image shows {}",
    "{} on a plain ground",
)
VOWELS, CONSONANTS = "AEIOU", "BCDFGHJKLMNPRSTVWXZ"


@dataclass(frozen=True)
class Question:
    """One question; `references` are the accepted answers, the first being the plainest; `kind` names the sub-task."""

    question: str
    references: tuple[str, ...]
    kind: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """Pixels uint8 [64, 64, 3] and the questions about them."""

    pixels: np.ndarray
    questions: list[Question]


def scene(rng: random.Random, count: int, distinct: bool = True) -> list[Thing]:
    """Objects in reading order on different tiles; `distinct`: no two of the same colour and shape."""
    kinds = [(shape, color) for shape in SHAPES for color in COLORS]
    if distinct:
        picked = rng.sample(kinds, count)
    else:
        few = rng.sample(kinds, 2) + [(rng.choice(SHAPES), rng.choice(tuple(COLORS)))]
        picked = [
            rng.choice(few) if rng.random() < 0.7 else rng.choice(kinds) for _ in range(count)
        ]
    cells = sorted(rng.sample(range(GRID * GRID), count))
    return [Thing(shape, color, cell) for (shape, color), cell in zip(picked, cells, strict=True)]


def paint(rng: random.Random, things: list[Thing]) -> np.ndarray:
    """The pixels of a scene."""
    canvas = Canvas(rng)
    for thing in things:
        canvas.put_thing(thing)
    return canvas.pixels


def annotators(rng: random.Random, answer: str, other: str) -> tuple[str, ...]:
    """Ten annotators' answers as in VQA: seven to ten say `answer`, the rest `other`."""
    agreeing = rng.randrange(7, 11)
    return tuple([answer] * agreeing + [other] * (10 - agreeing))


def unique(things: list[Thing], attribute: str) -> list[Thing]:
    """The objects that no other one equals in `attribute`."""
    values = [getattr(thing, attribute) for thing in things]
    return [thing for thing, value in zip(things, values, strict=True) if values.count(value) == 1]


def question_about(rng: random.Random, things: list[Thing], kind: str) -> tuple[str, str] | None:
    """Question and answer of one kind (color, shape, place) about an object that the question determines."""
    singled_out_by = {"color": "shape", "shape": "color", "place": "name"}[kind]
    candidates = unique(things, singled_out_by)
    if not candidates:
        return None
    thing = rng.choice(candidates)
    return {
        "color": (f"what color is the {thing.shape}?", thing.color),
        "shape": (f"what shape is the {thing.color} object?", thing.shape),
        "place": (f"where is the {thing.name}?", thing.place),
    }[kind]


def is_there(rng: random.Random, things: list[Thing]) -> tuple[str, str]:
    """A yes/no question whose negatives combine a colour and a shape that may both be present."""
    names = {thing.name for thing in things}
    if rng.random() < 0.5:
        return f"is there a {rng.choice(sorted(names))}?", "yes"
    thing = rng.choice(things)
    candidates = [f"{thing.color} {shape}" for shape in SHAPES] + [
        f"{color} {thing.shape}" for color in COLORS
    ]
    return f"is there a {rng.choice([name for name in candidates if name not in names])}?", "no"


def vqa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Colour, shape, position and yes/no questions about a scene."""
    things = scene(rng, rng.randrange(2, 3 + 2 * level))
    questions = []
    for kind in ("color",) if level == 0 else ("color", "shape", "place"):
        asked = question_about(rng, things, kind)
        if asked:
            question, answer = asked
            questions.append(
                Question(question, annotators(rng, answer, SYNONYMS.get(answer, "unknown")), kind)
            )
    if level > 0 or not questions:
        question, answer = is_there(rng, things)
        questions.append(Question(question, annotators(rng, answer, SYNONYMS[answer]), "yes/no"))
    return Picture(paint(rng, things), questions)


def okvqa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Questions whose answer needs a fact that the picture does not show."""
    things = scene(rng, rng.randrange(1, 2 + 2 * level))
    questions = []
    for thing in rng.sample(unique(things, "shape"), k=min(1, len(unique(things, "shape")))):
        for what, facts in (("fruit", FRUIT), ("animal", ANIMAL)):
            question = f"which {what} has the color of the {thing.shape}?"
            questions.append(Question(question, annotators(rng, *facts[thing.color]), what))
    for thing in rng.sample(unique(things, "color"), k=min(1, len(unique(things, "color")))):
        question = f"what has the shape of the {thing.color} object?"
        questions.append(Question(question, annotators(rng, *USE[thing.shape]), "use"))
    if not questions:
        return okvqa(rng, level, held_out)
    return Picture(paint(rng, things), questions)


def random_word(rng: random.Random, length: int) -> str:
    """A pronounceable word of capital letters."""
    return "".join(rng.choice(CONSONANTS if i % 2 == 0 else VOWELS) for i in range(length))


def text_vqa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Questions about one of several written words, by its colour or its place in the order."""
    canvas = Canvas(rng)
    count = rng.randrange(1 + (level > 0), 2 + level)
    rows = sorted(rng.sample(range(GRID), count))
    inks = rng.sample(INKS, count)
    words = [
        random_word(rng, rng.randrange(2, 4) if level == 0 else rng.randrange(3, 5)) for _ in rows
    ]
    for row, ink, word in zip(rows, inks, words, strict=True):
        canvas.put_word(word, row * GRID + rng.randrange(GRID - len(word) + 1), ink)
    pick = rng.randrange(count)
    questions = [
        Question(
            f"what is the {inks[pick]} word?", annotators(rng, words[pick], "unknown"), "color"
        )
    ]
    pick = rng.randrange(count)
    questions.append(
        Question(
            f"what is the {ORDINALS[pick]} word?", annotators(rng, words[pick], "unknown"), "order"
        )
    )
    return Picture(canvas.pixels, questions)


def st_qa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Read the sign: a plate of one or two words among objects."""
    canvas = Canvas(rng)
    lines = 1 if level < 2 else rng.randrange(1, 3)
    row = rng.randrange(GRID - lines + 1)
    plate, ink = rng.choice(
        [("blue", "white"), ("green", "white"), ("black", "yellow"), ("white", "black")]
    )
    words = [
        random_word(rng, rng.randrange(2, 4) if level == 0 else rng.randrange(3, 5))
        for _ in range(lines)
    ]
    for line, word in enumerate(words):
        canvas.put_word(word, (row + line) * GRID + rng.randrange(GRID - len(word) + 1), ink, plate)
    free = [cell for cell in range(GRID * GRID) if not row <= cell // GRID < row + lines]
    for cell in rng.sample(free, rng.randrange(1 + level)):
        canvas.put_thing(Thing(rng.choice(SHAPES), rng.choice(tuple(COLORS)), cell))
    return Picture(canvas.pixels, [Question("what does the sign say?", (" ".join(words),), "sign")])


def doc_qa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Look a handwritten value up in a small printed form."""
    canvas = Canvas(rng)
    count = 1 + level if level < 2 else rng.randrange(2, GRID + 1)
    rows = sorted(rng.sample(range(GRID), count))
    labels = rng.sample(LABELS, count)
    values = [f"{rng.randrange(10, 100)}" for _ in rows]
    for row, label, value in zip(rows, labels, values, strict=True):
        canvas.put_label(label, row * GRID)
        for offset, digit in enumerate(value):
            canvas.put_digit(
                rng.choice(digit_images(held_out)[int(digit)]), row * GRID + 2 + offset
            )
    asked = rng.sample(range(count), min(2, count))
    questions = [
        Question(f"what is the {labels[i].lower()}?", (values[i],), "lookup") for i in asked
    ]
    return Picture(canvas.pixels, questions)


def science_qa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Four choices about a scene; the answer is a letter."""
    things = scene(rng, rng.randrange(1, 3) if level == 0 else rng.randrange(2, 3 + 2 * level))
    questions = []
    for kind, options in (("color", tuple(COLORS)), ("shape", SHAPES)):
        asked = question_about(rng, things, kind) if level > 0 or kind == "color" else None
        if asked:
            question, answer = asked
            choices = rng.sample([option for option in options if option != answer], 3)
            choices.insert(rng.randrange(4), answer)
            letter = CHOICE_LETTERS[choices.index(answer)]
            questions.append(Question(question, (letter,), kind, tuple(choices)))
    return Picture(paint(rng, things), questions) if questions else science_qa(rng, level, held_out)


def tally_qa(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Count all objects (simple), or those of a colour, a shape or both (complex)."""
    things = scene(rng, rng.randrange(1, 4 + 2 * level), distinct=False)
    thing = rng.choice(things)
    absent = Thing(rng.choice(SHAPES), rng.choice(tuple(COLORS)), 0)
    about = thing if rng.random() < 0.85 else absent
    complex_questions = [
        (f"how many {about.shape}s are there?", sum(t.shape == about.shape for t in things)),
        (f"how many {about.color} objects are there?", sum(t.color == about.color for t in things)),
        (
            f"how many {about.color} {about.shape}s are there?",
            sum(t.name == about.name for t in things),
        ),
    ]
    questions = [Question("how many objects are there?", (str(len(things)),), "simple")]
    for question, count in rng.sample(complex_questions, min(level, 2)):
        questions.append(Question(question.replace("crosss", "crosses"), (str(count),), "complex"))
    return Picture(paint(rng, things), questions)


def caption(rng: random.Random, level: int, held_out: bool) -> Picture:
    """Describe the scene, its objects in reading order; five references in as many styles."""
    things = scene(rng, rng.randrange(1, (2, 3, 5)[level]))
    names = [f"{'an' if thing.name[0] in 'aeiou' else 'a'} {thing.name}" for thing in things]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    references = tuple(style.format(listed) for style in CAPTION_STYLES)
    return Picture(paint(rng, things), [Question("describe the image.", references, "caption")])


Task = Callable[[random.Random, int, bool], Picture]

TASKS: dict[str, Task] = {
    "vqa": vqa,
    "okvqa": okvqa,
    "text_vqa": text_vqa,
    "st_qa": st_qa,
    "doc_qa": doc_qa,
    "science_qa": science_qa,
    "tally_qa": tally_qa,
    "caption": caption,
}


def draw(task: Task, rng: random.Random, held_out: bool, level: int = 2) -> Picture:
    """Draw one picture of a task; one in eight pictures, by the hash of its pixels, is held out from training.

    Training and the datasets can therefore never share a picture, whatever their seeds.
    """
    while True:
        picture = task(rng, level, held_out)
        if (zlib.crc32(picture.pixels.tobytes()) % 8 == 0) == held_out:
            return picture
