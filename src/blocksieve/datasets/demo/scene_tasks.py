"""Tasks about scenes of objects, from one step of thought (level 0) to several (level 4).

Each is a function `(rng, level, holdout, most) -> Picture`, which asks `most` questions or fewer.
The questions of a level include those of the levels below it.
"""

import itertools
import random

from blocksieve.datasets.demo.canvas import COLORS, GRID, SHAPES, Thing
from blocksieve.datasets.demo.knowledge import ANIMAL, FRUIT, MONTHS, SYNONYMS, USE
from blocksieve.datasets.demo.picture import (
    MOST_QUESTIONS,
    TOP_LEVEL,
    Kind,
    Picture,
    Query,
    Question,
    Task,
    ask,
    with_annotators,
)
from blocksieve.datasets.demo.scenes import (
    is_there,
    most_frequent,
    paint,
    question_about,
    random_kind,
    scene,
    unique,
    walk,
)

CHOICE_LETTERS = "ABCD"
CAPTION_STYLES = (
    "{}",
    "there is {}",
    "a picture of {}",
    "the image shows {}",
    "{} on a plain ground",
)
NUMBERS = ("no", "one", "two", "three", "four")
ROWS = ("top", "second", "third", "bottom")
HALVES = ("top", "bottom", "left", "right")
ATTRIBUTES = ("color", "shape")
VALUES: dict[str, tuple[str, ...]] = {"color": tuple(COLORS), "shape": SHAPES}
FACTS = {"fruit": FRUIT, "animal": ANIMAL}

Things = list[Thing]
SceneKind = Kind[Things]


def all_but(attribute: str, value: str) -> tuple[str, ...]:
    """Return all values of an attribute but one."""
    return tuple(option for option in VALUES[attribute] if option != value)


def plural(shape: str) -> str:
    """Return the plural of a shape."""
    return "crosses" if shape == "cross" else f"{shape}s"


def vqa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw questions about objects of a scene, some to be reached by a walk of up to four steps."""
    num_things = rng.randrange(5, 7 + level)
    things = scene(rng, num_things)
    in_turn = itertools.cycle(rng.sample(range(level + 1), level + 1))
    queries = {}
    for num_steps in itertools.islice(in_turn, most):
        query = None
        if num_steps > 0:
            query = walk_question(rng, things, num_steps)
        if query is None:
            query = look_question(rng, things)
        queries[query.question] = (f"{num_steps} steps", query)
    questions = [with_annotators(rng, query, kind) for kind, query in queries.values()]
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def look_question(rng: random.Random, things: Things) -> Query:
    """Draw a question about an object that the question itself singles out."""
    kind = rng.choice(("color", "shape", "place", "yes/no"))
    pair = None
    if kind != "yes/no":
        pair = question_about(rng, things, kind)
    question, answer = pair or is_there(rng, things)
    alternative = SYNONYMS.get(answer, "unknown")
    return Query(question, answer, alternative)


def walk_question(rng: random.Random, things: Things, num_steps: int) -> Query | None:
    """Draw a question about the object at the end of a walk; None if there is no walk."""
    end = walk(rng, things, num_steps)
    if end is None:
        return None
    path, thing = end
    kind = rng.choice(("color", "shape", "yes/no"))
    if kind != "yes/no":
        answer = getattr(thing, kind)
        alternative = SYNONYMS.get(answer, "unknown")
        return Query(f"{path}. what {kind} is it?", answer, alternative)
    color = thing.color
    answer = rng.choice(("yes", "no"))
    if answer == "no":
        color = rng.choice(all_but("color", color))
    return Query(f"{path}. is it {color}?", answer, SYNONYMS[answer])


def okvqa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw questions that need a fact which the picture does not show.

    The facts go from a colour or shape to a word (levels 0 and 1), from a number to a month (2),
    from a word back to a colour (3), and start where a walk ends (4).
    """
    kinds: list[SceneKind] = [of_color, of_shape, month, reverse, of_walk]
    queries: list[tuple[str, Query]] = []
    while not queries:
        num_things = rng.randrange(3, 7 + level)
        things = scene(rng, num_things)
        queries = ask(rng, things, kinds[: level + 1], most)
    questions = [with_annotators(rng, query, kind) for kind, query in queries]
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def of_color(rng: random.Random, things: Things) -> Query | None:
    """Ask for the fruit or animal of an object's colour."""
    candidates = unique(things, "shape")
    if not candidates:
        return None
    thing = rng.choice(candidates)
    topic = rng.choice(("fruit", "animal"))
    word, alternative = FACTS[topic][thing.color]
    return Query(f"which {topic} has the color of the {thing.shape}?", word, alternative)


def of_shape(rng: random.Random, things: Things) -> Query | None:
    """Ask for something that has an object's shape."""
    candidates = unique(things, "color")
    if not candidates:
        return None
    thing = rng.choice(candidates)
    word, alternative = USE[thing.shape]
    return Query(f"what has the shape of the {thing.color} object?", word, alternative)


