"""Draw demo pictures: a 4 x 4 grid of 16-pixel tiles with objects, letters, handwritten digits.

Each of them stands in one tile, so that a vision tower with 16-pixel patches sees it in one patch.
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

FIRST_HELD_OUT_DIGIT = 1200
"""Digits of scikit-learn's `load_digits` from this index on are kept for the datasets.

The earlier ones serve training.
"""


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
        middle = GRID // 2
        vertical = "top" if row < middle else "bottom"
        horizontal = "left" if column < middle else "right"
        return f"{vertical} {horizontal}"


@dataclass
class Canvas:
    """A picture under construction: uint8 pixels [64, 64, 3], at first a random light grey."""

    rng: random.Random
    pixels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        background = [self.rng.randrange(175, 215) for _ in range(3)]
        self.pixels = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
        self.pixels[:] = background

    def put_thing(self, thing: Thing) -> None:
        """Draw a scene's object into its tile, in one of three sizes."""
        size = self.rng.randrange(3)
        mask = shape_mask(thing.shape, size)
        color = COLORS[thing.color]
        self._stencil(thing.cell, mask, color)

    def put_word(self, word: str, cell: int, ink: str, plate: str | None = None) -> None:
        """Write a word, one letter per tile, from `cell` on; with `plate`, on a coloured ground."""
        for letter_cell, letter in enumerate(word, start=cell):
            if plate is not None:
                self._tile(letter_cell)[:] = COLORS[plate]
            mask = letter_mask(letter)
            self._stencil(letter_cell, mask, COLORS[ink])

    def put_label(self, label: str, cell: int) -> None:
        """Write a small label, two letters per tile, in black."""
        for start in range(0, len(label), 2):
            mask = letter_mask(label[start : start + 2])
            letters_cell = cell + start // 2
            self._stencil(letters_cell, mask, COLORS["black"])

    def put_digit(self, digit: np.ndarray, cell: int) -> None:
        """Paste a handwritten digit, ink [16, 16] from 0 to 1, in near black."""
        tile = self._tile(cell)
        ink = digit[..., None]  # [16, 16, 1], to blend all three colours
        background = tile * (1 - ink)
        tile[:] = (background + 20 * ink).astype(np.uint8)

    def spoil(self, strength: float) -> None:
        """Take contrast from the picture and add noise, at random up to `strength` (0 to 1)."""
        noise_rng = np.random.default_rng(self.rng.getrandbits(32))
        contrast = 1 - self.rng.random() * strength
        noise = noise_rng.normal(scale=80 * self.rng.random() * strength, size=self.pixels.shape)
        mean = self.pixels.mean()
        spoilt = mean + contrast * (self.pixels - mean) + noise
        self.pixels[:] = spoilt.clip(0, 255).astype(np.uint8)

    def _tile(self, cell: int) -> np.ndarray:
        """Return a view of the pixels [16, 16, 3] of a tile."""
        row, column = divmod(cell, GRID)
        top = row * TILE
        left = column * TILE
        bottom = top + TILE
        right = left + TILE
        return self.pixels[top:bottom, left:right]

    def _stencil(self, cell: int, mask: np.ndarray, color: tuple[int, int, int]) -> None:
        self._tile(cell)[mask] = color


@cache
def shape_mask(shape: str, size: int) -> np.ndarray:
    """Return the pixels [16, 16] of a tile that a shape covers, bool; size 0 to 2."""
    image = Image.new("1", (TILE, TILE))
    draw = ImageDraw.Draw(image)
    low = 3 - size
    high = TILE - 4 + size
    middle = (TILE - 1) / 2
    box = (low, low, high, high)
    if shape == "circle":
        draw.ellipse(box, fill=1)
    elif shape == "square":
        draw.rectangle(box, fill=1)
    elif shape == "triangle":
        draw.polygon([(middle, low), (low, high), (high, high)], fill=1)
    elif shape == "diamond":
        draw.polygon([(middle, low), (high, middle), (middle, high), (low, middle)], fill=1)
    elif shape == "cross":
        draw.rectangle((low, 6, high, 9), fill=1)
        draw.rectangle((6, low, 9, high), fill=1)
    elif shape == "star":
        corners = _star_corners(middle, high - low)
        draw.polygon(corners, fill=1)
    else:
        raise ValueError(f"unknown shape {shape!r}")
    return np.asarray(image)


def _star_corners(middle: float, width: int) -> list[tuple[float, float]]:
    """Return five outer and five inner corners in turn, from the top one on."""
    outer = width / 2 + 1
    inner = width / 5
    corners = []
    for corner in range(10):
        radius = outer if corner % 2 == 0 else inner
        angle = np.pi * (corner / 5 - 0.5)
        x = middle + radius * np.cos(angle)
        y = middle + radius * np.sin(angle)
        corners.append((x, y))
    return corners


@cache
def letter_mask(text: str) -> np.ndarray:
    """Return the pixels [16, 16] of a tile that one or two letters cover, bool.

    The font is Pillow's built-in bitmap font.
    """
    font = ImageFont.load_default_imagefont()
    image = Image.new("1", (TILE, TILE))
    left, top, right, bottom = font.getbbox(text)
    width = right - left
    height = bottom - top
    corner = ((TILE - width) // 2, (TILE - height) // 2)
    draw = ImageDraw.Draw(image)
    draw.text(corner, text, fill=1, font=font)
    return np.asarray(image)


@cache
def digit_images(holdout: bool) -> dict[int, np.ndarray]:
    """Return handwritten digits by value, each ink [n, 16, 16] from 0 to 1.

    They are those of the held-out part, or those of the training part.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()  # images [1797, 8, 8] from 0 to 16, target [1797]
    part = slice(FIRST_HELD_OUT_DIGIT, None) if holdout else slice(None, FIRST_HELD_OUT_DIGIT)
    images = digits.images[part]
    values = digits.target[part]
    ink = np.zeros((len(images), TILE, TILE))  # with an empty border of one pixel
    inner = (TILE - 2, TILE - 2)
    for index, image in enumerate(images):
        grey = (image * 15.9).astype(np.uint8)
        resized = Image.fromarray(grey).resize(inner)
        ink[index, 1:-1, 1:-1] = np.asarray(resized)
    ink /= 255
    return {value: ink[values == value] for value in range(10)}
