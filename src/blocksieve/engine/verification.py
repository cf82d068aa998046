"""Verify a draft answer in one pass over all its tokens instead of decoding it token by token."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch.nn.functional import pad
from transformers import (
    Cache,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    RepetitionPenaltyLogitsProcessor,
)

from blocksieve.engine.answers import Watch
from blocksieve.engine.attempt import UnsupportedError
from blocksieve.engine.generation import (
    LayerState,
    ModelArguments,
    Prepared,
    cache_of,
    grow_arguments,
    keep_past_of_windows,
    recurrent_states,
    run_prompts,
    score_unread,
    without_images,
)
from blocksieve.engine.prefixes import Prefix
from blocksieve.engine.work import Work

# Arguments of the model with one entry per token in the last dimension, and rows in the one before:
# (rows, tokens), or (axes, rows, tokens) for positions in time, height and width.
SEQUENCES = (
    "attention_mask",
    "position_ids",
    "token_type_ids",
    "mm_token_type_ids",
    "moe_mm_token_type_ids",
)
# Of how many scores the best are looked for at once: they take 4 bytes each.
SCORES_AT_ONCE = 2**26


@dataclass
class Reading:
    """Prompts, as far as they are read, and the scores after them, as far as they are needed.

    `input_ids` (rows, width) hold the prompts; the cache holds their first tokens, or all of them.
    `chosen` (rows, 1) is the token after the prompt where it is known, else (rows, 0).
    """

    model: PreTrainedModel
    input_ids: torch.Tensor
    arguments: ModelArguments
    cache: Cache
    processors: LogitsProcessorList
    chosen: torch.Tensor


@dataclass
class Verified:
    """What the model says to prompts and drafts.

    `input_ids` (rows, width + appended): prompts, and as many tokens of each draft as were read.
    `tokens` (rows, appended + 1): the model's choice after the prompt, and after each draft token.
    `num_right` (rows,): how many draft tokens from the first on are the model's choice; so
    `tokens[row, : num_right[row] + 1]` is right: the good part of the draft and the token after it.
    `states_before`: what recurrent layers of the cache held before the drafts, by position.
    """

    input_ids: torch.Tensor
    appended: int
    tokens: torch.Tensor
    num_right: torch.Tensor
    arguments: ModelArguments
    cache: Cache
    processors: list[LogitsProcessor]
    states_before: dict[int, LayerState]

    @functools.cached_property
    def answer_tokens(self) -> list[list[int]]:
        """For each row the tokens that are right."""
        # One transfer from the device, since each waits for what runs there.
        rows = torch.cat([self.tokens, self.num_right[:, None]], 1).tolist()
        right_tokens = []
        for *tokens, num_right in rows:
            right_tokens.append(tokens[: num_right + 1])
        return right_tokens


def verify(
    prepared: Prepared,
    drafts: torch.Tensor,  # (rows, draft length)
    watch: LogitsProcessor,
    work: Work,
    prefix: tuple[Prefix, Cache] | None = None,
) -> Verified:
    """Read prompts and drafts, and return how far the model agrees with the drafts.

    One pass over the prompts, one over the drafts. With the cache of the common prefixes, a single
    pass over the rest of the prompts and the drafts. A shorter draft is padded with any tokens.
    """
    processors = LogitsProcessorList([*prepared.processors, watch])
    if prefix is None:
        reading = _read_prompts(prepared, processors, work)
        # Where no row's first draft token is right, none of the others can be: nothing is read. The
        # last draft token never is, since no draft token comes after it to be verified.
        any_right = bool((reading.chosen[:, 0] == drafts[:, 0]).any())
        appended = drafts.shape[1] - 1 if any_right else 0
    else:
        reading = _go_on_from_prefixes(prepared, processors, *prefix)
        appended = drafts.shape[1] - 1
    model, cache, chosen = reading.model, reading.cache, reading.chosen
    states_before = recurrent_states(cache) if appended else {}
    # (rows, width + appended)
    input_ids = torch.cat([reading.input_ids, drafts[:, :appended]], 1)
    arguments = grow_arguments(model, reading.arguments, appended)
    num_unread = input_ids.shape[1] - cache.get_seq_length()
    if num_unread:
        # One choice after the prompt and one after each draft token, less what is chosen already.
        num_wanted = appended + 1 - chosen.shape[1]
        work.head_ran(len(input_ids) * num_wanted)
        logits = _last_logits(reading, input_ids, num_unread, arguments, num_wanted)
        choices = _choose(reading.processors, input_ids, logits)  # (rows, wanted)
        chosen = torch.cat([chosen, choices], 1)  # (rows, appended + 1)
    agrees = chosen == drafts[:, : appended + 1]  # (rows, appended + 1)
    # cumprod is 1 up to the first wrong token and 0 after it. At most `appended`: the last choice
    # comes after the last token that was read, right or wrong.
    num_right = agrees.cumprod(1).sum(1).clamp(max=appended)  # (rows,)
    return Verified(
        input_ids=input_ids,
        appended=appended,
        tokens=chosen,
        num_right=num_right,
        arguments=without_images(arguments),
        cache=cache,
        processors=list(processors),
        states_before=states_before,
    )


def read_prefixes(prepared: Prepared) -> Cache:
    """Run common prefixes as prompts, and return their cache.

    UnsupportedError if it holds states, in which the gap after a prefix would count as tokens.
    """
    cache = cache_of(run_prompts(prepared))
    if recurrent_states(cache):
        raise UnsupportedError("states of convolutions or scans have no room for a gap")
    return cache


def _read_prompts(prepared: Prepared, processors: LogitsProcessorList, work: Work) -> Reading:
    """Read the whole prompts, and choose the token after each."""
    input_ids = prepared.input_ids  # (rows, width)
    outputs = run_prompts(prepared)
    work.head_ran(len(input_ids))
    # float: generate processes scores in float32 whatever the model's format.
    scores = processors(input_ids, outputs.logits[:, -1].float())  # (rows, vocabulary)
    return Reading(
        model=prepared.model,
        input_ids=input_ids,
        arguments=prepared.arguments,
        cache=cache_of(outputs),
        processors=processors,
        chosen=scores.argmax(-1)[:, None],
    )


def _go_on_from_prefixes(
    prepared: Prepared, processors: LogitsProcessorList, prefix: Prefix, cache: Cache
) -> Reading:
    """Place the prefixes, which the cache holds, before the rest of each prompt, which is unread.

    Prefixes and rests are each padded on the left: a prompt is then two pieces with a gap between.
    """
    rest_width = prefix.rest.shape[1]
    # One row per prefix becomes one row per prompt: (rows, prefix length).
    prefix_ids = prefix.inputs["input_ids"][prefix.group]
    prefix_mask = prefix.inputs["attention_mask"][prefix.group]
    rest_ids = prepared.input_ids[:, -rest_width:]  # (rows, rest width)
    rest_mask = prefix.rest.to(prefix_mask.dtype)  # (rows, rest width)
    arguments = dict(prepared.arguments)
    for name, value in present_sequences(arguments).items():
        rest = value[..., -rest_width:]  # (..., rows, rest width)
        # What stands in the place of the prefix is never read again.
        arguments[name] = pad(rest, (prefix.length, 0))
    mask = torch.cat([prefix_mask, rest_mask], 1)  # (rows, prefix length + rest width)
    arguments["attention_mask"] = mask
    # Padding in the gap counts as said for a penalty on repetition, which spares only what stands
    # before a row begins. So the gap repeats a token that the prompt has: the last, since the first
    # may be an image's.
    rest_ids = torch.where(rest_mask.bool(), rest_ids, rest_ids[:, -1:])
    return Reading(
        model=prepared.model,
        input_ids=torch.cat([prefix_ids, rest_ids], 1),
        arguments=arguments,
        cache=cache,
        processors=realign_processors(processors, mask),
        chosen=rest_ids[:, :0],
    )


def _last_logits(
    reading: Reading,
    input_ids: torch.Tensor,  # (rows, width)
    num_unread: int,
    arguments: ModelArguments,
    num_wanted: int,
) -> torch.Tensor:
    """Read the tokens that the cache does not hold.

    Return the logits (rows, wanted, vocabulary) after the last `num_wanted` of them.
    """
    keep_past_of_windows(reading.cache)
    arguments = dict(arguments)
    if "logits_to_keep" in arguments:
        arguments["logits_to_keep"] = num_wanted
    logits = score_unread(
        reading.model,
        input_ids,
        num_unread,
        reading.cache,
        arguments,
    )
    # A model that does not know logits_to_keep gives all.
    return logits[:, -num_wanted:]


def _choose(
    processors: LogitsProcessorList,
    input_ids: torch.Tensor,  # (rows, width)
    logits: torch.Tensor,  # (rows, wanted, vocabulary)
) -> torch.Tensor:
    """Return the model's choice (rows, wanted) after each of the last `wanted` tokens.

    Several steps at once where no processor looks at the tokens before a step.
    """
    num_rows, num_wanted, vocabulary = logits.shape
    # The logits of step 0 come after all tokens but the last `num_wanted` - 1.
    num_before = input_ids.shape[1] - num_wanted + 1
    steps_at_once = 1
    if all(isinstance(processor, Watch) for processor in processors):
        steps_at_once = max(1, SCORES_AT_ONCE // (num_rows * vocabulary))
    choices = []
    for first in range(0, num_wanted, steps_at_once):
        tokens_before = input_ids[:, : num_before + first]
        step_logits = logits[:, first : first + steps_at_once].float()
        if steps_at_once == 1:
            step_logits = step_logits[:, 0]  # (rows, vocabulary), as most processors know it
        scores = processors(tokens_before, step_logits)
        choices.append(scores.argmax(-1).reshape(num_rows, -1))  # (rows, steps)
    return torch.cat(choices, 1)


def realign_processors(
    processors: Iterable[LogitsProcessor], attention_mask: torch.Tensor
) -> LogitsProcessorList:
    """Return processors for rows that were moved; `attention_mask` (rows, tokens) says where to.

    A penalty on repeated tokens must know anew where a row begins, so as to spare its padding.
    """
    # The mask's running sum is 0 as long as a row has not begun.
    begins = (attention_mask.cumsum(1) == 0).sum(1)  # (rows,)
    realigned = LogitsProcessorList()
    for processor in processors:
        if isinstance(processor, RepetitionPenaltyLogitsProcessor):
            processor = RepetitionPenaltyLogitsProcessor(processor.penalty, begins)
        realigned.append(processor)
    return realigned


def present_sequences(arguments: Mapping[str, object]) -> dict[str, torch.Tensor]:
    """Return the arguments with an entry per token that are there."""
    present = {}
    for name in SEQUENCES:
        value = arguments.get(name)
        if value is not None:
            present[name] = value
    return present
