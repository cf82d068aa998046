"""Leave blocks out of a model: for the time of a call without copying anything, or for good in a copy.

All that a model keeps a block is listed here by name; what is not listed is left as it is.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from blocksieve.combination import Combination
from blocksieve.errors import ModelError
from blocksieve.models.blocks import BlockList, find_blocks

# Where the model or its config counts the blocks, holds an entry a block, or names blocks by their numbers.
COUNTS = (
    "num_hidden_layers",
    "n_layer",
    "n_layers",
    "num_layers",
    "decoder_layers",
    "layers",
    "_num_layers",
)
ENTRIES = (
    "layer_types",
    "mlp_layer_types",
    "layers_block_type",
    "no_rope_layers",
    "layer_rope_theta",
    "indexer_types",
    "sliding_windows",
    "activation_sparsity_pattern",
    "num_attention_heads_per_layer",
    "num_key_value_heads_per_layer",
    "layers_num_experts",
    "swiglu_limits",
    "swiglu_limits_shared",
    "hybrid_layer_pattern",
    "moe_layer_freq",
    "attention_types",
    "attention_layers",
)
NUMBERS = (
    "cross_attention_layers",
    "moe_layers",
    "mlp_only_layers",
    "full_attn_idxs",
    "rope_scaling_layers",
    "global_attn_indexes",
    "residual_block_indices",
)
# Lists of modules beside the blocks that hold one for each of them.
SIBLINGS = ("gated_cross_attn_layers",)
# A block's own number, in any module inside it; it says where the block's cache lies.
OWN_NUMBER = ("layer_idx", "layer_id", "layer_number")

MISSING = object()


class _Attributes:
    """An object's attributes as a mapping, where its `__dict__` will not do."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def get(self, name: str, default: Any) -> Any:
        return getattr(self.owner, name, default)

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self.owner, name, value)

    def __delitem__(self, name: str) -> None:
        object.__delattr__(self.owner, name)


# One change: in this mapping, this key gets this value.
Edit = tuple[dict[str, Any] | _Attributes, str, Any]


@contextmanager
def view(model: Any, found: BlockList, combination: Combination) -> Iterator[None]:
    """The model without the combination's blocks while the context lasts; afterwards all is as before, come what may.

    No weight is copied. Not for two threads at once. ModelError if the combination is refused.
    """
    before: list[Edit] = []
    try:
        for mapping, key, value in _edits(model, found, combination):
            before.append((mapping, key, mapping.get(key, MISSING)))
            mapping[key] = value
        yield
    finally:
        for mapping, key, value in reversed(before):
            if value is MISSING:
                del mapping[key]
            else:
                mapping[key] = value


def without_blocks(model: Any, combination: Combination, path: str | None = None) -> Any:
    """A model of its own from which the blocks are really deleted; it shares the weights of `model`.

    `path` names the block list where it is not found by itself. ModelError if the combination is refused.
    """
    weights = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    pruned = copy.deepcopy(model, weights)
    for mapping, key, value in _edits(pruned, find_blocks(pruned, path), combination):
        mapping[key] = value
    return pruned


def refusal(model: Any, found: BlockList, combination: Combination) -> str | None:
    """Why the model cannot run without these blocks, as far as its structure tells; None if it seems to be able to."""
    total, removed = len(found.blocks), combination.blocks
    if max(removed, default=0) >= total:
        return f"the model has blocks 0 to {total - 1} only"
    if len(removed) == total:
        return "no block would be left"
    kept = _kept(total, combination)
    if found.kinds[kept[0]].startswith("cross") and not found.kinds[0].startswith("cross"):
        return f"block {kept[0]} would come first, but cross-attention keeps no record of how many tokens there are"
    sources = _sources(found)
    orphan = next((block for block in kept if sources.get(block, block) in removed), None)
    if orphan is not None:
        return f"block {orphan} uses the keys and values of block {sources[orphan]}"
    own = {found.kinds[block] for block in kept if block not in sources}
    if any(found.kinds[block] not in own for block in kept):
        return "no block would be left that makes the keys and values of one kind of attention"
    return None


def _kept(total: int, combination: Combination) -> list[int]:
    return [index for index in range(total) if index not in combination.blocks]


def _sources(found: BlockList) -> dict[int, int]:
    """For each block that reuses the keys and values of another one: which."""
    config: Any = getattr(found.owner, "config", None)
    listed = getattr(config, "kv_source_layers", None)
    if listed is not None:
        return {block: source for block, source in enumerate(listed) if block != source}
    modes = getattr(config, "kv_sharing_modes", None) or []
    stores = {
        config.layer_types[block]: block for block, mode in enumerate(modes) if mode == "store"
    }
    return {
        block: stores[config.layer_types[block]]
        for block, mode in enumerate(modes)
        if mode == "reuse"
    }


