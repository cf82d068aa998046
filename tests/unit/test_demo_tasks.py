"""The answers of the demo tasks, against answers computed anew from the pictures' pixels."""

import random
import re
import zlib
from collections import Counter

import pytest
from picture_reader import read_form, read_signs, read_things, read_words

from blocksieve.datasets.demo.canvas import COLORS, GRID
from blocksieve.datasets.demo.knowledge import ANIMAL, FRUIT, MONTHS, USE
from blocksieve.datasets.demo.picture import Picture, Question
from blocksieve.datasets.demo.tasks import TASKS, draw
from blocksieve.datasets.demo.text_tasks import st_qa

Things = dict[int, tuple[str, str]]
MOVES = {"up": -GRID, "down": GRID, "left": -1, "right": 1}


def find(things: Things, phrase: str) -> int:
    """Return the cell of the only object that a phrase such as `red star` names."""
    words = [word for word in phrase.split() if word != "object"]
    (cell,) = [cell for cell, kind in things.items() if set(words) <= set(kind)]
    return cell


def follow(things: Things, path: str) -> int:
    """Return the cell where such words as `from the red star go left then up` end."""
    start, steps = re.fullmatch(r"from the (.+) go (.+)", path).groups()
    cell = find(things, start)
    for step in steps.split(" then "):
        while True:
            column = cell % GRID
            cell += MOVES[step]
            assert 0 <= cell < GRID * GRID
            assert step in ("up", "down") or abs(cell % GRID - column) == 1
            if cell in things:
                break
    return cell


def count(things: Things, phrase: str) -> int:
    """Count what such words as `red crosses`, `stars` or `objects` name."""
    wanted = {singular(word) for word in phrase.split()} - {"object"}
    return sum(wanted <= set(kind) for kind in things.values())


def singular(word: str) -> str:
    return "cross" if word.startswith("cross") else word.removesuffix("s")


def place(cell: int) -> str:
    vertical = "top" if cell < 8 else "bottom"
    horizontal = "left" if cell % 4 < 2 else "right"
    return f"{vertical} {horizontal}"


def fact(topic: str, color: str) -> str:
    return {"fruit": FRUIT, "animal": ANIMAL}[topic][color][0]


def mode(values: list[str]) -> str:
    (first, most), *rest = Counter(values).most_common()
    assert not rest or rest[0][1] < most
    return first


def twin(things: Things, shared: str, phrase: str) -> tuple[str, str]:
    cell = find(things, phrase)
    index = ("color", "shape").index(shared)
    value = things[cell][index]
    (kind,) = [kind for other, kind in things.items() if other != cell and kind[index] == value]
    return kind


def missing(things: Things, options: tuple[str, ...]) -> str:
    present = {value for kind in things.values() for value in kind}
    (absent,) = set(options) - present
    return absent


