"""Tiny random models of many types, prompts for them, and a way of deleting blocks of its own.

None of it uses the package.
"""

from zoo.build import make_model
from zoo.inputs import SEVERAL_IMAGES, make_inputs
from zoo.prune import prune
from zoo.types import BLOCKS, HARDER, IMAGE_TEXT, TEXT

TYPES = [*IMAGE_TEXT, *HARDER, *TEXT]

__all__ = [
    "BLOCKS",
    "HARDER",
    "IMAGE_TEXT",
    "SEVERAL_IMAGES",
    "TEXT",
    "TYPES",
    "make_inputs",
    "make_model",
    "prune",
]
