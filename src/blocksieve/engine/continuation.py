"""Decode on rows of several combinations together: a block changes those rows whose combination keeps it."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.utils import ModelOutput

from blocksieve.combination import Combination
from blocksieve.engine.interception import intercepted
from blocksieve.engine.verification import CachedLayer, Unfinished, placed
from blocksieve.engine.work import Work, hidden_states


class Continuation:
    """Rows of several combinations that go on from where their drafts were wrong.

    `parts` are what combinations left unfinished; the continuation's rows are theirs, one part after the other.
    `returns_tuple`: whether a block gives its hidden states first in a tuple, or alone.
    """

    def __init__(
        self,
        model: Any,
        blocks: Mapping[int, nn.Module],
        returns_tuple: bool,
        parts: list[tuple[Combination, Unfinished]],
        work: Work,
    ) -> None:
        self.model, self.blocks, self.returns_tuple, self.work = model, blocks, returns_tuple, work
        self.combinations = [combination for combination, part in parts for _ in range(len(part))]
        length = max(part.input_ids.shape[1] for _, part in parts)
        self.input_ids = _joined([part.input_ids for _, part in parts], length)
        names = parts[0][1].sequences
        longest = max(part.sequences["attention_mask"].shape[1] for _, part in parts)
        self.sequences = {
            name: _joined([part.sequences[name] for _, part in parts], longest) for name in names
        }
        self.by_row = {
            name: torch.cat([part.by_row[name] for _, part in parts]) for name in parts[0][1].by_row
        }
        self.shared = parts[0][1].shared
        self.cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        for index, layer in zip(blocks, self.cache.layers, strict=False):
            _fill(layer, [(len(part), part.layers.get(index)) for _, part in parts], longest)

    @torch.no_grad()
    def step(self, processors: list[Any]) -> torch.Tensor:
        """Run the last token of every row; choose, append and return the one that follows it."""
        self.sequences = self.model._update_model_kwargs_for_generation(
            ModelOutput(), self.sequences, is_encoder_decoder=self.model.config.is_encoder_decoder
        )
        inputs = self.model.prepare_inputs_for_generation(
            self.input_ids,
            next_sequence_length=1,
            past_key_values=self.cache,
            **self.sequences,
            **self.by_row,
            **self.shared,
        )
        with intercepted(self.blocks, self._run_block):
            logits = self.model(**inputs, return_dict=True).logits[:, -1].float()
        self.work.head_ran(len(logits))
        own = placed(processors, self.sequences["attention_mask"])
        following: torch.Tensor = own(self.input_ids, logits).argmax(-1)
        self.input_ids = torch.cat([self.input_ids, following[:, None]], 1)
        return following

    def _run_block(
        self, index: int, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a block on all rows, since arguments do not say which dimension has the rows; keep what counts."""
        hidden, kept = (
            hidden_states((args, kwargs)),
            [index not in c.blocks for c in self.combinations],
        )
        if not any(kept):  # the model may ask its cache how many tokens there are
            layer = self.cache.layers[index]
            layer.update(layer.keys[:, :, :1], layer.values[:, :, :1])
            return (hidden, None) if self.returns_tuple else hidden
        self.work.block_ran(index, (args, kwargs))
        output = forward(*args, **kwargs)
        if all(kept):
            return output
        counts = torch.tensor(kept, device=hidden.device).view(-1, *[1] * (hidden.dim() - 1))
        if isinstance(output, tuple):
            return (torch.where(counts, output[0], hidden), *output[1:])
        return torch.where(counts, output, hidden)

    def select(self, keep: list[int]) -> None:
        """Go on with these rows alone, in their order."""
        index = torch.tensor(keep, device=self.input_ids.device)
        for layer in self.cache.layers:
            layer.batch_select_indices(index.to(layer.keys.device))
        self.combinations = [self.combinations[row] for row in keep]
        self.input_ids = self.input_ids[index]
        self.sequences = {
            name: value.index_select(-2, index) for name, value in self.sequences.items()
        }
        self.by_row = {name: value[index] for name, value in self.by_row.items()}


def _joined(values: list[torch.Tensor], length: int) -> torch.Tensor:
    """One sequence argument of several parts: padded on the left to one length, row after row."""
    return torch.cat([pad(value, (length - value.shape[-1], 0)) for value in values], -2)


def _fill(layer: Any, parts: list[tuple[int, CachedLayer | None]], length: int) -> None:
    """Put the parts' keys and values into an empty cache layer that has then seen `length` tokens.

    A part is its number of rows and what it has of this layer; zeros stand for what it lacks.
    """
    stored = min(length, layer.sliding_window - 1) if layer.is_sliding else length
    nothing = torch.zeros(1, 1, 0, 1)
    known = next((part for _, part in parts if part is not None), CachedLayer(nothing, nothing))
    for name in ("keys", "values"):
        _, heads, _, width = getattr(known, name).shape
        states = [
            getattr(known, name).new_zeros(rows, heads, 0, width)
            if part is None
            else getattr(part, name)
            for rows, part in parts
        ]
        states = [
            pad(state, (0, 0, gap, 0)) if (gap := stored - state.shape[2]) else state
            for state in states
        ]
        setattr(layer, name, states[0] if len(states) == 1 else torch.cat(states))
    layer.dtype, layer.device, layer.is_initialized = layer.keys.dtype, layer.keys.device, True
    if layer.is_sliding:
        layer.cumulative_length = length
