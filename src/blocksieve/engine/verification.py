"""Verify a draft answer in one pass instead of decoding it token by token."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import Cache, DynamicCache, LogitsProcessorList, RepetitionPenaltyLogitsProcessor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.generation.utils import MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL
from transformers.utils import ModelOutput

from blocksieve.engine.inputs import Prefix
from blocksieve.engine.work import Work

# Arguments of the model with one entry a token in the last dimension, and a row in the one before.
SEQUENCES = (
    "attention_mask",
    "position_ids",
    "token_type_ids",
    "mm_token_type_ids",
    "moe_mm_token_type_ids",
)


class UnsupportedError(Exception):
    """A model cannot be run in this way; a slower one is taken."""


@dataclass
class CachedLayer:
    """Keys and values of some rows in one cache layer: rows x heads x tokens x width, right-aligned."""

    keys: torch.Tensor
    values: torch.Tensor


@dataclass
class Unfinished:
    """Rows whose draft was wrong before their answer ended, cut back to what was right and right-aligned.

    All tokens of `input_ids` (rows x tokens) are in the cache but the last, which is next. The model's other arguments:
    `sequences` have an entry a row and cached token, `by_row` an entry a row, `shared` neither. `layers` by block.
    """

    input_ids: torch.Tensor
    sequences: dict[str, torch.Tensor]
    by_row: dict[str, torch.Tensor]
    shared: dict[str, Any]
    layers: dict[int, CachedLayer]
    processors: list[Any]

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass
class PrefixPass:
    """A decoding method for `generate(custom_generate=...)` that runs the prompts and keeps their cache."""

    cache: Cache = field(init=False)

    def __call__(
        self, model: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any,
        generation_config: Any, **kwargs: Any,
    ) -> torch.Tensor:  # fmt: skip
        """Run the pass; called by generate."""
        self.cache = model._prefill(input_ids, generation_config, kwargs).past_key_values
        if any(layer.is_sliding for layer in self.cache.layers):
            raise UnsupportedError(
                "a sliding window counts the gap between a prefix and what follows it"
            )
        return input_ids


@dataclass
class Verification:
    """A decoding method for `generate(custom_generate=...)`: one pass over the prompts, one over the drafts.

    Afterwards `tokens` holds, a row, the draft as far as it is what the model would say, and the model's next token.
    `drafts` is rows x tokens; what stands behind a shorter draft does not matter. With the cache of common `prefixes`,
    the one pass is over the rest of the prompts and the drafts.
    """

    drafts: torch.Tensor
    work: Work
    prefix: tuple[Prefix, Cache] | None = None
    tokens: torch.Tensor = field(init=False)
    right: torch.Tensor = field(init=False)
    model: Any = field(init=False)
    cached: tuple[torch.Tensor, dict[str, Any], Cache, int] = field(init=False)
    processors: list[Any] = field(init=False)

    def __call__(
        self, model: Any, input_ids: torch.Tensor, logits_processor: LogitsProcessorList, stopping_criteria: Any,
        generation_config: Any, **kwargs: Any,
    ) -> torch.Tensor:  # fmt: skip
        """Run the passes; called by generate."""
        self.model, self.processors = model, list(logits_processor)
        if self.prefix is None:
            outputs = model._prefill(input_ids, generation_config, kwargs)
            self.work.head_ran(len(input_ids))
            chosen = logits_processor(input_ids, outputs.logits[:, -1].float()).argmax(-1)[:, None]
            cache, appended = outputs.past_key_values, 0
            if bool((chosen[:, 0] == self.drafts[:, 0]).any()):
                appended = self.drafts.shape[1] - 1
        else:
            input_ids, kwargs = _after_prefix(self.prefix[0], input_ids, kwargs)
            logits_processor = placed(logits_processor, kwargs["attention_mask"])
            cache, appended, chosen = self.prefix[1], self.drafts.shape[1] - 1, input_ids[:, :0]
        ids = torch.cat([input_ids, self.drafts[:, :appended]], 1)
        for _ in range(appended):  # one by one: some arguments grow by their last value
            kwargs = model._update_model_kwargs_for_generation(
                ModelOutput(), kwargs, is_encoder_decoder=model.config.is_encoder_decoder
            )
        if unread := ids.shape[1] - cache.get_seq_length():
            logits = self._read(
                ids, unread, kwargs | {"past_key_values": cache}, appended + 1 - chosen.shape[1]
            )
            places = range(ids.shape[1] - logits.shape[1], ids.shape[1])
            steps = [
                logits_processor(ids[:, : place + 1], logits[:, step].float()).argmax(-1)
                for step, place in enumerate(places)
            ]
            chosen = torch.cat([chosen, torch.stack(steps, 1)], 1)
        self.tokens = chosen
        self.right = (
            (chosen == self.drafts[:, : appended + 1]).cumprod(1).sum(1).clamp(max=appended)
        )
        dropped = {"past_key_values", *MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL}
        arguments = {name: value for name, value in kwargs.items() if name not in dropped}
        self.cached = ids, arguments, cache, appended
        return ids

    def _read(
        self, ids: torch.Tensor, unread: int, kwargs: dict[str, Any], wanted: int
    ) -> torch.Tensor:
        """The scores after the last `wanted` of the tokens that the cache does not hold yet."""
        kwargs["past_key_values"].activate_past_recording()
        kept = {"logits_to_keep": wanted} if "logits_to_keep" in kwargs else {}
        inputs = self.model.prepare_inputs_for_generation(
            ids, next_sequence_length=unread, **kwargs | kept
        )
        self.work.head_ran(len(ids) * wanted)
        logits: torch.Tensor = self.model(**inputs, return_dict=True).logits[:, -wanted:]
        return logits

    def unfinished(self, rows: list[int], kept: list[int]) -> Unfinished:
        """These rows, ready to go on. `kept` are the numbers of the blocks that the cache's layers belong to."""
        ids, arguments, cache, appended = self.cached
        if type(cache) is not DynamicCache:
            raise UnsupportedError(f"a {type(cache).__name__} cannot be cut back row by row")
        total, index = len(ids), torch.tensor(rows, device=ids.device)
        right = self.right[index]
        shift = appended - right
        following = self.tokens[index, right]
        sequences = {name: arguments[name] for name in SEQUENCES if arguments.get(name) is not None}
        arguments = {name: value for name, value in arguments.items() if name not in SEQUENCES}
        length = cache.get_seq_length()
        sequences.setdefault(
            "attention_mask", torch.ones(total, length, dtype=torch.long, device=ids.device)
        )
        sequences = {
            name: right_aligned(
                value.expand(*value.shape[:-2], total, -1).index_select(-2, index), shift
            )
            for name, value in sequences.items()
        }
        sequences["attention_mask"] *= torch.arange(length, device=ids.device) >= shift[:, None]
        moving = bool(shift.any())
        by_row = {
            name: value[index] for name, value in arguments.items() if _has_rows(value, total)
        }
        layers = {
            block: _cut_back(layer, index, total, shift if moving else None)
            for block, layer in zip(kept, cache.layers, strict=False)
            if getattr(layer, "is_initialized", True)
        }
        return Unfinished(
            torch.cat([right_aligned(ids[index], shift), following[:, None]], 1),
            sequences,
            by_row,
            {name: value for name, value in arguments.items() if name not in by_row},
            layers,
            self.processors,
        )