def month(rng: random.Random, things: Things) -> Query:
    """Ask for the month whose number is that of all objects, or of those of a shape."""
    name = "objects"
    count = len(things)
    if rng.random() < 0.5:
        shape = rng.choice(things).shape
        name = plural(shape)
        count = count_equal(things, "shape", shape)
    question = f"which month has the number of the {name}?"
    return Query(question, MONTHS[count - 1], str(count))


def reverse(rng: random.Random, things: Things) -> Query | None:
    """Ask for the shape of what has the colour of a fruit or animal."""
    candidates = unique(things, "color")
    if not candidates:
        return None
    thing = rng.choice(candidates)
    topic = rng.choice(("fruit", "animal"))
    word = FACTS[topic][thing.color][0]
    alternative = SYNONYMS.get(thing.shape, "unknown")
    return Query(f"what shape has the color of a {word}?", thing.shape, alternative)


def of_walk(rng: random.Random, things: Things) -> Query | None:
    """Ask for the fruit or animal of the colour of the object at the end of a walk."""
    num_steps = rng.randint(1, 2)
    end = walk(rng, things, num_steps)
    if end is None:
        return None
    path, thing = end
    topic = rng.choice(("fruit", "animal"))
    word, alternative = FACTS[topic][thing.color]
    return Query(f"{path}. which {topic} has its color?", word, alternative)


def science_qa(
    rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS
) -> Picture:
    """Draw questions of four choices about a scene; the answer is a letter.

    They ask for an object (levels 0 and 1), what is missing (2), what is most frequent (3), and
    for the second object of a colour or a shape, or the end of a walk (4).
    """
    kinds: list[SceneKind] = [color_of, shape_of, missing, frequent, twin, end_of_walk]
    if level < TOP_LEVEL:
        kinds = kinds[: level + 1]
    queries: list[tuple[str, Query]] = []
    while not queries:
        num_things = rng.randrange(4, 7 + level)
        is_distinct = rng.random() < 0.5
        things = scene(rng, num_things, is_distinct)
        queries = ask(rng, things, kinds, most)
    questions = [multiple_choice(rng, query, kind) for kind, query in queries]
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def multiple_choice(rng: random.Random, query: Query, kind: str) -> Question:
    """Put the answer among three wrong choices."""
    choices = rng.sample(query.wrong, 3)
    position = rng.randrange(4)
    choices.insert(position, query.answer)
    letter = CHOICE_LETTERS[position]
    return Question(query.question, (letter,), kind, tuple(choices))


def choice_about(rng: random.Random, things: Things, attribute: str) -> Query | None:
    """Ask for the colour or the shape of an object."""
    pair = question_about(rng, things, attribute)
    if pair is None:
        return None
    question, answer = pair
    return Query(question, answer, wrong=all_but(attribute, answer))


def color_of(rng: random.Random, things: Things) -> Query | None:
    """Ask for the colour of an object."""
    return choice_about(rng, things, "color")


def shape_of(rng: random.Random, things: Things) -> Query | None:
    """Ask for the shape of an object."""
    return choice_about(rng, things, "shape")


def missing(rng: random.Random, things: Things) -> Query | None:
    """Ask which of four colours or shapes no object has."""
    attribute = rng.choice(ATTRIBUTES)
    present = {getattr(thing, attribute) for thing in things}
    absent = [value for value in VALUES[attribute] if value not in present]
    if not absent or len(present) < 3:
        return None
    question = f"which {attribute} is not in the picture?"
    answer = rng.choice(absent)
    return Query(question, answer, wrong=tuple(sorted(present)))


def frequent(rng: random.Random, things: Things) -> Query | None:
    """Ask which colour or shape most objects have."""
    attribute = rng.choice(ATTRIBUTES)
    values = [getattr(thing, attribute) for thing in things]
    answer = most_frequent(values)
    if answer is None:
        return None
    question = f"which {attribute} do most objects have?"
    return Query(question, answer, wrong=all_but(attribute, answer))


def twin(rng: random.Random, things: Things) -> Query | None:
    """Ask for the shape of the second object of an object's colour, or the reverse."""
    attribute = rng.choice(ATTRIBUTES)
    shared = "color" if attribute == "shape" else "shape"
    pairs = []
    for thing in unique(things, attribute):
        value = getattr(thing, shared)
        alike = [mate for mate in things if getattr(mate, shared) == value]
        if len(alike) == 2:
            alike.remove(thing)
            pairs.append((thing, alike[0]))
    if not pairs:
        return None
    thing, mate = rng.choice(pairs)
    name = getattr(thing, attribute)
    answer = getattr(mate, attribute)
    question = f"what {attribute} is the {shared} twin of the {name} object?"
    return Query(question, answer, wrong=all_but(attribute, answer))


def end_of_walk(rng: random.Random, things: Things) -> Query | None:
    """Ask for the colour or shape of the object at the end of a walk."""
    num_steps = rng.randint(1, 2)
    end = walk(rng, things, num_steps)
    if end is None:
        return None
    path, thing = end
    attribute = rng.choice(ATTRIBUTES)
    answer = getattr(thing, attribute)
    question = f"{path}. what {attribute} is it?"
    return Query(question, answer, wrong=all_but(attribute, answer))


