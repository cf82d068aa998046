"""Decode on rows of several combinations together: each block runs on those rows whose combination keeps it."""

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
        self.sequences = {name: _joined([part.sequences[name] for _, part in parts], longest) for name in names}
        self.by_row = {name: torch.cat([part.by_row[name] for _, part in parts]) for name in parts[0][1].by_row}
        self.shared = parts[0][1].shared
        self.cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        for index, layer in zip(blocks, self.cache.layers, strict=False):
            _fill(layer, [part.layers[index] for _, part in parts if index in part.layers], longest)
        self.rows = self._rows()

    def _rows(self) -> dict[int, torch.Tensor]:
        """The rows that each block runs on."""
        combinations, device = list(enumerate(self.combinations)), self.input_ids.device
        return {
            block: torch.tensor([row for row, c in combinations if block not in c.removed], device=device).long()
            for block in self.blocks
        }

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

    def _run_block(self, index: int, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden = hidden_states((args, kwargs))
        rows = self.rows[index].to(hidden.device)
        if not len(rows):  # nobody keeps the block; the model may ask its cache how many tokens there are
            layer = self.cache.layers[index]
            layer.update(layer.keys[:, :, :1], layer.values[:, :, :1])
            return (hidden, None) if self.returns_tuple else hidden
        if len(rows) < len(hidden):
            args, kwargs = _selected((args, kwargs), len(hidden), rows)
        self.work.block_ran(index, (args, kwargs))
        output = forward(*args, **kwargs)
        if len(rows) == len(hidden):
            return output
        if isinstance(output, tuple):
            return (hidden.index_copy(0, rows, output[0]), *output[1:])
        return hidden.index_copy(0, rows, output)

    def select(self, keep: list[int]) -> None:
        """Go on with these rows alone, in their order."""
        index, wanted = torch.tensor(keep, device=self.input_ids.device), set(keep)
        for layer, rows in zip(self.cache.layers, self.rows.values(), strict=False):
            places = [place for place, row in enumerate(rows.tolist()) if row in wanted]
            # a block that no row keeps goes on with one row that does not count
            layer.batch_select_indices(torch.tensor(places or [0], device=layer.keys.device))
        self.combinations = [self.combinations[row] for row in keep]
        self.input_ids = self.input_ids[index]
        self.sequences = {name: value.index_select(-2, index) for name, value in self.sequences.items()}
        self.by_row = {name: value[index] for name, value in self.by_row.items()}
        self.rows = self._rows()


def _joined(values: list[torch.Tensor], length: int) -> torch.Tensor:
    """One sequence argument of several parts: padded on the left to one length, row after row."""
    return torch.cat([pad(value, (length - value.shape[-1], 0)) for value in values], -2)


def _fill(layer: Any, parts: list[CachedLayer], length: int) -> None:
    """Put the parts' keys and values into an empty cache layer that has then seen `length` tokens."""
    stored = min(length, layer.sliding_window - 1) if layer.is_sliding else length
    for name in ("keys", "values"):
        states = [getattr(part, name) for part in parts] or [torch.zeros(1, 1, stored, 1)]
        states = [pad(state, (0, 0, gap, 0)) if (gap := stored - state.shape[2]) else state for state in states]
        setattr(layer, name, states[0] if len(states) == 1 else torch.cat(states))
    layer.dtype, layer.device, layer.is_initialized = layer.keys.dtype, layer.keys.device, True
    if layer.is_sliding:
        layer.cumulative_length = length


def _selected(arguments: Any, total: int, rows: torch.Tensor) -> Any:
    """Nested arguments with the rows selected where a dimension of rows leads (or follows one of kinds of position)."""
    if isinstance(arguments, torch.Tensor):
        if arguments.dim() and len(arguments) == total:
            return arguments.index_select(0, rows.to(arguments.device))
        if arguments.dim() > 1 and len(arguments) in (3, 4) and arguments.shape[1] == total:
            return arguments.index_select(1, rows.to(arguments.device))
        return arguments
    if isinstance(arguments, dict):
        return {name: _selected(value, total, rows) for name, value in arguments.items()}
    if isinstance(arguments, (tuple, list)):
        return type(arguments)(_selected(value, total, rows) for value in arguments)
    return arguments
