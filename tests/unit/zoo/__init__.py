"""Tiny random models of many types, prompts for them, and a way of deleting blocks of its own.

None of it uses the package.
"""

from typing import Any

import transformers

from zoo.build import make_model
from zoo.inputs import SEVERAL_IMAGES, make_inputs
from zoo.prune import prune
from zoo.types import BLOCKS, BROKEN, HARDER, IMAGE_TEXT, TEXT

TYPES = [*IMAGE_TEXT, *HARDER, *TEXT]

__all__ = [
    "BLOCKS",
    "HARDER",
    "IMAGE_TEXT",
    "SEVERAL_IMAGES",
    "TEXT",
    "TYPES",
    "failing_with",
    "make_inputs",
    "make_model",
    "prune",
]


def failing_with(name: str) -> list[Any]:
    """The marks of a type's tests: it fails if the installed transformers cannot run it at all."""
    import pytest  # the models alone are made where it is not installed, too

    reason = BROKEN.get((name, transformers.__version__))
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
