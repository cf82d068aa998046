"""Cut rows whose draft was wrong back to what was right, so that they can go on."""

from dataclasses import dataclass

import torch
from transformers import DynamicCache, LogitsProcessor
from transformers.cache_utils import CacheLayerMixin

from blocksieve.engine.attempt import UnsupportedError
from blocksieve.engine.generation import (
    KeysValues,
    ModelArguments,
    is_recurrent,
    read_layer,
    recurrent_rows,
    restore_layer,
)
from blocksieve.engine.verification import SEQUENCES, Verified, present_sequences


@dataclass
class Unfinished:
    """Rows whose draft was wrong before their answer ended, cut back to what was right.

    They are right-aligned. `input_ids` (rows, tokens): all are in the cache but the last, which is
    to be read next. The model's other arguments: `sequences` (..., rows, cached tokens), `by_row`
    (rows, ...), and `shared` with no entry per row. `layers`: the cache by block number.
    `unread`: for each row the tokens that are right too, but have to be read once more.
    """

    input_ids: torch.Tensor
    sequences: dict[str, torch.Tensor]
    by_row: dict[str, torch.Tensor]
    shared: ModelArguments
    layers: dict[int, KeysValues | CacheLayerMixin]
    processors: list[LogitsProcessor]
    unread: list[list[int]]

    def __len__(self) -> int:
        return len(self.input_ids)


def cut_back(verified: Verified, rows: list[int], readers: list[int | None]) -> Unfinished:
    """Return these of the verified rows, ready to go on.

    `readers` are the numbers of the blocks that the cache's layers belong to, None for one that
    does not read its layer. UnsupportedError if the cache cannot be cut back row by row.
    """
    if type(verified.cache) is not DynamicCache:
        raise UnsupportedError(f"a {type(verified.cache).__name__} cannot be cut back row by row")
    num_rows = len(verified.input_ids)
    right_tokens = [verified.answer_tokens[row] for row in rows]
    # The last right token is the model's own, after those of the draft.
    num_kept = [len(tokens) - 1 for tokens in right_tokens]
    unread: list[list[int]] = [[] for _ in rows]
    if verified.states_before:
        # No token can be taken out of recurrent states: they go back to the prompts' ends.
        num_kept = [0] * len(rows)
        for position, state in verified.states_before.items():
            restore_layer(verified.cache.layers[position], state)
        unread = [tokens[1:] for tokens in right_tokens]
    numbers = torch.tensor([rows, num_kept], device=verified.input_ids.device)  # (2, selected)
    index, kept_tokens = numbers
    # So many tokens at the end of a row are not kept. Moving the row by them to the right pushes
    # them out, and lets all rows end in the same column.
    shift = verified.appended - kept_tokens  # (selected,)
    moves = min(num_kept) < verified.appended
    following = verified.tokens[index, kept_tokens]  # (selected,): the model's own next token
    input_ids = right_aligned(verified.input_ids[index], shift)  # (selected, width + appended)
    sequences = _moved_sequences(verified, index, shift)
    by_row = {}
    shared = {}
    for name, value in verified.arguments.items():
        if name in SEQUENCES:
            continue
        if isinstance(value, torch.Tensor) and _has_rows(value, num_rows):
            by_row[name] = value[index]  # (selected, ...)
        else:
            shared[name] = value
    return Unfinished(
        input_ids=torch.cat([input_ids, following[:, None]], 1),
        sequences=sequences,
        by_row=by_row,
        shared=shared,
        layers=_cut_layers(verified, index, shift if moves else None, readers),
        processors=verified.processors,
        unread=unread,
    )


def _moved_sequences(
    verified: Verified,
    index: torch.Tensor,  # (selected,)
    shift: torch.Tensor,  # (selected,)
) -> dict[str, torch.Tensor]:
    """Return the arguments with an entry per token for some rows, right-aligned."""
    num_rows = len(verified.input_ids)
    length = verified.cache.get_seq_length()
    sequences = present_sequences(verified.arguments)
    if "attention_mask" not in sequences:
        # generate leaves it out where nothing is padded; here the moved rows are.
        sequences["attention_mask"] = torch.ones(
            num_rows, length, dtype=torch.long, device=index.device
        )
    moved = {}
    for name, value in sequences.items():
        # Positions may come as one row for all.
        full = value.expand(*value.shape[:-2], num_rows, -1)  # (..., rows, length)
        selected = full.index_select(-2, index)  # (..., selected, length)
        moved[name] = right_aligned(selected, shift)
    columns = torch.arange(length, device=index.device)  # (length,)
    is_taken = columns >= shift[:, None]  # (selected, length)
    moved["attention_mask"] *= is_taken  # what was left free is padding
    return moved


