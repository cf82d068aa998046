"""Draw demo pictures: a 4 x 4 grid of 16-pixel tiles holding objects, letters and handwritten digits.

Everything stands in one tile, so that a vision tower with 16-pixel patches sees it in one patch.
"""

import random
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = 16
GRID = 4
SIDE = TILE * GRID

COLORS = {
    "red": (214, 39, 40),
    "green": (44, 150, 44),
    "blue": (31, 80, 200),
    "yellow": (240, 220, 40),
    "purple": (140, 50, 170),
    "orange": (250, 140, 20),
    "black": (20, 20, 20),
    "white": (255, 255, 255),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond")
INKS = ("red", "green", "blue", "purple", "black")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Digits of scikit-learn's `load_digits` from this index on are kept for the datasets, the earlier ones for training.
FIRST_HELD_OUT_DIGIT = 1200


@dataclass(frozen=True)
class Thing:
    """One object of a scene and the tile it stands in, counted row by row."""

    shape: str
    color: str
    cell: int

    @property
    def name(self) -> str:
        """Colour and shape."""
        return f"{self.color} {self.shape}"

    @property
    def place(self) -> str:
        """The quarter of the picture it stands in."""
        row, column = divmod(self.cell, GRID)
        return (
            f"{'top' if row < GRID // 2 else 'bottom'} {'left' if column < GRID // 2 else 'right'}"
        )


@dataclass
class Canvas:
    """A picture under construction: uint8 pixels [64, 64, 3] on a plain background of a random light grey."""

    rng: random.Random
    pixels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        background = [self.rng.randrange(175, 215) for _ in range(3)]
        self.pixels = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
        self.pixels[:] = background

    def put_thing(self, thing: Thing) -> None:
        """Draw a scene's object into its tile, in one of three sizes."""
        self._stencil(
            thing.cell, shape_mask(thing.shape, self.rng.randrange(3)), COLORS[thing.color]
        )

    def put_word(self, word: str, cell: int, ink: str, plate: str | None = None) -> None:
        """Write a word, one letter a tile, from `cell` on; with `plate`, on a coloured ground."""
        for offset, letter in enumerate(word):
            if plate is not None:
                self._tile(cell + offset)[:] = COLORS[plate]
            self._stencil(cell + offset, letter_mask(letter), COLORS[ink])

    def put_label(self, label: str, cell: int) -> None:
        """Write a small label, two letters a tile, in black."""
        for offset in range(0, len(label), 2):
            self._stencil(
                cell + offset // 2, letter_mask(label[offset : offset + 2]), COLORS["black"]
            )

    def put_digit(self, digit: np.ndarray, cell: int) -> None:
        """Paste a handwritten digit, ink [16, 16] from 0 to 1, in near black."""
        tile = self._tile(cell)
        tile[:] = (tile * (1 - digit[..., None]) + 20 * digit[..., None]).astype(np.uint8)

    def _tile(self, cell: int) -> np.ndarray:
        row, column = divmod(cell, GRID)
        return self.pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]

    def _stencil(self, cell: int, mask: np.ndarray, color: tuple[int, int, int]) -> None:
        self._tile(cell)[mask] = color


@cache
def shape_mask(shape: str, size: int) -> np.ndarray:
    """The tile's pixels [16, 16] that a shape covers; size 0 to 2."""
    image = Image.new("1", (TILE, TILE))
    draw = ImageDraw.Draw(image)
    low, high, middle = 3 - size, TILE - 4 + size, (TILE - 1) / 2
    if shape == "circle":
        draw.ellipse((low, low, high, high), fill=1)
    elif shape == "square":
        draw.rectangle((low, low, high, high), fill=1)
    elif shape == "triangle":
        draw.polygon([(middle, low), (low, high), (high, high)], fill=1)
    elif shape == "diamond":
        draw.polygon([(middle, low), (high, middle), (middle, high), (low, middle)], fill=1)
    elif shape == "cross":
        draw.rectangle((low, 6, high, 9), fill=1)
        draw.rectangle((6, low, 9, high), fill=1)
    elif shape == "star":
        outer, inner = (high - low) / 2 + 1, (high - low) / 5
        angles = [np.pi * (i / 5 - 0.5) for i in range(10)]
        radii = [outer, inner] * 5
        corners = [
            (middle + r * np.cos(a), middle + r * np.sin(a))
            for a, r in zip(angles, radii, strict=True)
        ]
        draw.polygon(corners, fill=1)
    else:
        raise ValueError(f"unknown shape {shape!r}")
    return np.asarray(image)


@cache
def letter_mask(text: str) -> np.ndarray:
    """The tile's pixels [16, 16] that one or two letters cover, in Pillow's built-in bitmap font."""
    font = ImageFont.load_default_imagefont()
    image = Image.new("1", (TILE, TILE))
    left, top, right, bottom = font.getbbox(text)
    corner = ((TILE - (right - left)) // 2, (TILE - (bottom - top)) // 2)
    ImageDraw.Draw(image).text(corner, text, fill=1, font=font)
    return np.asarray(image)


@cache
def digit_images(held_out: bool) -> dict[int, np.ndarray]:
    """Handwritten digits by value, each ink [n, 16, 16] from 0 to 1, of the held-out or of the training part."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    part = slice(FIRST_HELD_OUT_DIGIT, None) if held_out else slice(None, FIRST_HELD_OUT_DIGIT)
    ink = np.zeros((len(digits.images[part]), TILE, TILE))
    for i, image in enumerate(digits.images[part]):
        ink[i, 1:-1, 1:-1] = np.asarray(
            Image.fromarray((image * 15.9).astype(np.uint8)).resize((TILE - 2, TILE - 2))
        )
    return {value: ink[digits.target[part] == value] / 255 for value in range(10)}
