"""Try something that a model may not be able to do."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def attempt(action: Callable[..., T], *args: Any, **kwargs: Any) -> T | Exception:
    """What the action returns, or the exception that ended it; running out of memory is for the caller to handle."""
    try:
        return action(*args, **kwargs)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return error
