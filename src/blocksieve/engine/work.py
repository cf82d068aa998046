"""Count the work of a job in FLOPs: what was done, what a plain loop over combinations would do, what is distinct."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from blocksieve.combination import Combination
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import intercepted

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Costs:
    """FLOPs of each block a token, each encoder an input number, all encoders a row, the head an answer token."""

    blocks: dict[int, float] = field(default_factory=dict)
    encoders: dict[int, float] = field(default_factory=dict)
    encoding: float = 0.0
    head: float = 0.0


class Work:
    """FLOPs of a job: `done`; `plain`, what a loop over the combinations does; `bound`, the distinct part of it.

    Tokens count with the padding of their batch; a token costs what it costs on average in the probe's prompts.
    """

    def __init__(self, costs: Costs | None = None) -> None:
        self.costs = costs or Costs()
        self.done = self.plain = self.bound = 0.0

    def block_ran(self, index: int, arguments: Arguments) -> None:
        """A block ran on these arguments."""
        self.done += self.costs.blocks.get(index, 0.0) * _tokens(arguments)

    def encoder_ran(self, index: int, arguments: Arguments) -> None:
        """An encoder ran on these arguments."""
        self.done += self.costs.encoders.get(index, 0.0) * _numbers(arguments)

    def head_ran(self, tokens: int) -> None:
        """The head gave the scores of so many tokens."""
        self.done += self.costs.head * tokens

    def batch_answered(
        self,
        batch: Batch,
        answers: Mapping[Combination, list[list[int]]],
    ) -> None:
        """Add a batch's work as a plain loop does it, and its distinct part."""
        num_blocks, rows = len(self.costs.blocks), batch.rows
        encoding = self.costs.encoding * rows
        for combination, tokens in answers.items():
            steps = max(map(len, tokens))
            kept = sum(
                cost for index, cost in self.costs.blocks.items() if index not in combination.blocks
            )
            self.plain += (
                encoding
                + kept * (batch.prompt_tokens + rows * (steps - 1))
                + self.costs.head * rows * steps
            )
        nodes = cache(lambda combinations: self._nodes(combinations, num_blocks))
        self.bound += encoding * batch.distinct_images
        self.bound += nodes(frozenset(answers)) * batch.distinct_prompt_tokens
        for row in range(rows):
            by_prefix: dict[tuple[int, ...], set[Combination]] = {}
            for combination, tokens in answers.items():
                self.bound += self.costs.head * len(tokens[row])
                for length in range(1, len(tokens[row])):
                    by_prefix.setdefault(tuple(tokens[row][:length]), set()).add(combination)
            self.bound += sum(nodes(frozenset(group)) for group in by_prefix.values())

    def _nodes(self, combinations: frozenset[Combination], num_blocks: int) -> float:
        """FLOPs a token of the trie of combinations: a node is a kept block and what is removed below it."""
        distinct = {
            (index, tuple(removed for removed in combination.blocks if removed < index))
            for combination in combinations
            for index in range(num_blocks)
            if index not in combination.blocks
        }
        return sum(self.costs.blocks[index] for index, _ in distinct)


@contextmanager
def measured(
    blocks: Mapping[int, nn.Module], encoders: Mapping[int, nn.Module], rows: int
) -> Iterator[Costs]:
    """Measure costs while a model answers `rows` prompts with one token each; complete when the context ends."""
    costs, total, spent = Costs(), 0.0, 0.0
    with FlopCounterMode(display=False, custom_mapping=EXTRA_FLOPS) as counter:

        def meter(table: dict[int, float], size: Any) -> Any:
            def handler(
                index: int, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
            ) -> Any:
                nonlocal spent
                if costs.blocks and table is not costs.blocks:  # the head, after the blocks
                    return forward(*args, **kwargs)
                before = counter.get_total_flops()
                output = forward(*args, **kwargs)
                flops = counter.get_total_flops() - before
                spent += flops
                if table is costs.encoders:
                    costs.encoding += flops / rows
                table[index] = flops / max(1, size((args, kwargs)))
                return output

            return handler

        with (
            intercepted(blocks, meter(costs.blocks, _tokens)),
            intercepted(encoders, meter(costs.encoders, _numbers)),
        ):
            yield costs
        total = counter.get_total_flops()
    costs.head = (total - spent) / rows


def _attention_on_cpu(
    query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any
) -> int:
    return int(sdpa_flop_count(query, key, value))


def _grouped(left: Any, right: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Experts: every row of the left matrix meets one of the right ones."""
    return int(2 * left[-2] * right[-2] * right[-1])


# Operations that torch's counter does not know.
EXTRA_FLOPS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_on_cpu,
    torch.ops.aten._grouped_mm: _grouped,
}


def tensors_in(value: Any) -> list[torch.Tensor]:
    """All tensors in nested containers, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, MutableMapping):
        return [tensor for part in value.values() for tensor in tensors_in(part)]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in tensors_in(part)]
    return []


def hidden_states(arguments: Arguments) -> torch.Tensor:
    """The hidden states that a block is called with: rows x tokens x ..."""
    args, kwargs = arguments
    return tensors_in(args)[0] if args else kwargs["hidden_states"]


def _tokens(arguments: Arguments) -> int:
    hidden = hidden_states(arguments)
    return int(hidden.shape[0] * hidden.shape[1])


def _numbers(arguments: Arguments) -> int:
    return sum(tensor.numel() for tensor in tensors_in(arguments))