def tally_qa(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw objects to count.

    All of them (level 0), those of a colour, a shape or both (1), those of a row or a half (2),
    how many more there are of one shape than of another (3), and how many different ones (4).
    """
    num_things = rng.randrange(1, 4 + 2 * level)
    things = scene(rng, num_things, distinct=False)
    kinds: list[SceneKind] = [some, in_part, more, different]
    queries = ask(rng, things, kinds[:level], most - 1)
    queries.append(("all", Query("how many objects are there?", str(num_things))))
    questions = []
    for kind, query in queries:
        questions.append(Question(query.question, (query.answer,), kind))
    pixels = paint(rng, things)
    return Picture(pixels, questions)


def count_equal(things: Things, attribute: str, value: str) -> int:
    """Count the objects with a value."""
    return sum(getattr(thing, attribute) == value for thing in things)


def color_and_shape(rng: random.Random, things: Things) -> tuple[str, str]:
    """Draw a colour and a shape, mostly those of an object."""
    if rng.random() < 0.85:
        thing = rng.choice(things)
        return thing.color, thing.shape
    shape, color = random_kind(rng)
    return color, shape


def some(rng: random.Random, things: Things) -> Query:
    """Count the objects of a colour, a shape or both."""
    color, shape = color_and_shape(rng, things)
    attribute = rng.choice(("color", "shape", "name"))
    names = {
        "color": f"{color} objects",
        "shape": plural(shape),
        "name": f"{color} {plural(shape)}",
    }
    values = {"color": color, "shape": shape, "name": f"{color} {shape}"}
    count = count_equal(things, attribute, values[attribute])
    return Query(f"how many {names[attribute]} are there?", str(count))


def in_part(rng: random.Random, things: Things) -> Query:
    """Count the objects of a row, or those of a colour in a half of the picture."""
    if rng.random() < 0.5:
        row = rng.randrange(GRID)
        in_row = [thing for thing in things if thing.cell // GRID == row]
        question = f"how many objects are in the {ROWS[row]} row?"
        return Query(question, str(len(in_row)))
    color, _ = color_and_shape(rng, things)
    half = rng.choice(HALVES)
    in_half = [thing for thing in things if half in thing.place.split()]
    count = count_equal(in_half, "color", color)
    return Query(f"how many {color} objects are in the {half} half?", str(count))


def more(rng: random.Random, things: Things) -> Query:
    """Compare the counts of two shapes or of two colours."""
    attribute = rng.choice(ATTRIBUTES)
    values = [getattr(thing, attribute) for thing in things]
    value = rng.choice(values)
    rival = rng.choice(all_but(attribute, value))
    larger, smaller = sorted((value, rival), key=values.count, reverse=True)
    difference = values.count(larger) - values.count(smaller)
    if attribute == "shape":
        question = f"how many more {plural(larger)} than {plural(smaller)} are there?"
    else:
        question = f"how many more {larger} than {smaller} objects are there?"
    return Query(question, str(difference))


def different(rng: random.Random, things: Things) -> Query:
    """Count the colours or the shapes that occur."""
    attribute = rng.choice(ATTRIBUTES)
    values = {getattr(thing, attribute) for thing in things}
    return Query(f"how many {attribute}s are there?", str(len(values)))


def caption(rng: random.Random, level: int, holdout: bool, most: int = MOST_QUESTIONS) -> Picture:
    """Draw a scene to describe; five references in as many styles.

    A caption counts the objects of each kind, in the order in which the kinds first appear.
    """
    most_kinds = min(1 + level, 4)
    num_kinds = rng.randint(1, most_kinds)
    most_of_kind = (1, 1, 2, 3, 4)[level]
    kinds = []
    for thing in scene(rng, num_kinds):
        count = rng.randint(1, most_of_kind)
        kinds += [(thing.shape, thing.color)] * count
    rng.shuffle(kinds)
    cells = sorted(rng.sample(range(GRID * GRID), len(kinds)))
    things = []
    for (shape, color), cell in zip(kinds, cells, strict=True):
        things.append(Thing(shape, color, cell))
    description = describe(things)
    references = tuple(style.format(description) for style in CAPTION_STYLES)
    question = Question("describe the image.", references, "caption")
    pixels = paint(rng, things)
    return Picture(pixels, [question])


def describe(things: Things) -> str:
    """Return such words as `two red circles, a blue star and three green crosses`."""
    names = [thing.name for thing in things]
    groups = []
    for name in dict.fromkeys(names):
        count = names.count(name)
        color, shape = name.split()
        article = "an" if color[0] in "aeiou" else "a"
        group = f"{article} {name}"
        if count > 1:
            group = f"{NUMBERS[count]} {color} {plural(shape)}"
        groups.append(group)
    if len(groups) == 1:
        return groups[0]
    all_but_last = ", ".join(groups[:-1])
    return f"{all_but_last} and {groups[-1]}"


SCENE_TASKS: dict[str, Task] = {
    "vqa": vqa,
    "okvqa": okvqa,
    "science_qa": science_qa,
    "tally_qa": tally_qa,
    "caption": caption,
}
