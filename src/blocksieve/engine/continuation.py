"""Decode rows of several combinations together: what changes the rows that keep it."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import LogitsProcessor, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

from blocksieve.combination import Combination, Site
from blocksieve.engine.generation import (
    KeysValues,
    count_skipped_token,
    empty_cache,
    fill_layer,
    give_room,
    grow_arguments,
    is_recurrent,
    join_recurrent_rows,
    score_unread,
    select_rows,
    stored_tokens,
)
from blocksieve.engine.interception import Arguments, Forward, intercepted
from blocksieve.engine.unfinished import Unfinished
from blocksieve.engine.verification import realign_processors
from blocksieve.engine.work import Work
from blocksieve.models.halves import Call, HalfModule, Halves, added_where


class Continuation:
    """Rows of several combinations that go on from where their drafts were wrong.

    `parts` are what combinations left unfinished; the continuation's rows are theirs, one part
    after the other. `returns_tuple`: whether a block gives its hidden states first in a tuple, or
    alone.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        blocks: Mapping[int, nn.Module],
        halves: Halves,
        returns_tuple: bool,
        parts: list[tuple[Combination, Unfinished]],
        work: Work,
    ) -> None:
        self.model = model
        self.blocks = blocks
        self.halves = halves
        self.returns_tuple = returns_tuple
        self.work = work
        combinations: list[Combination] = []  # one per row
        leftovers = []
        for combination, part in parts:
            combinations += [combination] * len(part)
            leftovers.append(part)
        first = leftovers[0]  # all come from one batch, so that they have the same arguments
        # (rows, tokens)
        self.input_ids = _stacked([part.input_ids for part in leftovers])
        self._set_combinations(combinations)
        num_read = max(part.sequences["attention_mask"].shape[1] for part in leftovers)
        self.sequences = {}  # (..., rows, read tokens) each
        for name in first.sequences:
            values = [part.sequences[name] for part in leftovers]
            self.sequences[name] = _stacked(values, num_read)
        self.by_row = {}  # (rows, ...) each
        for name in first.by_row:
            values = [part.by_row[name] for part in leftovers]
            self.by_row[name] = torch.cat(values)
        self.shared = first.shared
        # The whole model's cache: a layer for every block that any of the combinations keeps.
        self.cache = empty_cache(model)
        if self.input_ids.is_cuda:
            # Not on a CPU, whose attention is slower on a part of a layer than copying is.
            give_room(self.cache)
        # Not strict: some caches have no layers for the last blocks.
        for index, layer in zip(blocks, self.cache.layers, strict=False):
            contents = []
            for part in leftovers:
                # Taken out, since two copies of all layers may be more than the memory holds.
                contents.append((len(part), part.layers.pop(index, None)))
            if is_recurrent(layer):
                join_recurrent_rows(layer, contents)
            else:
                _fill(layer, contents, num_read)

    def _set_combinations(self, combinations: list[Combination]) -> None:
        """Say whose each row is, and so which rows keep a block, or one of its halves."""
        self.combinations = combinations
        removed_halves: set[Site] = set()
        for combination in combinations:
            removed_halves.update(combination.halves)
        self.half_modules = self.halves.modules(sorted(removed_halves))
        sites = [*map(Site, self.blocks), *removed_halves]
        keeps = []  # (sites, rows)
        for site in sites:
            keeps.append([combination.keeps(site) for combination in combinations])
        self.num_keeping = dict(zip(sites, map(sum, keeps), strict=True))
        self.idle_halves = [site for site in removed_halves if not self.num_keeping[site]]
        # One copy to the device for all sites and steps, since each waits for what runs there.
        masks = torch.tensor(keeps, device=self.input_ids.device)  # (sites, rows)
        self.masks = dict(zip(sites, masks, strict=True))

    @torch.no_grad()
    def step(self, processors: list[LogitsProcessor]) -> torch.Tensor:
        """Run the last token of every row; return what the model says follows it: (rows,)."""
        # The cache holds all tokens but the last, which the arguments do not cover yet.
        self.sequences = grow_arguments(self.model, self.sequences, num_tokens=1)
        with (
            intercepted(self.blocks, self._run_block),
            intercepted(self.half_modules, self._run_half),
        ):
            # (rows, 1, vocabulary)
            logits = score_unread(
                self.model,
                self.input_ids,
                num_unread=1,
                cache=self.cache,
                arguments={**self.sequences, **self.by_row, **self.shared},
            )
        scores = logits[:, -1].float()  # (rows, vocabulary)
        self.work.head_ran(len(scores))
        mask = self.sequences["attention_mask"]  # (rows, tokens)
        realigned = realign_processors(processors, mask)
        processed = realigned(self.input_ids, scores)  # (rows, vocabulary)
        following: torch.Tensor = processed.argmax(-1)  # (rows,)
        return following

    def append(self, tokens: list[int]) -> None:
        """Let each row go on with its token of these."""
        following = torch.tensor(tokens, device=self.input_ids.device)  # (rows,)
        self.input_ids = torch.cat([self.input_ids, following[:, None]], 1)

    def _run_block(self, index: int, forward: Forward, arguments: Arguments) -> object:
        """Run a block on all rows, and keep its output for the rows whose combination keeps it.

        On all, since arguments do not say which of their dimensions has the rows.
        """
        hidden = arguments.hidden_states()  # (rows, 1, ...)
        num_keeping = self.num_keeping[Site(index)]
        if not num_keeping:
            # Nothing to run, but the model may ask this layer how many tokens there are.
            count_skipped_token(self.cache.layers[index])
            if self.returns_tuple:
                return (hidden, None)
            return hidden
        self.work.block_ran(index, arguments, self.idle_halves)
        output = arguments.passed_to(forward)
        if num_keeping == len(self.combinations):
            return output
        mask = self.masks[Site(index)].to(hidden.device)  # (rows,); blocks may lie on several GPUs
        while mask.dim() < hidden.dim():
            mask = mask.unsqueeze(-1)  # (rows, 1, ...)
        # The other rows leave the block as they came.
        if isinstance(output, tuple):
            changed, *rest = output
            return (torch.where(mask, changed, hidden), *rest)
        return torch.where(mask, output, hidden)

    def _run_half(self, key: HalfModule, forward: Forward, arguments: Arguments) -> object:
        """Run a module of a half on all rows, if any row's combination keeps it.

        It adds nothing to the other rows.
        """
        num_keeping = self.num_keeping[key.site]
        if not num_keeping:
            half = self.halves.by_site[key.site]
            forward = half.skipping(key.number, forward, position=key.site.block)
        output = arguments.passed_to(forward)
        if num_keeping in (0, len(self.combinations)):
            return output
        call = Call.of(forward, arguments.args, arguments.kwargs)
        return added_where(self.masks[key.site], output, call)

    def select(self, rows: list[int]) -> None:
        """Go on with these rows alone, in their order."""
        index = torch.tensor(rows, device=self.input_ids.device)  # (selected,)
        for layer in self.cache.layers:
            # Layers may lie on several GPUs.
            device = index.device if is_recurrent(layer) else layer.keys.device
            select_rows(layer, index.to(device))
        self.input_ids = self.input_ids[index]
        self._set_combinations([self.combinations[row] for row in rows])
        for name, value in self.sequences.items():
            self.sequences[name] = value.index_select(-2, index)
        for name, value in self.by_row.items():
            self.by_row[name] = value[index]


