"""Run what several combinations have in common once: blocks below which they agree, and all encoders before the blocks.

The model's own forward runs for every combination; only calls of blocks and encoders are answered from what an earlier
combination left behind. So nothing has to be known of the code between them.
"""

import copy
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from blocksieve.combination import Combination
from blocksieve.engine.work import Arguments, Work, tensors_in
from blocksieve.models.blocks import BlockList

Forward = Callable[..., Any]


def walk_order(combinations: list[Combination], num_blocks: int) -> list[Combination]:
    """Depth-first order of the trie of combinations: those that agree below a block stand side by side."""
    return sorted(combinations, key=lambda combination: (*combination.blocks, num_blocks))


@dataclass
class Call:
    """What one call of a block left behind: its output, its part of the caches, what it wrote into its arguments."""

    below: tuple[int, ...]
    output: Any
    versions: list[int]
    caches: list[list[dict[str, Any]]]
    written: list[Any]


class BlockReplay:
    """The handler of the blocks: a call whose prefix ran before is replayed. Keeps one path of the trie in memory.

    With `prefix_of`, the first pass has a row for each common prefix, the second one a row for each prompt, and
    `prefix_of` says which prefix a prompt begins with.
    """

    def __init__(self, work: Work, prefix_of: torch.Tensor | None = None) -> None:
        self.work, self.stages, self.prefix_of = work, 0, prefix_of
        self.calls: dict[tuple[int, int], Call] = {}
        self.copies = False
        self.combination = Combination()
        self.seen: dict[int, int] = {}

    def forget(self, stage: int) -> None:
        """The pass `stage` has other tokens from now on."""
        self.calls = {key: call for key, call in self.calls.items() if key[0] != stage}

    def begin(self, combination: Combination, stages: int) -> None:
        """The next calls are this combination's; its first `stages` passes have the tokens of all others."""
        self.combination, self.stages, self.seen = combination, stages, {}

    @property
    def started(self) -> bool:
        """Whether a block of this combination ran already."""
        return bool(self.seen)

    def __call__(
        self, index: int, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Replay a block's call, or run it and keep what it left behind."""
        stage = self.seen[index] = self.seen.get(index, -1) + 1
        if stage >= self.stages:
            self.work.block_ran(index, (args, kwargs))
            return forward(*args, **kwargs)
        below = tuple(block for block in self.combination.blocks if block < index)
        known = self.calls.get((stage, index))
        if known is not None and known.below == below and known.versions == versions(known.output):
            _restore(known, index - len(below), (args, kwargs))
            return fresh(known.output, self.copies)
        if known is not None and known.below == below:
            self.copies = True  # someone changed the output in place
        self.work.block_ran(index, (args, kwargs))
        if (
            stage == 1 and self.prefix_of is not None
        ):  # from a row for each prefix to a row for each prompt
            for cache in _caches((args, kwargs)):
                for layer in _layers(cache, index - len(below)):
                    layer.batch_select_indices(self.prefix_of)
        call = _record(forward, index - len(below), below, (args, kwargs))
        self.calls[stage, index] = call
        return fresh(call.output, self.copies)

    def nbytes(self) -> int:
        """Memory of what is kept."""
        kept = (
            tensor
            for call in self.calls.values()
            for tensor in tensors_in([call.output, call.caches])
        )
        return sum(tensor.nbytes for tensor in kept)


class EncoderMemo:
    """The handler of the modules that run before the blocks: the same inputs give the same output."""

    def __init__(self, work: Work, blocks: BlockReplay) -> None:
        self.work, self.blocks = work, blocks
        self.calls: dict[int, list[tuple[Arguments, Any, list[int]]]] = {}

    def __call__(
        self, index: int, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Give back a known output; after the first block, run the module as it is."""
        if self.blocks.started:
            return forward(*args, **kwargs)
        known = self.calls.setdefault(index, [])
        for arguments, output, before in known:
            if versions(output) == before and same(arguments, (args, kwargs)):
                return fresh(output, copies=False)
        arguments = cloned((args, kwargs))
        output = forward(*args, **kwargs)
        self.work.encoder_ran(index, arguments)
        known.append((arguments, output, versions(output)))
        return fresh(output, copies=False)


def encoders(model: nn.Module, found: BlockList) -> dict[int, nn.Module]:
    """The largest modules that neither hold the blocks nor lie in what owns them."""
    path = [model]
    for name in found.path.split(".")[:-1]:
        path.append(getattr(path[-1], name))
    beside = [
        child
        for module in path[:-1]
        for child in module.children()
        if all(child is not p for p in path)
    ]
    return dict(enumerate(beside))


def _record(forward: Forward, position: int, below: tuple[int, ...], arguments: Arguments) -> Call:
    args, kwargs = arguments
    written_to = _containers(arguments)
    before = [copy.copy(container) for container in written_to]
    output = forward(*args, **kwargs)
    caches = [[_state(layer) for layer in _layers(cache, position)] for cache in _caches(arguments)]
    written = [_difference(old, new) for old, new in zip(before, written_to, strict=True)]
    return Call(below, output, versions(output), caches, written)


def _restore(call: Call, position: int, arguments: Arguments) -> None:
    for cache, states in zip(_caches(arguments), call.caches, strict=True):
        for layer, state in zip(_layers(cache, position), states, strict=True):
            vars(layer).update(
                _copied(state) if isinstance(layer, LinearAttentionCacheLayerMixin) else state
            )
        if isinstance(cache, EncoderDecoderCache):
            cache.is_updated[position] = True
    for container, added in zip(_containers(arguments), call.written, strict=True):
        container.update(added) if isinstance(container, MutableMapping) else container.extend(
            added
        )


def _caches(arguments: Arguments) -> list[Cache]:
    args, kwargs = arguments
    return [value for value in (*args, *kwargs.values()) if isinstance(value, Cache)]


def _layers(cache: Cache, position: int) -> list[Any]:
    """The layers of a cache at a block's position, made if they are not there yet; none if the block has none."""
    if isinstance(cache, EncoderDecoderCache):
        return _layers(cache.self_attention_cache, position) + _layers(
            cache.cross_attention_cache, position
        )
    while cache.layer_class_to_replicate is not None and len(cache.layers) <= position:
        cache.layers.append(cache.layer_class_to_replicate())
    return list(cache.layers[position : position + 1])


def _state(layer: Any) -> dict[str, Any]:
    """A cache layer's content. Keys and values grow by concatenation; recurrent states are written in place."""
    return (
        _copied(vars(layer))
        if isinstance(layer, LinearAttentionCacheLayerMixin)
        else dict(vars(layer))
    )


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: cloned(value) for name, value in state.items()}


def _containers(arguments: Arguments) -> list[Any]:
    """Arguments that a block may write to: mappings and lists that are no model output."""
    args, kwargs = arguments
    return [
        value for value in (*args, *kwargs.values()) if isinstance(value, (MutableMapping, list))
    ]


def _difference(before: Any, after: Any) -> Any:
    if isinstance(after, MutableMapping):
        return {
            key: value
            for key, value in after.items()
            if key not in before or before[key] is not value
        }
    return after[len(before) :]


def versions(output: Any) -> list[int]:
    """How often each tensor was changed in place."""
    return [tensor._version for tensor in tensors_in(output)]


def cloned(value: Any) -> Any:
    """A copy of nested containers and the tensors in them; all else as it is."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, MutableMapping):
        own = copy.copy(value)
        own.update({key: cloned(part) for key, part in value.items()})
        return own
    if type(value) in (list, tuple):
        return type(value)(cloned(part) for part in value)
    return value


def fresh(output: Any, copies: bool) -> Any:
    """An output in containers of its own, since callers may refill them; with `copies` its tensors are copies too."""
    if copies:
        return cloned(output)
    return output if isinstance(output, torch.Tensor) else copy.copy(output)


def same(one: Any, other: Any) -> bool:
    """Whether nested arguments are equal, tensors value by value."""
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        both = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
        return (
            both
            and one.shape == other.shape
            and one.dtype == other.dtype
            and torch.equal(one, other)
        )
    if isinstance(one, MutableMapping) and isinstance(other, MutableMapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one is other or one == other)
