"""Walk, copy and compare what modules are called with and return: containers of tensors, nested."""

import copy
from collections.abc import MutableMapping
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def tensors_in(value: object) -> list[torch.Tensor]:
    """Return all tensors in nested containers, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, MutableMapping):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    else:
        return []
    tensors = []
    for part in parts:
        tensors += tensors_in(part)
    return tensors


def cloned(value: Any) -> Any:
    """Return a copy of nested containers and of the tensors in them; all else stays as it is."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, MutableMapping):
        # copy.copy keeps the type: a ModelOutput stays one.
        copied = copy.copy(value)
        for key, part in value.items():
            copied[key] = cloned(part)
        return copied
    # Exactly these types: a subclass, such as a named tuple, may not be built from a list.
    if type(value) in (list, tuple):
        return type(value)(cloned(part) for part in value)
    return value


def with_fresh_containers(output: T) -> T:
    """Return an output whose outermost container is a copy, since callers may refill it."""
    if isinstance(output, torch.Tensor):
        return output  # no container
    return copy.copy(output)


def same_values(left: object, right: object) -> bool:
    """Whether nested arguments are equal, tensors value by value."""
    if isinstance(left, torch.Tensor) or isinstance(right, torch.Tensor):
        return _same_tensors(left, right)
    if isinstance(left, MutableMapping) and isinstance(right, MutableMapping):
        if left.keys() != right.keys():
            return False
        return all(same_values(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        if len(left) != len(right):
            return False
        return all(map(same_values, left, right))
    # Identity first: some objects' equality is costly, or gives no truth value.
    return bool(left is right or left == right)


def _same_tensors(left: object, right: object) -> bool:
    if not isinstance(left, torch.Tensor):
        return False
    if not isinstance(right, torch.Tensor):
        return False
    # Shape and dtype first: torch.equal raises for tensors of different number formats.
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return torch.equal(left, right)  # type: ignore[no-any-return]
