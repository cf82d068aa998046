"""Count the work of a job in FLOPs: what ran, what a plain loop runs, what of that is distinct."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from blocksieve.combination import Combination
from blocksieve.engine.generation import flop_counter
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.engine.nested import tensors_in

Answers = Mapping[Combination, list[list[int]]]
"""The tokens of each combination's answers, one list per row."""


@dataclass
class Costs:
    """FLOPs of the parts of a model.

    `blocks`: of each block per token; `encoders`: of each encoder per number in its arguments;
    `encoding`: of all encoders per row; `head`: of the head per answer token.
    """

    blocks: dict[int, float] = field(default_factory=dict)
    encoders: dict[int, float] = field(default_factory=dict)
    encoding: float = 0.0
    head: float = 0.0


class Work:
    """FLOPs of a job.

    `done`: what ran. `plain`: what a loop over combinations runs. `bound`: the distinct part of it.
    Tokens count with the padding of their batch. A token costs what it costs on average in the
    probe's prompts.
    """

    def __init__(self, costs: Costs | None = None) -> None:
        self.costs = costs or Costs()
        self.done = 0.0
        self.plain = 0.0
        self.bound = 0.0

    def block_ran(self, index: int, arguments: Arguments) -> None:
        """Count a block that ran on these arguments."""
        cost = self.costs.blocks.get(index, 0.0)  # 0 if costs are unknown
        self.done += cost * _count_tokens(arguments)

    def encoder_ran(self, index: int, arguments: Arguments) -> None:
        """Count an encoder that ran on these arguments."""
        cost = self.costs.encoders.get(index, 0.0)
        self.done += cost * _count_numbers(arguments)

    def head_ran(self, num_tokens: int) -> None:
        """Count the scores of so many tokens."""
        self.done += self.costs.head * num_tokens

    def batch_answered(self, batch: Batch, answers: Answers) -> None:
        """Add a batch's work as a plain loop does it, and its distinct part."""
        plain = self._plain_work(batch, answers)
        distinct = self._distinct_work(batch, answers)
        self.plain += plain
        self.bound += distinct

    def loop_ran(self, batch: Batch, answers: Answers) -> None:
        """Count a batch that was answered as a plain loop does it."""
        self.done += self._plain_work(batch, answers)

    def _plain_work(self, batch: Batch, answers: Answers) -> float:
        total = 0.0
        for combination, tokens in answers.items():
            num_steps = max(len(row) for row in tokens)
            # The pass over the prompts gives the first token; the last token is never read.
            answer_tokens_read = batch.rows * (num_steps - 1)
            tokens_read = batch.prompt_tokens + answer_tokens_read
            for block, cost in self.costs.blocks.items():
                if block not in combination.blocks:
                    total += cost * tokens_read
            total += self.costs.encoding * batch.rows
            total += self.costs.head * batch.rows * num_steps
        return total

    def _distinct_work(self, batch: Batch, answers: Answers) -> float:
        encoding = self.costs.encoding * batch.rows
        total = encoding * batch.distinct_images
        total += self._trie_costs(answers) * batch.distinct_prompt_tokens
        # Kept, since the same sets of combinations agree in many places.
        trie_costs: dict[frozenset[Combination], float] = {}
        for row in range(batch.rows):
            row_answers = {}
            for combination, tokens in answers.items():
                row_answers[combination] = tokens[row]
                total += self.costs.head * len(tokens[row])
            for group in _groups_reading_the_same(row_answers):
                if group not in trie_costs:
                    trie_costs[group] = self._trie_costs(group)
                total += trie_costs[group]
        return total

    def _trie_costs(self, combinations: Iterable[Combination]) -> float:
        """Return the FLOPs per token of the trie of combinations.

        A node of the trie is a kept block and what is removed below it: combinations that agree on
        both share that block's call.
        """
        nodes = set()
        for combination in combinations:
            for block in self.costs.blocks:
                if block in combination.blocks:
                    continue
                below = blocks_below(combination, block)
                nodes.add((block, below))
        total = 0.0
        for block, _ in nodes:
            total += self.costs.blocks[block]
        return total


def blocks_below(combination: Combination, block: int) -> tuple[int, ...]:
    """Return the blocks that a combination removes below a block.

    What a block is called with depends on nothing else but the tokens.
    """
    return tuple(removed for removed in combination.blocks if removed < block)


def _groups_reading_the_same(
    row_answers: Mapping[Combination, list[int]],
) -> list[frozenset[Combination]]:
    """Return for each distinct beginning of one row's answers which combinations read it.

    A beginning is read if a token follows it, so no answer counts as a whole.
    """
    by_beginning: dict[tuple[int, ...], set[Combination]] = {}
    for combination, tokens in row_answers.items():
        for length in range(1, len(tokens)):
            beginning = tuple(tokens[:length])
            group = by_beginning.setdefault(beginning, set())
            group.add(combination)
    return [frozenset(group) for group in by_beginning.values()]


@contextmanager
def measuring_costs(
    blocks: Mapping[int, nn.Module], encoders: Mapping[int, nn.Module], num_rows: int
) -> Iterator[Costs]:
    """Measure costs while a model answers `num_rows` prompts with one token each.

    They are complete when the context ends.
    """
    costs = Costs()
    spent = 0.0  # in blocks and encoders
    with flop_counter() as counter:

        def flops_of(forward: Forward, arguments: Arguments) -> tuple[object, float]:
            """Return a call's output and its FLOPs."""
            nonlocal spent
            before = counter.get_total_flops()
            output = arguments.passed_to(forward)
            flops = counter.get_total_flops() - before
            spent += flops
            return output, flops

        def measure_block(index: int, forward: Forward, arguments: Arguments) -> object:
            """Run a block, and keep its FLOPs per token."""
            output, flops = flops_of(forward, arguments)
            num_tokens = _count_tokens(arguments)
            costs.blocks[index] = flops / max(1, num_tokens)
            return output

        def measure_encoder(index: int, forward: Forward, arguments: Arguments) -> object:
            """Run an encoder, and keep its FLOPs per number."""
            if costs.blocks:
                # Modules beside the decoder that run after its blocks are the head.
                return arguments.passed_to(forward)
            output, flops = flops_of(forward, arguments)
            num_numbers = _count_numbers(arguments)
            costs.encoders[index] = flops / max(1, num_numbers)
            costs.encoding += flops / num_rows
            return output

        with intercepted(blocks, measure_block), intercepted(encoders, measure_encoder):
            yield costs
        total = counter.get_total_flops()
    costs.head = (total - spent) / num_rows


def _count_tokens(arguments: Arguments) -> int:
    hidden = arguments.hidden_states()  # (rows, tokens, ...)
    num_rows, num_tokens = hidden.shape[:2]
    return int(num_rows * num_tokens)


def _count_numbers(arguments: Arguments) -> int:
    tensors = tensors_in(arguments.values)
    return sum(tensor.numel() for tensor in tensors)