def _stacked(values: list[torch.Tensor], length: int | None = None) -> torch.Tensor:
    """Return an argument (..., rows, length) of several parts, one part's rows after the other's.

    Shorter parts are padded on the left with 0, which means padding in a mask too. The length is
    that of the longest part unless given.
    """
    if length is None:
        length = max(value.shape[-1] for value in values)
    padded = []
    for value in values:
        missing = length - value.shape[-1]
        padded.append(pad(value, (missing, 0)))
    return torch.cat(padded, -2)


def _fill(
    layer: CacheLayerMixin, parts: list[tuple[int, KeysValues | None]], num_read: int
) -> None:
    """Put the parts' keys and values into an empty layer, as if it had read `num_read` tokens.

    A part is its number of rows and what it has of this layer. Zeros stand for what it lacks: its
    combination removes the block, so that its rows take nothing from the layer.
    """
    like = _first_content([content for _, content in parts])
    num_stored = stored_tokens(layer, num_read)
    keys, values = [], []
    for num_rows, content in parts:
        if content is None:
            content = _without_tokens(like, num_rows)
        keys.append(_left_padded(content.keys, num_stored))
        values.append(_left_padded(content.values, num_stored))
    joined = KeysValues(_joined(keys), _joined(values))
    fill_layer(layer, joined, num_read)


def _first_content(contents: list[KeysValues | None]) -> KeysValues:
    """Return the first part's content that there is, from which the others take their shape."""
    for content in contents:
        if content is not None:
            return content
    # No part keeps the block. The layer still has to count tokens: one head of width 1 will do.
    nothing = torch.zeros(1, 1, 0, 1)
    return KeysValues(nothing, nothing)


def _without_tokens(like: KeysValues, num_rows: int) -> KeysValues:
    """Return content (rows, heads, 0, width) with heads, widths, dtype and device of other rows."""
    _, key_heads, _, key_width = like.keys.shape
    _, value_heads, _, value_width = like.values.shape
    keys = like.keys.new_zeros(num_rows, key_heads, 0, key_width)
    values = like.values.new_zeros(num_rows, value_heads, 0, value_width)
    return KeysValues(keys, values)


def _left_padded(states: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """Return states (rows, heads, tokens, width) with as many tokens, zeros before their own."""
    missing = num_tokens - states.shape[2]
    if not missing:
        # No copy: the cache may be most of the memory.
        return states
    # Pairs of paddings from the last dimension on: none of the width, some before the tokens.
    return pad(states, (0, 0, missing, 0))


def _joined(states: list[torch.Tensor]) -> torch.Tensor:
    """Join the rows of parts (rows, heads, tokens, width); a single part is not copied."""
    if len(states) == 1:
        return states[0]
    return torch.cat(states)
