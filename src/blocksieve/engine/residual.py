"""Check that a block is its input plus its two halves; otherwise its halves mean nothing clear."""

import logging

import torch

from blocksieve.combination import Combination
from blocksieve.engine.attempt import attempt
from blocksieve.engine.generation import generate_greedily
from blocksieve.engine.inputs import Batch
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.errors import name_and_first_line
from blocksieve.models.halves import first_tensor, with_first
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import view

logger = logging.getLogger("blocksieve")


def check_halves(loaded: LoadedModel, probe: Batch) -> None:
    """Refuse the halves of all blocks that add something besides their halves.

    No names are trusted: with both halves of a block skipped, it must return its input, bit for
    bit. All blocks are tried in one pass over real prompts, which nearly costs nothing: what is
    left of them are norms.
    """
    halves = loaded.blocks.halves
    if not halves.sites:
        halves.checked = True
        return
    # Once for what halves return, since the first call of each runs; then to compare.
    tried = attempt(_skip_all, loaded, probe)
    if not isinstance(tried, Exception):
        tried = attempt(_skip_all, loaded, probe)
    if isinstance(tried, Exception):
        failure = f"with both skipped, it fails: {name_and_first_line(tried)}"
        tried = dict.fromkeys(range(len(loaded.blocks.blocks)), failure)
    for block, problem in tried.items():
        if problem is not None:
            halves.refuse(block, f"block {block} is not its input plus two halves: {problem}")
    halves.checked = True
    if halves.reasons:
        logger.warning("no halves of %d blocks: %s", len(halves.reasons), halves.first_reason)


def _skip_all(loaded: LoadedModel, probe: Batch) -> dict[int, str | None]:
    """Skip all halves in one pass; return how each block's output then differs from its input."""
    problems: dict[int, str | None] = {}

    def compare(index: int, forward: Forward, arguments: Arguments) -> object:
        """Run a block, and compare what it returns with a copy of what it is called with."""
        hidden = arguments.hidden_states().clone()
        output = arguments.passed_to(forward)
        changed = first_tensor(output)
        same = torch.equal(changed, hidden)
        problems[index] = None if same else "with both skipped, it changes its input"
        if same:
            return output
        # The next block is to be tried on real numbers, too: a lost residual would leave zeros.
        num_returned = len(output) if isinstance(output, tuple) else None
        return with_first(hidden, num_returned)

    blocks = dict(enumerate(loaded.blocks.blocks))
    combination = Combination.of(loaded.blocks.halves.sites)
    with (
        torch.no_grad(),
        view(loaded.model, loaded.blocks, combination),
        intercepted(blocks, compare),
    ):
        generate_greedily(loaded.model, probe.inputs, max_new_tokens=1)
    return problems
