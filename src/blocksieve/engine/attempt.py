"""Try something that a model may not be able to do."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

# CPU allocators and GPU libraries raise a bare RuntimeError with these words, no type of their own.
OUT_OF_MEMORY_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "ALLOC_FAILED",
)


class UnsupportedError(Exception):
    """A model cannot be run in this way; a slower one is taken."""


def attempt(action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Exception:
    """Return what the action returns, or the exception that ended it.

    Running out of memory is raised, since the caller can ask for less. A device that fails is
    raised too, since it fails whatever the model does.
    """
    try:
        return action(*args, **kwargs)
    except torch.AcceleratorError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        return error


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    message = str(error)
    return any(words in message for words in OUT_OF_MEMORY_WORDS)