def placed(processors: Iterable[Any], attention_mask: torch.Tensor) -> LogitsProcessorList:
    """Processors for rows that were moved: a penalty on repeated tokens must know anew where a row begins."""
    begins = (attention_mask.cumsum(1) == 0).sum(1)
    return LogitsProcessorList(
        RepetitionPenaltyLogitsProcessor(processor.penalty, begins)
        if isinstance(processor, RepetitionPenaltyLogitsProcessor)
        else processor
        for processor in processors
    )


def _after_prefix(
    prefix: Prefix, input_ids: torch.Tensor, kwargs: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Prompts and arguments with the prefixes in places of their own, before the places of the rest."""
    width = prefix.rest.shape[1]
    sequences = {name: kwargs[name] for name in SEQUENCES if kwargs.get(name) is not None}
    moved = {
        name: pad(value[..., -width:], (prefix.length, 0)) for name, value in sequences.items()
    }
    before = prefix.inputs["attention_mask"][prefix.group]
    moved["attention_mask"] = torch.cat([before, prefix.rest.to(before.dtype)], 1)
    return torch.cat(
        [prefix.inputs["input_ids"][prefix.group], input_ids[:, -width:]], 1
    ), kwargs | moved


def _has_rows(value: Any, rows: int) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0 and len(value) == rows


def _cut_back(
    layer: Any, rows: torch.Tensor, total: int, shift: torch.Tensor | None
) -> CachedLayer:
    """Keys and values of these of all rows, each moved by its shift if given; copied where that changes something."""
    if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
        raise UnsupportedError(f"a {type(layer).__name__} cannot be cut back row by row")
    states, rows = [layer.keys, layer.values], rows.to(layer.keys.device)
    if shift is not None:
        states = [_moved(state, rows, shift.to(rows.device)) for state in states]
    elif len(rows) < total:
        states = [state.index_select(0, rows) for state in states]
    if layer.is_sliding:
        states = [state[:, :, -layer.sliding_window + 1 :] for state in states]
    return CachedLayer(*states)


def _sources(length: int, shift: torch.Tensor) -> torch.Tensor:
    return (torch.arange(length, device=shift.device) - shift[:, None]).clamp(min=0)


def right_aligned(value: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Move row r of (... x rows x tokens) `shift[r]` places to the right; its first entry fills what is left free."""
    return value.gather(-1, _sources(value.shape[-1], shift).expand(value.shape))


def _moved(states: torch.Tensor, rows: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The same for some rows of rows x heads x tokens x width. A gather of whole vectors is several times faster."""
    _, heads, length, width = states.shape
    first = (rows[:, None] * heads + torch.arange(heads, device=rows.device)) * length
    index = first[:, :, None] + _sources(length, shift)[:, None, :]
    return (
        states.reshape(-1, width)
        .index_select(0, index.flatten())
        .view(len(rows), heads, length, width)
    )
