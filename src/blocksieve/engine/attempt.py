"""Try something that a model may not be able to do."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

T = TypeVar("T")

# What is said where memory runs out without an error type of its own: allocators of a CPU and of GPU libraries.
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def attempt(action: Callable[..., T], *args: Any, **kwargs: Any) -> T | Exception:
    """What the action returns, or the exception that ended it.

    Running out of memory is for the caller to handle; a device that fails does so whatever the model, and is raised.
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
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
