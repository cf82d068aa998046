"""Scenes of objects: draw them, name one of their objects, and walk from object to object."""

import itertools
import random
from collections import Counter

import numpy as np

from blocksieve.datasets.demo.canvas import COLORS, GRID, SHAPES, Canvas, Thing

CELLS = range(GRID * GRID)
DIRECTIONS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
"""What a step adds to the row and to the column."""
OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}


def scene(rng: random.Random, count: int, distinct: bool = True) -> list[Thing]:
    """Draw objects in reading order on different tiles.

    `distinct`: no two have the same colour and shape. Otherwise most of them are of three kinds.
    """
    kinds = list(itertools.product(SHAPES, COLORS))
    if distinct:
        picked = rng.sample(kinds, count)
    else:
        frequent = rng.sample(kinds, 2)
        frequent.append(random_kind(rng))
        picked = []
        for _ in range(count):
            choices = frequent if rng.random() < 0.7 else kinds
            picked.append(rng.choice(choices))
    cells = sorted(rng.sample(CELLS, count))
    things = []
    for (shape, color), cell in zip(picked, cells, strict=True):
        things.append(Thing(shape, color, cell))
    return things


def random_kind(rng: random.Random) -> tuple[str, str]:
    """Draw a shape and a colour."""
    shape = rng.choice(SHAPES)
    color = rng.choice(tuple(COLORS))
    return shape, color


def paint(rng: random.Random, things: list[Thing]) -> np.ndarray:
    """Return the pixels of a scene."""
    canvas = Canvas(rng)
    for thing in things:
        canvas.put_thing(thing)
    return canvas.pixels


def unique(things: list[Thing], attribute: str) -> list[Thing]:
    """Return the objects that no second one equals in `attribute`."""
    values = [getattr(thing, attribute) for thing in things]
    singled_out = []
    for thing, value in zip(things, values, strict=True):
        if values.count(value) == 1:
            singled_out.append(thing)
    return singled_out


def question_about(rng: random.Random, things: list[Thing], kind: str) -> tuple[str, str] | None:
    """Return question and answer of a kind (color, shape, place) about an object.

    The question determines the object; None if no object can be singled out.
    """
    singled_out_by = {"color": "shape", "shape": "color", "place": "name"}[kind]
    candidates = unique(things, singled_out_by)
    if not candidates:
        return None
    thing = rng.choice(candidates)
    if kind == "color":
        question = f"what color is the {thing.shape}?"
        return question, thing.color
    if kind == "shape":
        question = f"what shape is the {thing.color} object?"
        return question, thing.shape
    question = f"where is the {thing.name}?"
    return question, thing.place


def is_there(rng: random.Random, things: list[Thing]) -> tuple[str, str]:
    """Return a yes/no question about an object, and its answer.

    An absent object shares its colour or its shape with one that is there, so that colour and shape
    must be seen together.
    """
    names = {thing.name for thing in things}
    if rng.random() < 0.5:
        name = rng.choice(sorted(names))
        return f"is there a {name}?", "yes"
    thing = rng.choice(things)
    candidates = [f"{thing.color} {shape}" for shape in SHAPES]
    candidates += [f"{color} {thing.shape}" for color in COLORS]
    absent = [name for name in candidates if name not in names]
    name = rng.choice(absent)
    return f"is there a {name}?", "no"


def neighbours(things: list[Thing], start: Thing) -> dict[str, Thing]:
    """Return the nearest object of the same row or column in every direction that has one."""
    by_cell = {thing.cell: thing for thing in things}
    nearest = {}
    for direction, (down, right) in DIRECTIONS.items():
        row, column = divmod(start.cell, GRID)
        while True:
            row += down
            column += right
            if not (0 <= row < GRID and 0 <= column < GRID):
                break
            thing = by_cell.get(row * GRID + column)
            if thing is not None:
                nearest[direction] = thing
                break
    return nearest


def walk(rng: random.Random, things: list[Thing], num_steps: int) -> tuple[str, Thing] | None:
    """Draw a walk from an object to the nearest one in some direction, and so on.

    Returns its words, such as `from the red star go left then up`, and the object at its end; None
    if no object can be singled out to start from. It turns back only where it cannot go on.
    """
    starts = [thing for thing in unique(things, "name") if neighbours(things, thing)]
    if not starts:
        return None
    start = rng.choice(starts)
    thing = start
    path: list[str] = []
    for _ in range(num_steps):
        nearest = neighbours(things, thing)
        back = OPPOSITE[path[-1]] if path else None
        onward = [direction for direction in nearest if direction != back]
        direction = rng.choice(onward or list(nearest))
        path.append(direction)
        thing = nearest[direction]
    steps = " then ".join(path)
    return f"from the {start.name} go {steps}", thing


def most_frequent(values: list[str]) -> str | None:
    """Return the value that occurs more often than any other; None if several do."""
    counts = Counter(values).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return None
    return counts[0][0]
