"""The reference: really remove the blocks, then call the model's own generate. Slow and obvious."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from blocksieve.combination import Combination
from blocksieve.engine.answers import NEAR_TIE_STEPS, Answer, Watch, end_tokens, partial_answers
from blocksieve.engine.generation import generate_greedily
from blocksieve.engine.inputs import Batch
from blocksieve.engine.positions import rotary_state_kept
from blocksieve.engine.work import Work
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import view, without_blocks


@dataclass(frozen=True)
class Context:
    """What all ways of answering a batch need: a model, how long answers may be, a work counter.

    `near_tie_steps`: below which margin, in steps of a 16-bit format, a token is nearly tied.
    """

    loaded: LoadedModel
    max_new_tokens: int
    work: Work
    near_tie_steps: float = NEAR_TIE_STEPS


def answers_of_copy(context: Context, batch: Batch, combination: Combination) -> list[Answer]:
    """Return the answers of a copy of the model from which the blocks are really deleted."""
    loaded = context.loaded
    pruned = without_blocks(loaded.model, combination, loaded.blocks.path)
    answers: list[Answer] = generate(loaded, pruned, batch.inputs, context.max_new_tokens)
    return answers


def answers_of_view(context: Context, batch: Batch, combination: Combination) -> list[Answer]:
    """Return the answers of the one model, the blocks left out for the time of the call."""
    loaded = context.loaded
    with view(loaded.model, loaded.blocks, combination):
        answers: list[Answer] = generate(loaded, loaded.model, batch.inputs, context.max_new_tokens)
    return answers


@torch.no_grad()
def generate(
    loaded: LoadedModel,
    model: PreTrainedModel,
    inputs: Mapping[str, torch.Tensor],
    max_new_tokens: int,
) -> list[Answer]:
    """Return greedy answers of one model to one left-padded batch, by its own generate."""
    watch = Watch(model.dtype)
    with rotary_state_kept(model):
        # (rows, prompt + answer)
        output = generate_greedily(model, inputs, max_new_tokens, [watch])
    answer_ids = output[:, watch.start :]  # (rows, answer)
    token_lists = answer_ids.tolist()
    ends = end_tokens(model)
    answers = partial_answers(token_lists, watch, ends, max_new_tokens)
    return answers.answers(loaded)
