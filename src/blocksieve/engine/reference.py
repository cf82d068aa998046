"""The reference engine: really remove the blocks, then call the model's own generate. Slow, obvious, the judge."""

from collections.abc import Iterator
from typing import Any

import torch

from blocksieve.combination import Combination
from blocksieve.engine.answers import Answer, Watch, end_tokens, grown, watched
from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import Batch
from blocksieve.engine.work import Work
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import view, without_blocks


def by_reference(
    loaded: LoadedModel,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
    max_new_tokens: int,
    work: Work,
) -> Iterator[tuple[Combination, list[Answer] | Exception]]:
    """Answers of models from which the blocks are really deleted."""
    for combination in combinations:

        def answer(combination: Combination = combination) -> Any:
            pruned = without_blocks(loaded.model, combination, loaded.blocks.path)
            return generate(loaded, pruned, batch.inputs, max_new_tokens)

        yield combination, attempt(answer)


def by_view(
    loaded: LoadedModel,
    batch: Batch,
    combinations: list[Combination],
    drafts: list[list[int]] | None,
    max_new_tokens: int,
    work: Work,
) -> Iterator[tuple[Combination, list[Answer] | Exception]]:
    """Answers of the one model with the blocks left out for the time of the call."""
    for combination in combinations:

        def answer(combination: Combination = combination) -> Any:
            with view(loaded.model, loaded.blocks, combination):
                return generate(loaded, loaded.model, batch.inputs, max_new_tokens)

        yield combination, attempt(answer)


@torch.no_grad()
def generate(
    loaded: LoadedModel, model: Any, inputs: dict[str, torch.Tensor], max_new_tokens: int
) -> list[Answer]:
    """Greedy answers of one model to one left-padded batch, by its own generate."""
    watch = Watch(model.dtype)
    own = {
        name: value.clone() for name, value in inputs.items()
    }  # generate() may change its inputs in place
    with watched(model, watch):
        output = model.generate(**own, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
    return grown(
        output[:, watch.start :].tolist(), watch, end_tokens(model), max_new_tokens
    ).answers(loaded)
