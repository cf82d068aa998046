"""The eight demo tasks: each draws one picture and asks its questions about it.

A task is a function `(rng, level, holdout) -> Picture`. `level` 0 is the smallest case (where
training starts), 2 is what the datasets hold. The same functions serve training and the datasets:
`draw` keeps the two apart by the picture's hash.

The order of the draws from `rng` decides every picture: a change there changes the datasets.
"""

import random
import zlib
from collections.abc import Callable

from blocksieve.datasets.demo.canvas import COLORS, GRID, INKS, SHAPES, Canvas, Thing, digit_images
from blocksieve.datasets.demo.knowledge import ANIMAL, FRUIT, SYNONYMS, USE
from blocksieve.datasets.demo.picture import Picture, Question, annotators
from blocksieve.datasets.demo.scene_tasks import CAPTION_STYLES, CHOICE_LETTERS
from blocksieve.datasets.demo.scenes import (
    CELLS,
    at_most_one,
    is_there,
    paint,
    question_about,
    random_kind,
    scene,
    unique,
)
from blocksieve.datasets.demo.writing import (
    LABELS,
    ORDINALS,
    SIGN_COLORS,
    put_word_in_row,
    random_words,
)


def vqa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw colour, shape, position and yes/no questions about a scene."""
    count = rng.randrange(2, 3 + 2 * level)
    things = scene(rng, count)
    kinds = ("color",) if level == 0 else ("color", "shape", "place")
    questions = []
    for kind in kinds:
        pair = question_about(rng, things, kind)
        if pair is None:
            continue
        question, answer = pair
        alternative = SYNONYMS.get(answer, "unknown")
        answers = annotators(rng, answer, alternative)
        questions.append(Question(question, answers, kind))
    if level > 0 or not questions:
        question, answer = is_there(rng, things)
        alternative = SYNONYMS[answer]
        answers = annotators(rng, answer, alternative)
        questions.append(Question(question, answers, "yes/no"))
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def okvqa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw questions whose answer needs a fact that the picture does not show."""
    count = rng.randrange(1, 2 + 2 * level)
    things = scene(rng, count)
    questions = []
    for thing in at_most_one(rng, unique(things, "shape")):
        for topic, facts in (("fruit", FRUIT), ("animal", ANIMAL)):
            question = f"which {topic} has the color of the {thing.shape}?"
            answer, alternative = facts[thing.color]
            answers = annotators(rng, answer, alternative)
            questions.append(Question(question, answers, topic))
    for thing in at_most_one(rng, unique(things, "color")):
        question = f"what has the shape of the {thing.color} object?"
        answer, alternative = USE[thing.shape]
        answers = annotators(rng, answer, alternative)
        questions.append(Question(question, answers, "use"))
    if not questions:
        return okvqa(rng, level, holdout)
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def text_vqa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw questions about one of some written words, by its colour or its place in the order."""
    canvas = Canvas(rng)
    fewest = 1 if level == 0 else 2
    count = rng.randrange(fewest, 2 + level)
    rows = sorted(rng.sample(range(GRID), count))
    inks = rng.sample(INKS, count)
    words = random_words(rng, count, level)
    for row, ink, word in zip(rows, inks, words, strict=True):
        put_word_in_row(canvas, word, row, ink, plate=None)
    questions = []
    for kind, word_names in (("color", inks), ("order", ORDINALS)):
        pick = rng.randrange(count)
        question = f"what is the {word_names[pick]} word?"
        answers = annotators(rng, words[pick], "unknown")
        questions.append(Question(question, answers, kind))
    return Picture(canvas.pixels, questions)


def st_qa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw a sign to read: a plate of one or two words among objects."""
    canvas = Canvas(rng)
    num_lines = 1 if level < 2 else rng.randrange(1, 3)
    first_row = rng.randrange(GRID - num_lines + 1)
    rows = range(first_row, first_row + num_lines)
    plate, ink = rng.choice(SIGN_COLORS)
    words = random_words(rng, num_lines, level)
    for row, word in zip(rows, words, strict=True):
        put_word_in_row(canvas, word, row, ink, plate)
    free_cells = [cell for cell in CELLS if cell // GRID not in rows]
    num_things = rng.randrange(1 + level)
    for cell in rng.sample(free_cells, num_things):
        shape, color = random_kind(rng)
        canvas.put_thing(Thing(shape, color, cell))
    text = " ".join(words)
    question = Question("what does the sign say?", (text,), "sign")
    return Picture(canvas.pixels, [question])


def doc_qa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw a small printed form, in which a handwritten value is to be looked up."""
    canvas = Canvas(rng)
    count = 1 + level if level < 2 else rng.randrange(2, GRID + 1)
    rows = sorted(rng.sample(range(GRID), count))
    labels = rng.sample(LABELS, count)
    values = [str(rng.randrange(10, 100)) for _ in rows]
    for row, label, value in zip(rows, labels, values, strict=True):
        label_cell = row * GRID
        canvas.put_label(label, label_cell)
        # A label of four letters fills two tiles; the value stands behind it.
        for digit_cell, digit in enumerate(value, start=label_cell + 2):
            images = digit_images(holdout)[int(digit)]
            canvas.put_digit(rng.choice(images), digit_cell)
    questions = []
    num_questions = min(2, count)
    for index in rng.sample(range(count), num_questions):
        question = f"what is the {labels[index].lower()}?"
        questions.append(Question(question, (values[index],), "lookup"))
    return Picture(canvas.pixels, questions)


def science_qa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw questions of four choices about a scene; the answer is a letter."""
    fewest = 1 if level == 0 else 2
    count = rng.randrange(fewest, 3 + 2 * level)
    things = scene(rng, count)
    options_by_kind: dict[str, tuple[str, ...]] = {"color": tuple(COLORS)}
    if level > 0:
        options_by_kind["shape"] = SHAPES
    questions = []
    for kind, options in options_by_kind.items():
        pair = question_about(rng, things, kind)
        if pair is None:
            continue
        question, answer = pair
        wrong = [option for option in options if option != answer]
        choices = rng.sample(wrong, 3)
        position = rng.randrange(4)
        choices.insert(position, answer)
        letter = CHOICE_LETTERS[position]
        questions.append(Question(question, (letter,), kind, tuple(choices)))
    if not questions:
        return science_qa(rng, level, holdout)
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def tally_qa(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw objects to count: all (simple), or those of a colour, a shape or both (complex)."""
    num_things = rng.randrange(1, 4 + 2 * level)
    things = scene(rng, num_things, distinct=False)
    present = rng.choice(things)
    shape, color = random_kind(rng)  # maybe of no object
    if rng.random() < 0.85:
        shape, color = present.shape, present.color
    of_shape = [thing for thing in things if thing.shape == shape]
    of_color = [thing for thing in things if thing.color == color]
    of_both = [thing for thing in of_shape if thing.color == color]
    shapes = "crosses" if shape == "cross" else f"{shape}s"
    counted = [
        (shapes, of_shape),
        (f"{color} objects", of_color),
        (f"{color} {shapes}", of_both),
    ]
    questions = [Question("how many objects are there?", (str(num_things),), "simple")]
    num_complex = min(level, 2)
    for name, objects in rng.sample(counted, num_complex):
        count = str(len(objects))
        questions.append(Question(f"how many {name} are there?", (count,), "complex"))
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def caption(rng: random.Random, level: int, holdout: bool) -> Picture:
    """Draw a scene to describe, its objects in reading order; five references in as many styles."""
    most = (1, 2, 4)[level]
    count = rng.randint(1, most)
    things = scene(rng, count)
    names = []
    for thing in things:
        article = "an" if thing.name[0] in "aeiou" else "a"
        names.append(f"{article} {thing.name}")
    enumeration = names[-1]
    if len(names) > 1:
        all_but_last = ", ".join(names[:-1])
        enumeration = f"{all_but_last} and {names[-1]}"
    references = tuple(style.format(enumeration) for style in CAPTION_STYLES)
    question = Question("describe the image.", references, "caption")
    pixels = paint(rng, things)
    return Picture(pixels, [question])


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


def draw(task: Task, rng: random.Random, holdout: bool, level: int = 2) -> Picture:
    """Draw one picture of a task for the datasets (`holdout`) or for training.

    One in eight pictures, by the hash of its pixels, is held out from training. Training and the
    datasets can therefore never share a picture, whatever their seeds.
    """
    while True:
        picture = task(rng, level, holdout)
        pixel_hash = zlib.crc32(picture.pixels.tobytes())
        if (pixel_hash % 8 == 0) == holdout:
            return picture
