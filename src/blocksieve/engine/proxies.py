"""What one pass over the whole model says of each block: proxies for the drop of removing it.

The pass reads prompts and then the whole model's own answers, as `generate` did. At each block:

cosine: block influence, 1 - cos(input, output) of its hidden states, averaged over the tokens read:
    ShortGPT, arXiv 2403.03853.
kl: Kullback-Leibler divergence, in nats, from the distribution of the next token to what it would
    be without the block's direct contribution: output - input of the block is taken out of the last
    block's output, before the final norm and the head. Averaged over the answer's tokens. Later
    blocks stay as they were, which is what removing the block does only if it is the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cosine_similarity, log_softmax
from transformers import Cache
from transformers.utils import ModelOutput

from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.attempt import UnsupportedError, out_of_memory
from blocksieve.engine.generation import (
    Prepared,
    cache_of,
    grow_arguments,
    keep_past_of_windows,
    prepare,
    run_prompts,
    score_unread,
)
from blocksieve.engine.inputs import make_inputs
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.engine.nested import tensors_in
from blocksieve.engine.positions import rotary_state_kept
from blocksieve.engine.prefixes import Inputs
from blocksieve.models.loading import LoadedModel

# Logits of all blocks that may be in memory at once, as numbers of 32 bits: 1 GiB.
ROOM = 2**28


@dataclass(frozen=True)
class BlockProxies:
    """The proxies of one sample, a number per block."""

    cosine: list[float]
    kl: list[float]


@dataclass(frozen=True)
class Reading:
    """What the blocks did to some tokens of each row.

    `changes` (blocks, rows): 1 - cosine, summed over the tokens read. `num_read`: (rows,).
    `divergences`: (blocks, rows, scored).
    """

    changes: torch.Tensor
    num_read: torch.Tensor
    divergences: torch.Tensor


class Recorder:
    """The handler of the blocks during one pass; it keeps what each block did to its input.

    `is_read` (rows, tokens): which tokens count. `num_scored`: how many of the last tokens the head
    scores. The last block hands on only these, first as they are, and then once more for each block
    without what that block added: (rows * (1 + blocks), scored, width).
    """

    def __init__(self, num_blocks: int, is_read: torch.Tensor, num_scored: int) -> None:
        self.last = num_blocks - 1
        self.is_read = is_read
        self.num_scored = num_scored
        self.changes: list[torch.Tensor] = []  # (rows,) of each block
        self.added: list[torch.Tensor] = []  # (rows, scored, width) of each block

    def __call__(self, index: int, forward: Forward, arguments: Arguments) -> object:
        """Run a block, and keep how far it turned its input and what it added."""
        # A copy, since some blocks write into their input.
        before = arguments.hidden_states().clone()
        output = arguments.passed_to(forward)
        after = tensors_in(output)[0]  # (rows, tokens, width)
        in_order = index == len(self.added)
        if not in_order or after.shape != before.shape or after.shape[:2] != self.is_read.shape:
            raise UnsupportedError("its blocks are no chain of hidden states (rows, tokens, width)")
        change = 1 - cosine_similarity(before.float(), after.float(), dim=-1)  # (rows, tokens)
        self.changes.append(change.where(self.is_read, 0).sum(1))
        scored = after[:, -self.num_scored :].float()  # (rows, scored, width)
        self.added.append(scored - before[:, -self.num_scored :].float())
        if index < self.last:
            return output
        without = [scored - added for added in self.added]
        variants = torch.cat([scored, *without]).to(after.dtype)
        return (variants, *output[1:]) if isinstance(output, tuple) else variants

    def reading(self, logits: torch.Tensor) -> Reading:
        """Return what was recorded; `logits`: (rows * (1 + blocks), scored or more, vocabulary)."""
        whole, *variants = logits[:, -self.num_scored :].chunk(1 + len(self.added))
        log_p = log_softmax(whole.float(), dim=-1)
        by_block = []
        for variant in variants:
            log_q = log_softmax(variant.float(), dim=-1)
            by_block.append((log_p.exp() * (log_p - log_q)).sum(-1))
        return Reading(torch.stack(self.changes), self.is_read.sum(1), torch.stack(by_block))


def block_proxies(
    loaded: LoadedModel,
    rows: Sequence[SampleRow],
    prompt: str,
    answers: Sequence[list[int]],
    largest_batch: int,
) -> list[BlockProxies]:
    """Return the proxies of samples, in order; `answers`: the tokens of the whole model's answers.

    Each answer has a token at least. Batches are as large as memory allows, up to `largest_batch`.
    UnsupportedError if the model's blocks cannot be read so.
    """
    longest = max((len(answer) for answer in answers), default=1)
    num_variants = 1 + len(loaded.blocks.blocks)
    vocabulary = loaded.model.config.get_text_config(decoder=True).vocab_size
    size = min(largest_batch, max(1, ROOM // (num_variants * longest * vocabulary)))
    proxies: list[BlockProxies] = []
    while len(proxies) < len(rows):
        batch = slice(len(proxies), len(proxies) + size)
        try:
            inputs = make_inputs(loaded, rows[batch], prompt)
            proxies += proxies_of_batch(loaded, inputs, answers[batch])
            continue
        except Exception as error:
            if not out_of_memory(error) or size == 1:
                raise
        # Outside of the handler, since the exception holds what the batch had in memory.
        torch.cuda.empty_cache()
        size = (size + 1) // 2
    return proxies


@torch.no_grad()
def proxies_of_batch(
    loaded: LoadedModel, inputs: Inputs, answers: Sequence[list[int]]
) -> list[BlockProxies]:
    """Return the proxies of the samples of a batch: one pass over prompts, one over answers."""
    blocks = dict(enumerate(loaded.blocks.blocks))
    device = loaded.model.device
    lengths = torch.tensor([len(answer) for answer in answers], device=device)  # (rows,)
    longest = int(lengths.max())
    filled = [answer + [answer[-1]] * (longest - len(answer)) for answer in answers]
    tokens = torch.tensor(filled, device=device)  # (rows, longest)
    places = torch.arange(longest, device=device)
    with rotary_state_kept(loaded.model):
        prepared = prepare(loaded.model, inputs, longest)
        outputs, reading = _read_prompts(prepared, blocks)
        readings = [reading]
        if longest > 1:
            # The last token of an answer is scored, but never read.
            is_read = places[:-1] < lengths[:, None] - 1  # (rows, longest - 1)
            cache = cache_of(outputs)
            readings.append(_read_answers(prepared, blocks, cache, tokens[:, :-1], is_read))
    is_answer = places < lengths[:, None]  # (rows, longest)
    divergences = torch.cat([each.divergences for each in readings], 2)  # (blocks, rows, longest)
    kl = divergences.where(is_answer, 0).sum(2) / lengths  # (blocks, rows)
    changes = torch.stack([each.changes for each in readings]).sum(0)  # (blocks, rows)
    num_read = torch.stack([each.num_read for each in readings]).sum(0)  # (rows,)
    cosine = changes / num_read
    by_row = zip(cosine.T.tolist(), kl.T.tolist(), strict=True)
    return [BlockProxies(of_cosine, of_kl) for of_cosine, of_kl in by_row]


def _read_prompts(
    prepared: Prepared, blocks: Mapping[int, nn.Module]
) -> tuple[ModelOutput, Reading]:
    """Read the prompts, and score the token after each."""
    mask = prepared.arguments.get("attention_mask")  # (rows, width)
    if not isinstance(mask, torch.Tensor) or mask.shape != prepared.input_ids.shape:
        # A decoder that an encoder feeds has no padding.
        mask = torch.ones_like(prepared.input_ids)
    recorder = Recorder(len(blocks), mask.bool(), num_scored=1)
    with intercepted(blocks, recorder):
        outputs = run_prompts(prepared)
    return outputs, recorder.reading(outputs.logits)


def _read_answers(
    prepared: Prepared,
    blocks: Mapping[int, nn.Module],
    cache: Cache,
    tokens: torch.Tensor,  # (rows, tokens)
    is_read: torch.Tensor,  # (rows, tokens)
) -> Reading:
    """Read tokens of the answers behind the prompts, which the cache holds, and score the next."""
    num_tokens = tokens.shape[1]
    arguments = grow_arguments(prepared.model, prepared.arguments, num_tokens)
    if "logits_to_keep" in arguments:
        arguments["logits_to_keep"] = num_tokens
    keep_past_of_windows(cache)
    input_ids = torch.cat([prepared.input_ids, tokens], 1)
    recorder = Recorder(len(blocks), is_read, num_scored=num_tokens)
    with intercepted(blocks, recorder):
        logits = score_unread(prepared.model, input_ids, num_tokens, cache, arguments)
    return recorder.reading(logits)