ATTRIBUTE = {"color": 0, "shape": 1}
LINES = ("top", "second", "third", "bottom")
SCENE_SOLVERS = [
    (r"(from .+)\. what (color|shape) is it\?", lambda t, q, p, a: t[follow(t, p)][ATTRIBUTE[a]]),
    (r"(from .+)\. is it (\w+)\?", lambda t, q, p, c: "yes" if c in t[follow(t, p)] else "no"),
    (r"(from .+)\. which (\w+) has its color\?", lambda t, q, p, x: fact(x, t[follow(t, p)][0])),
    (r"what color is the (\w+)\?", lambda t, q, x: t[find(t, x)][0]),
    (r"what shape is the (\w+) object\?", lambda t, q, x: t[find(t, x)][1]),
    (r"where is the (.+)\?", lambda t, q, x: place(find(t, x))),
    (r"is there a (.+)\?", lambda t, q, x: "yes" if count(t, x) else "no"),
    (r"which (\w+) has the color of the (\w+)\?", lambda t, q, x, s: fact(x, t[find(t, s)][0])),
    (r"what has the shape of the (\w+) object\?", lambda t, q, c: USE[t[find(t, c)][1]][0]),
    (
        r"which month has the number of the (\w+)\?",
        lambda t, q, x: MONTHS[count(t, x) - 1],
    ),
    (
        r"what shape has the color of a (\w+)\?",
        lambda t, q, w: t[find(t, next(c for c in COLORS if w in (FRUIT[c][0], ANIMAL[c][0])))][1],
    ),
    (r"which (color|shape) is not in the picture\?", lambda t, q, a: missing(t, q.choices)),
    (
        r"which (color|shape) do most objects have\?",
        lambda t, q, a: mode([kind[ATTRIBUTE[a]] for kind in t.values()]),
    ),
    (
        r"what (color|shape) is the (color|shape) twin of the (\w+) object\?",
        lambda t, q, a, shared, x: twin(t, shared, x)[ATTRIBUTE[a]],
    ),
    (
        r"how many objects are in the (\w+) row\?",
        lambda t, q, row: str(sum(cell // GRID == LINES.index(row) for cell in t)),
    ),
    (
        r"how many (\w+) objects are in the (\w+) half\?",
        lambda t, q, c, half: str(
            sum(kind[0] == c and half in place(cell) for cell, kind in t.items())
        ),
    ),
    (
        r"how many more (.+) than (.+) are there\?",
        lambda t, q, x, y: str(count(t, x) - count(t, y)),
    ),
    (
        r"how many (color|shape)s are there\?",
        lambda t, q, a: str(len({kind[ATTRIBUTE[a]] for kind in t.values()})),
    ),
    (r"how many (.+) are there\?", lambda t, q, x: str(count(t, x))),
]
ORDER = ("first", "second", "third", "fourth")


def word_of(words: list[tuple[str, str]], name: str) -> int:
    """Return the number of the word with an ink or a place in the order."""
    inks = [ink for ink, _ in words]
    return inks.index(name) if name in inks else ORDER.index(name)


TEXT_SOLVERS = [
    (r"what is the (\w+) word\?", lambda w, x: w[word_of(w, x)][1]),
    (r"what is the last letter of the (\w+) word\?", lambda w, x: w[word_of(w, x)][1][-1]),
    (r"what is below the (\w+) word\?", lambda w, x: w[word_of(w, x) + 1][1]),
    (r"what is above the (\w+) word\?", lambda w, x: w[word_of(w, x) - 1][1]),
    (r"what is the (\w+) word backwards\?", lambda w, x: w[word_of(w, x)][1][::-1]),
    (r"which word is first in the alphabet\?", lambda w: min(letters for _, letters in w)),
    (r"which word is last in the alphabet\?", lambda w: max(letters for _, letters in w)),
]


def row_of(form: list[tuple[str, int]], label: str) -> int:
    return [name for name, _ in form].index(label)


def value_of(form: list[tuple[str, int]], label: str) -> int:
    return form[row_of(form, label)][1]


def extreme(form: list[tuple[str, int]], name: str) -> tuple[str, int]:
    return {"largest": max, "smallest": min}[name](form, key=lambda entry: entry[1])


FORM_SOLVERS = [
    (r"what is (\d+)\?", lambda f, v: next(label for label, value in f if value == int(v))),
    (r"what is the (largest|smallest) value\?", lambda f, x: str(extreme(f, x)[1])),
    (r"which item has the (\w+) value\?", lambda f, x: extreme(f, x)[0]),
    (r"what is the (\w+) plus the (\w+)\?", lambda f, x, y: str(value_of(f, x) + value_of(f, y))),
    (r"what is below the (\w+)\?", lambda f, x: str(f[row_of(f, x) + 1][1])),
    (r"what is above the (\w+)\?", lambda f, x: str(f[row_of(f, x) - 1][1])),
    (r"what is the (\w+)\?", lambda f, x: str(value_of(f, x))),
]


def solve(solvers: list, facts: object, question: Question, *context: object) -> str:
    for pattern, solver in solvers:
        match = re.fullmatch(pattern, question.question)
        if match:
            return solver(facts, *context, *match.groups())
    raise AssertionError(f"no solver of {question.question!r}")


def plain_answer(question: Question) -> str:
    """Return the plainest reference; of a multiple choice, the text of its letter."""
    answer = question.references[0]
    return question.choices["ABCD".index(answer)] if question.choices else answer


def pictures(task: str, per_level: int) -> list[Picture]:
    rng = random.Random(task)
    return [TASKS[task](rng, level, True) for level in range(5) for _ in range(per_level)]


@pytest.mark.parametrize("task", ["vqa", "okvqa", "science_qa", "tally_qa"])
def test_answers_about_scenes_are_right(task: str) -> None:
    for picture in pictures(task, 60):
        things = read_things(picture.pixels)
        for question in picture.questions:
            answer = solve(SCENE_SOLVERS, things, question, question)
            assert answer == plain_answer(question), question


def test_captions_count_what_is_there() -> None:
    numbers = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4}
    for picture in pictures("caption", 60):
        things = read_things(picture.pixels)
        (question,) = picture.questions
        groups = re.split(", | and ", question.references[0])
        described = {}
        for group in groups:
            number, color, shape = group.split()
            described[color, singular(shape)] = numbers[number]
        in_order = dict.fromkeys(things.values())
        assert list(described.items()) == [
            (kind, count(things, " ".join(kind))) for kind in in_order
        ]


def test_answers_about_words_are_right() -> None:
    for picture in pictures("text_vqa", 40):
        words = read_words(picture.pixels)
        for question in picture.questions:
            assert solve(TEXT_SOLVERS, words, question) == plain_answer(question), question


def test_answers_about_forms_are_right() -> None:
    for picture in pictures("doc_qa", 5):
        form = read_form(picture.pixels, holdout=True)
        for question in picture.questions:
            assert solve(FORM_SOLVERS, form, question) == plain_answer(question), question


def test_signs_say_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blocksieve.datasets.demo.canvas.Canvas.spoil", lambda *_: None)
    rng = random.Random(1)
    for number in range(200):
        picture = st_qa(rng, number % 5, True)
        (question,) = picture.questions
        name = question.question.removeprefix("what does the ").split()[0]
        lines = read_signs(picture.pixels)
        texts = [text for plate, text in lines if name in ("sign", plate)]
        assert question.references[0] == " ".join(texts)
        assert name != "sign" or len({plate for plate, _ in lines}) == 1


@pytest.mark.parametrize("task", TASKS)
def test_training_and_the_datasets_share_no_picture(task: str) -> None:
    rng = random.Random(5)
    for holdout in (False, True):
        for level in range(5):
            for _ in range(20):
                pixels = draw(TASKS[task], rng, holdout, level).pixels
                assert (zlib.crc32(pixels.tobytes()) % 8 == 0) == holdout


def test_every_kind_of_question_is_drawn_at_the_top_level() -> None:
    kinds = {}
    for task in TASKS:
        rng = random.Random(task)
        drawn = [TASKS[task](rng, 4, True) for _ in range(150)]
        kinds[task] = {question.kind for picture in drawn for question in picture.questions}
    assert {task: len(names) for task, names in kinds.items()} == {
        "vqa": 5,
        "okvqa": 5,
        "science_qa": 6,
        "tally_qa": 5,
        "caption": 1,
        "text_vqa": 5,
        "st_qa": 5,
        "doc_qa": 5,
    }


@pytest.mark.parametrize("task", TASKS)
def test_training_asks_more_about_a_picture_than_the_datasets(task: str) -> None:
    for level in range(5):
        few = [TASKS[task](random.Random(seed), level, True) for seed in range(20)]
        many = [TASKS[task](random.Random(seed), level, True, most=12) for seed in range(20)]
        assert max(len(picture.questions) for picture in few) <= 3
        most = max(len(picture.questions) for picture in many)
        assert most <= 12
        if level == 4 and task not in ("caption", "st_qa"):
            assert most > 3
        for picture in many:
            texts = [question.question for question in picture.questions]
            assert len(set(texts)) == len(texts)
