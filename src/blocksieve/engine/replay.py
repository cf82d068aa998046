"""Run once what combinations have in common: blocks below which they agree, and encoders.

The model's own forward runs for every combination. Only calls of blocks and encoders are answered
from what an earlier combination left behind, so nothing has to be known of the code between them.
"""

import copy
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn
from transformers import Cache

from blocksieve.combination import NONE, Combination, Site
from blocksieve.engine.generation import (
    layer_state,
    layers_at,
    mark_cross_attention_done,
    restore_layer,
    select_rows,
    write_counts,
)
from blocksieve.engine.interception import Arguments, Forward
from blocksieve.engine.nested import cloned, same_values, tensors_in, with_fresh_containers
from blocksieve.engine.work import Work, removed_up_to
from blocksieve.models.blocks import BlockList

Container: TypeAlias = MutableMapping[object, object] | list[object]


def walk_order(combinations: list[Combination], num_blocks: int) -> list[Combination]:
    """Return the depth-first order of the trie of what combinations remove.

    Those that agree below a block stand side by side, so that one path in memory is enough.
    """

    def path(combination: Combination) -> tuple[Site, ...]:
        """Return where the combination lies in the trie."""
        # The last number is larger than any block: where combinations part, the one that removes
        # the block comes before the one that keeps it.
        return (*combination.sites, Site(num_blocks))

    return sorted(combinations, key=path)


@dataclass
class RecordedCall:
    """What one call of a block left behind.

    `removed`: what is removed below it, and of itself. `output` and how often its tensors had been
    written to. `cache_states`: the state of each layer at the block's position, for each cache
    among the arguments. `written`: what the block added to each container among its arguments.
    """

    removed: tuple[Site, ...]
    output: object
    counts_at_return: list[int]
    cache_states: list[list[dict[str, object]]]
    written: list[Container]

    @property
    def is_intact(self) -> bool:
        """Whether nobody wrote into the output since."""
        counts = write_counts(self.output)
        return counts == self.counts_at_return


class BlockReplay:
    """The handler of the blocks: a call that ran before with the same removed is replayed.

    It keeps one path of the trie in memory. `prefix_of` (rows,), if given, says which prefix each
    prompt begins with: the first pass then has one row per prefix, the second one row per prompt.
    Without `remembers`, every combination runs all its blocks.
    """

    def __init__(
        self, work: Work, prefix_of: torch.Tensor | None = None, remembers: bool = True
    ) -> None:
        self.work = work
        self.prefix_of = prefix_of
        self.remembers = remembers
        self.calls: dict[tuple[int, int], RecordedCall] = {}  # by pass and block
        self.copies_outputs = False
        self.combination = NONE
        self.shared_passes = 0
        self.last_pass: dict[int, int] = {}  # by block

    def forget(self, number: int) -> None:
        """Forget a pass, counted from 0: it has other tokens from now on."""
        kept = {}
        for (call_number, index), call in self.calls.items():
            if call_number != number:
                kept[call_number, index] = call
        self.calls = kept

    def begin(self, combination: Combination, shared_passes: int) -> None:
        """Take the next calls as this combination's.

        Its first passes have the tokens of all other combinations.
        """
        self.combination = combination
        self.shared_passes = shared_passes
        self.last_pass = {}
        if not self.remembers:
            self.calls.clear()

    @property
    def started(self) -> bool:
        """Whether a block of this combination ran already."""
        return bool(self.last_pass)

    def __call__(self, index: int, forward: Forward, arguments: Arguments) -> object:
        """Replay a block's call, or run it and keep what it left behind."""
        number = self.last_pass.get(index, -1) + 1
        self.last_pass[index] = number
        if number >= self.shared_passes:  # each combination decodes other tokens
            self.work.block_ran(index, arguments, self.combination.halves)
            return arguments.passed_to(forward)
        removed = removed_up_to(self.combination, index)
        num_gone = sum(not site.part for site in removed)
        position = index - num_gone  # of the block in the view, and of its layer in the cache
        call = self.calls.get((number, index))
        if call is not None and call.removed == removed:
            if call.is_intact:
                _restore(call, position, arguments)
                return self._handed_out(call.output)
            # The model writes into what its blocks return. From now on it gets copies.
            self.copies_outputs = True
        if number == 1 and self.prefix_of is not None:
            self._expand_prefixes(position, arguments)
        self.work.block_ran(index, arguments, removed)
        call = _record(forward, position, removed, arguments)
        self.calls[number, index] = call
        return self._handed_out(call.output)

    def _handed_out(self, output: object) -> object:
        if self.copies_outputs:
            return cloned(output)
        return with_fresh_containers(output)

    def _expand_prefixes(self, position: int, arguments: Arguments) -> None:
        """Turn a cache layer from one row per prefix into one row per prompt."""
        for cache in _caches(arguments):
            for layer in layers_at(cache, position):
                select_rows(layer, self.prefix_of)

    def output_bytes(self) -> int:
        """Return the memory of the outputs that are kept."""
        outputs = [call.output for call in self.calls.values()]
        return sum(tensor.nbytes for tensor in tensors_in(outputs))

    def cache_bytes(self) -> int:
        """Return the memory of the states of cache layers that are kept."""
        states = [call.cache_states for call in self.calls.values()]
        return sum(tensor.nbytes for tensor in tensors_in(states))


