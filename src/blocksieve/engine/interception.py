"""Put a handler between modules and whoever calls them, for the time of a block of code."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

# Called as handler(key, forward, args, kwargs); calls forward itself if it wants the module to run.
Handler = Callable[[int, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextmanager
def intercepted(modules: Mapping[int, nn.Module], handler: Handler) -> Iterator[None]:
    """Send every call of the modules' `forward` through the handler; signatures stay, everything is put back."""
    before = {key: module.__dict__.get("forward") for key, module in modules.items()}
    for key, module in modules.items():
        module.__dict__["forward"] = _through(key, module.forward, handler)
    try:
        yield
    finally:
        for key, module in modules.items():
            if before[key] is None:
                del module.__dict__["forward"]
            else:  # a hook of its own, such as the one that moves inputs between devices
                module.__dict__["forward"] = before[key]


def _through(key: int, forward: Callable[..., Any], handler: Handler) -> Callable[..., Any]:
    @functools.wraps(forward)
    def call(*args: Any, **kwargs: Any) -> Any:
        return handler(key, forward, args, kwargs)

    return call
