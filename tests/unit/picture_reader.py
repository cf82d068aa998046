"""Read a demo picture back from its pixels, without a look at how it was drawn."""

import numpy as np

from blocksieve.datasets.demo.canvas import (
    COLORS,
    GRID,
    LETTERS,
    SHAPES,
    TILE,
    digit_images,
    letter_mask,
    shape_mask,
)
from blocksieve.datasets.demo.writing import LABELS

NAMED_COLORS = {value: name for name, value in COLORS.items()}


def tile(pixels: np.ndarray, cell: int) -> np.ndarray:
    row, column = divmod(cell, GRID)
    return pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]


def colored_mask(square: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Return the pixels that differ from a tile's first one, if they have one named colour."""
    mask = (square != square[0, 0]).any(-1)
    inks = {tuple(map(int, pixel)) for pixel in square[mask]}
    if len(inks) != 1:
        return None
    ink = inks.pop()
    return (mask, NAMED_COLORS[ink]) if ink in NAMED_COLORS else None


def read_things(pixels: np.ndarray) -> dict[int, tuple[str, str]]:
    """Return colour and shape by cell."""
    things = {}
    for cell in range(GRID * GRID):
        seen = colored_mask(tile(pixels, cell))
        if seen is None:
            continue
        mask, color = seen
        for shape in SHAPES:
            if any(np.array_equal(mask, shape_mask(shape, size)) for size in range(3)):
                things[cell] = (color, shape)
    return things


def read_words(pixels: np.ndarray) -> list[tuple[str, str]]:
    """Return ink and letters of the written words, from the top."""
    words = []
    for row in range(GRID):
        letters, ink = "", ""
        for cell in range(row * GRID, (row + 1) * GRID):
            seen = colored_mask(tile(pixels, cell))
            if seen is not None:
                mask, ink = seen
                letters += next(x for x in LETTERS if np.array_equal(mask, letter_mask(x)))
        if letters:
            words.append((ink, letters))
    return words


def read_signs(pixels: np.ndarray) -> list[tuple[str, str]]:
    """Return plate and letters of the lines of signs, from the top."""
    lines = []
    for row in range(GRID):
        letters, plate = "", ""
        for cell in range(row * GRID, (row + 1) * GRID):
            square = tile(pixels, cell)
            ground = tuple(map(int, square[0, 0]))
            if ground in NAMED_COLORS:
                plate = NAMED_COLORS[ground]
                seen = colored_mask(square)
                assert seen is not None
                letters += next(x for x in LETTERS if np.array_equal(seen[0], letter_mask(x)))
        if letters:
            lines.append((plate, letters))
    return lines


def read_form(pixels: np.ndarray, holdout: bool) -> list[tuple[str, int]]:
    """Return label and value of the rows of a form, from the top."""
    entries = []
    for row in range(GRID):
        seen = colored_mask(tile(pixels, row * GRID))
        if seen is None:
            continue
        second = colored_mask(tile(pixels, row * GRID + 1))
        assert second is not None
        halves = (seen[0], second[0])
        label = next(
            label
            for label in LABELS
            if np.array_equal(halves[0], letter_mask(label[:2]))
            and np.array_equal(halves[1], letter_mask(label[2:]))
        )
        digits = [read_digit(tile(pixels, row * GRID + column), holdout) for column in (2, 3)]
        entries.append((label.lower(), 10 * digits[0] + digits[1]))
    return entries


def read_digit(square: np.ndarray, holdout: bool) -> int:
    background = square[0, 0].astype(float)
    for value, images in digit_images(holdout).items():
        drawn = background * (1 - images[..., None]) + 20 * images[..., None]
        if (drawn.astype(np.uint8) == square).all(axis=(1, 2, 3)).any():
            return value
    raise AssertionError("no digit of this part")