def _edits(model: Any, found: BlockList, combination: Combination) -> Iterator[Edit]:
    reason = refusal(model, found, combination)
    if reason is not None:
        raise ModelError(f"combination {combination} cannot be removed: {reason}")
    if not combination.blocks:
        return
    owner, total = found.owner, len(found.blocks)
    kept = _kept(total, combination)
    configs = {id(config): config for config in _configs(model, owner)}.values()
    yield from _per_layer_inputs(owner, kept)
    for config in configs:
        yield from _config_edits(config, kept, total)
    yield from _table_edits(vars(owner), lambda name: name, kept, total)
    if "first_kv_shared_layer_idx" in vars(owner):
        first = vars(owner)["first_kv_shared_layer_idx"]
        yield vars(owner), "first_kv_shared_layer_idx", sum(block < first for block in kept)
    for name in (found.name, *SIBLINGS):
        modules = owner._modules.get(name)
        if modules is not None and len(modules) == total:
            yield owner._modules, name, nn.ModuleList(modules[block] for block in kept)
    for position, block in enumerate(kept):
        for module in found.blocks[block].modules():
            for name in OWN_NUMBER:
                if vars(module).get(name) == block:
                    yield vars(module), name, position


def _configs(model: Any, owner: nn.Module) -> list[Any]:
    """The configs that the decoder or its cache reads."""
    holders = [getattr(module, "config", None) for module in (owner, model.get_decoder())]
    return [
        model.config.get_text_config(decoder=True),
        *(config for config in holders if config is not None),
    ]


def _config_edits(config: Any, kept: list[int], total: int) -> Iterator[Edit]:
    values, names = vars(config), type(config).attribute_map or {}
    if values.get("num_kv_shared_layers"):
        first = total - values["num_kv_shared_layers"]
        yield values, "num_kv_shared_layers", sum(block >= first for block in kept)
    if values.get("kv_source_layers"):
        place = {block: position for position, block in enumerate(kept)}
        yield (
            values,
            "kv_source_layers",
            [place[values["kv_source_layers"][block]] for block in kept],
        )
    properties = [
        name for name in ENTRIES if isinstance(getattr(type(config), name, None), property)
    ]
    computed = {
        name: entries for name in properties if len(entries := getattr(config, name)) == total
    }
    if computed:
        computed = {name: [entries[block] for block in kept] for name, entries in computed.items()}
        yield (
            _Attributes(config),
            "__class__",
            type(type(config).__name__, (type(config),), computed),
        )
    if "_heterogeneity_spec" in values:
        spec = values["_heterogeneity_spec"]
        overrides = {
            p: spec.per_layer_overrides[b]
            for p, b in enumerate(kept)
            if b in spec.per_layer_overrides
        }
        yield (
            values,
            "_heterogeneity_spec",
            dataclasses.replace(spec, per_layer_overrides=overrides),
        )
    yield from _table_edits(values, lambda name: names.get(name, name), kept, total)


def _table_edits(
    values: dict[str, Any], real: Callable[[str], str], kept: list[int], total: int
) -> Iterator[Edit]:
    """Edits of what the tables above name; `real` is what a config stores an attribute under."""
    for name in dict.fromkeys(map(real, COUNTS)):
        if values.get(name) == total and type(values[name]) is int:
            yield values, name, len(kept)
    for name in dict.fromkeys(map(real, ENTRIES)):
        entries = values.get(name)
        if isinstance(entries, (list, tuple)) and len(entries) == total:
            yield values, name, type(entries)(entries[block] for block in kept)
    place = {block: position for position, block in enumerate(kept)}
    for name in dict.fromkeys(map(real, NUMBERS)):
        numbers = values.get(name)
        if isinstance(numbers, (list, tuple, set)):
            yield (
                values,
                name,
                type(numbers)(place[number] for number in numbers if number in place),
            )


def _per_layer_inputs(owner: Any, kept: list[int]) -> Iterator[Edit]:
    """Gemma's inputs of the blocks lie in one table: it is read for all blocks, then those of the kept are taken."""
    if not hasattr(owner, "get_per_layer_inputs"):
        return
    total = len(owner.layers)

    def at_full_depth(method: Callable[..., Any], take: Callable[[Any], Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            depth, owner.config.__dict__["num_hidden_layers"] = (
                owner.config.num_hidden_layers,
                total,
            )
            try:
                return take(method(*args, **kwargs))
            finally:
                owner.config.__dict__["num_hidden_layers"] = depth

        return call

    yield (
        vars(owner),
        "get_per_layer_inputs",
        at_full_depth(owner.get_per_layer_inputs, lambda inputs: inputs),
    )
    yield (
        vars(owner),
        "project_per_layer_inputs",
        at_full_depth(owner.project_per_layer_inputs, lambda inputs: inputs[:, :, kept, :]),
    )