@dataclass
class RecordedEncoding:
    """What one call of an encoder was given and returned, and how often that was written to."""

    values: tuple[object, ...]
    keywords: dict[str, object]
    output: object
    counts_at_return: list[int]

    def answers(self, arguments: Arguments) -> bool:
        """Whether a call with these arguments gives the same output, which is still intact."""
        if write_counts(self.output) != self.counts_at_return:
            return False
        if not same_values(self.keywords, arguments.kwargs):
            return False
        return same_values(self.values, arguments.args)


class EncoderMemo:
    """The handler of modules that run before the blocks: the same inputs give the same output.

    Without `remembers` every call runs.
    """

    def __init__(self, work: Work, blocks: BlockReplay, remembers: bool = True) -> None:
        self.work = work
        self.blocks = blocks
        self.remembers = remembers
        self.calls: dict[int, list[RecordedEncoding]] = {}

    def __call__(self, index: int, forward: Forward, arguments: Arguments) -> object:
        """Give back a known output; after the first block, run the module as it is."""
        if self.blocks.started:  # the head, whose inputs differ by combination
            return arguments.passed_to(forward)
        if not self.remembers:
            self.work.encoder_ran(index, arguments)
            return arguments.passed_to(forward)
        calls = self.calls.setdefault(index, [])
        for call in calls:
            if call.answers(arguments):
                return with_fresh_containers(call.output)
        # Copied before the call, since a module may write into its arguments.
        values = cloned(arguments.args)
        keywords = cloned(arguments.kwargs)
        self.work.encoder_ran(index, arguments)
        output = arguments.passed_to(forward)
        call = RecordedEncoding(values, keywords, output, write_counts(output))
        calls.append(call)
        return with_fresh_containers(output)


def encoders(model: nn.Module, block_list: BlockList) -> dict[int, nn.Module]:
    """Return the top-level modules outside the decoder, such as the vision tower and the projector.

    They run once for each distinct input. A child of a module on the way from the model to the
    owner of the blocks counts, unless it lies on that way itself.
    """
    on_the_way = [model]
    for name in block_list.path.split(".")[:-1]:
        on_the_way.append(getattr(on_the_way[-1], name))
    outside = []
    for module in on_the_way[:-1]:
        for child in module.children():
            # By identity, since a module's class may define equality.
            if not any(child is part for part in on_the_way):
                outside.append(child)
    return dict(enumerate(outside))


def _record(
    forward: Forward, position: int, removed: tuple[Site, ...], arguments: Arguments
) -> RecordedCall:
    """Run a block, and keep what a replay has to put in place."""
    containers = _containers(arguments)
    before = [copy.copy(container) for container in containers]
    output = arguments.passed_to(forward)
    cache_states = []
    for cache in _caches(arguments):
        layers = layers_at(cache, position)
        cache_states.append([layer_state(layer) for layer in layers])
    return RecordedCall(
        removed=removed,
        output=output,
        counts_at_return=write_counts(output),
        cache_states=cache_states,
        written=list(map(_added, before, containers)),
    )


def _restore(call: RecordedCall, position: int, arguments: Arguments) -> None:
    """Leave behind what the recorded call left behind."""
    caches = _caches(arguments)
    for cache, states in zip(caches, call.cache_states, strict=True):
        layers = layers_at(cache, position)
        for layer, state in zip(layers, states, strict=True):
            restore_layer(layer, state)
        mark_cross_attention_done(cache, position)
    containers = _containers(arguments)
    for container, added in zip(containers, call.written, strict=True):
        if isinstance(container, list):
            container.extend(added)
        elif isinstance(added, MutableMapping):
            container.update(added)


def _caches(arguments: Arguments) -> list[Cache]:
    return [value for value in arguments.values if isinstance(value, Cache)]


def _containers(arguments: Arguments) -> list[Container]:
    """Return the arguments that a block may write to: mappings and lists."""
    containers: list[Container] = []
    for value in arguments.values:
        if isinstance(value, (MutableMapping, list)):
            containers.append(value)
    return containers


def _added(before: Container, after: Container) -> Container:
    """Return what a container has gained: entries of a mapping, the end of a list."""
    if isinstance(after, list):
        return after[len(before) :]
    if not isinstance(before, MutableMapping):
        return after
    gained: dict[object, object] = {}
    for key, value in after.items():
        if key not in before or before[key] is not value:
            gained[key] = value
    return gained
