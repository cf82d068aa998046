"""Count the work of a job in FLOPs: what ran, what a plain loop runs, what of that is distinct."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from blocksieve.combination import Combination, Site
from blocksieve.engine.generation import flop_counter
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.engine.nested import tensors_in
from blocksieve.models.halves import HalfModule

Answers = Mapping[Combination, list[list[int]]]
"""The tokens of each combination's answers, one list per row."""


@dataclass
class Costs:
    """FLOPs of the parts of a model.

    `blocks`: of each block per token; `halves`: what of that its halves take; `encoders`: of each
    encoder per number in its arguments; `encoding`: of all encoders per row; `head`: of the head
    per answer token.
    """

    blocks: dict[int, float] = field(default_factory=dict)
    halves: dict[Site, float] = field(default_factory=lambda: defaultdict(float))
    encoders: dict[int, float] = field(default_factory=dict)
    encoding: float = 0.0
    head: float = 0.0

    def of_block(self, index: int, removed: Iterable[Site]) -> float:
        """Return what a block costs per token without those of its halves that are removed."""
        halves = [site for site in removed if site.block == index]
        # 0 if costs are unknown
        return self.blocks.get(index, 0.0) - sum(self.halves.get(site, 0.0) for site in halves)


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

    def block_ran(self, index: int, arguments: Arguments, removed: Iterable[Site]) -> None:
        """Count a block that ran on these arguments, but for those of its halves removed."""
        cost = self.costs.of_block(index, removed)
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
            for block in self.costs.blocks:
                if block not in combination.whole_blocks:
                    total += self.costs.of_block(block, combination.halves) * tokens_read
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

        A node of the trie is a kept block and what is removed up to it: combinations that agree on
        both share that block's call.
        """
        nodes = set()
        for combination in combinations:
            for block in self.costs.blocks:
                if block in combination.whole_blocks:
                    continue
                nodes.add((block, removed_up_to(combination, block)))
        total = 0.0
        for block, removed in nodes:
            total += self.costs.of_block(block, removed)
        return total


def removed_up_to(combination: Combination, block: int) -> tuple[Site, ...]:
    """Return what a combination removes below a block, and of the block itself.

    What a block is called with and returns depends on nothing else but the tokens.
    """
    return tuple(site for site in combination.sites if site.block <= block)


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
    blocks: Mapping[int, nn.Module],
    halves: Mapping[HalfModule, nn.Module],
    encoders: Mapping[int, nn.Module],
    num_rows: int,
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
            """Run a block, and keep its FLOPs per token, and those of its halves."""
            num_tokens = max(1, _count_tokens(arguments))
            output, flops = flops_of(forward, arguments)
            costs.blocks[index] = flops / num_tokens
            for part in ("a", "m"):
                costs.halves[Site(index, part)] /= num_tokens
            return output

        def measure_half(key: HalfModule, forward: Forward, arguments: Arguments) -> object:
            """Run a module of a half, whose FLOPs are the block's, too."""
            before = counter.get_total_flops()
            output = arguments.passed_to(forward)
            costs.halves[key.site] += counter.get_total_flops() - before
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

        with (
            intercepted(blocks, measure_block),
            intercepted(halves, measure_half),
            intercepted(encoders, measure_encoder),
        ):
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