def _has_rows(value: torch.Tensor, num_rows: int) -> bool:
    if value.dim() == 0:
        return False
    return len(value) == num_rows


def _cut_layers(
    verified: Verified,
    index: torch.Tensor,  # (selected,)
    shift: torch.Tensor | None,  # (selected,)
    readers: list[int | None],
) -> dict[int, KeysValues | CacheLayerMixin]:
    """Return the cache layers, cut back, by the number of their block."""
    num_rows = len(verified.input_ids)
    layers: dict[int, KeysValues | CacheLayerMixin] = {}
    # Not strict: a cache may have no layers for the last blocks, or some for none.
    for block, layer in zip(readers, verified.cache.layers, strict=False):
        if block is None:
            continue
        if is_recurrent(layer):
            layers[block] = recurrent_rows(layer, index)
            continue
        content = read_layer(layer)
        if content is not None:
            states, kept_tokens = content
            layers[block] = _cut_states(states, kept_tokens, index, num_rows, shift)
    return layers


def right_aligned(value: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Move row r of `value` (..., rows, tokens) `shift[r]` places to the right; `shift`: (rows,).

    Its first entry fills what is left free; what is pushed over the end is lost.
    """
    length = value.shape[-1]
    source = _source_columns(length, shift)  # (rows, tokens)
    source = source.expand(value.shape)  # (..., rows, tokens)
    return value.gather(-1, source)


def _source_columns(length: int, shift: torch.Tensor) -> torch.Tensor:
    """Return (rows, length): which column of a row comes to stand in each column after the move."""
    columns = torch.arange(length, device=shift.device)  # (length,)
    source = columns - shift[:, None]  # (rows, length)
    # Below 0 there is nothing to take: the first column stands in.
    return source.clamp(min=0)


def _cut_states(
    content: KeysValues,
    kept_tokens: int | None,
    index: torch.Tensor,  # (selected,)
    num_rows: int,
    shift: torch.Tensor | None,  # (selected,)
) -> KeysValues:
    """Return keys and values of some of all rows, each moved by its shift if given.

    A window keeps its last `kept_tokens`. Tensors are copied only where that changes something.
    """
    index = index.to(content.keys.device)  # layers may lie on several GPUs
    if shift is not None:
        shift = shift.to(index.device)
    cut = []
    for states in (content.keys, content.values):  # (rows, heads, tokens, width) each
        if shift is not None:
            states = _moved_vectors(states, index, shift)
        elif len(index) < num_rows:
            states = states.index_select(0, index)
        if kept_tokens is not None:
            # Only now: the wrong tokens, which the move pushed out, stood in the window.
            states = states[:, :, -kept_tokens:]
        cut.append(states)
    return KeysValues(*cut)


def _moved_vectors(
    states: torch.Tensor,  # (rows, heads, tokens, width)
    index: torch.Tensor,  # (selected,)
    shift: torch.Tensor,  # (selected,)
) -> torch.Tensor:
    """Return (selected, heads, tokens, width): some rows, moved to the right as in `right_aligned`.

    It takes whole vectors from one long list of them: several times faster than a gather, which
    would look up every number by itself.
    """
    _, heads, length, width = states.shape
    # Vector (row, head, token) is number (row * heads + head) * length + token of the list.
    all_vectors = states.reshape(-1, width)  # (rows * heads * tokens, width)
    first_of_row = index * heads * length  # (selected,)
    first_of_head = torch.arange(heads, device=index.device) * length  # (heads,)
    source = _source_columns(length, shift)  # (selected, tokens)
    numbers = (
        first_of_row[:, None, None] + first_of_head[None, :, None] + source[:, None, :]
    )  # (selected, heads, tokens)
    taken = all_vectors.index_select(0, numbers.flatten())
    return taken.view(len(index), heads, length, width)
