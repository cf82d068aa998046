"""Put a handler between modules and whoever calls them, while a `with` block lasts."""

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import torch
from torch import nn

from blocksieve.engine.nested import tensors_in

Forward = Callable[..., object]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Arguments:
    """What a module is called with."""

    args: tuple[object, ...]
    kwargs: dict[str, object]

    @property
    def values(self) -> list[object]:
        """All arguments, positional ones first."""
        return [*self.args, *self.kwargs.values()]

    def hidden_states(self) -> torch.Tensor:
        """Return the hidden states (rows, tokens, ...) that a block is called with."""
        if not self.args:
            # A few models call their blocks by keywords alone.
            return self.kwargs["hidden_states"]
        return tensors_in(self.args)[0]

    def passed_to(self, forward: Forward) -> object:
        """Return what forward gives on these arguments."""
        return forward(*self.args, **self.kwargs)


# Called as handler(key, forward, arguments). It calls forward itself if the module is to run.
Handler: TypeAlias = Callable[[Key, Forward, Arguments], object]


@contextmanager
def intercepted(modules: Mapping[Key, nn.Module], handler: Handler[Key]) -> Iterator[None]:
    """Send every call of the modules' `forward` through the handler, until the context ends.

    Hooks would not do: a pre-hook can change a call's arguments and a hook its output, but neither
    can keep the module from running, and not to run is the whole point of replay. So `forward` is
    replaced in the module's own `__dict__`, where it hides the method of its class. nn.Module has
    no say in this: a function is neither a parameter nor a module.
    """
    # accelerate moves inputs between devices by a forward in `__dict__` too: it must come back.
    own_forwards = {key: vars(module).get("forward") for key, module in modules.items()}
    for key, module in modules.items():
        vars(module)["forward"] = _through_handler(key, module.forward, handler)
    try:
        yield
    finally:
        for key, module in modules.items():
            if own_forwards[key] is None:
                del vars(module)["forward"]
            else:
                vars(module)["forward"] = own_forwards[key]


def _through_handler(key: Key, forward: Forward, handler: Handler[Key]) -> Forward:
    # wraps: transformers reads the signature of forward to decide which arguments to pass.
    @functools.wraps(forward)
    def call(*args: object, **kwargs: object) -> object:
        """Hand the call over to the handler."""
        arguments = Arguments(args, kwargs)
        return handler(key, forward, arguments)

    return call
