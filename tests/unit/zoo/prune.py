"""Really delete blocks from a copy of a model, as a reader of its source would by hand.

Owes nothing to the package.
"""

import copy
from typing import Any

from torch import nn

from zoo.types import BLOCKS

LISTS = ("layers", "h", "blocks", "block", "layer")


# What a block of some type calls its token mixer, and its channel mixer.
HALVES = {
    "a": ("self_attn", "self_attention", "attention", "attn", "cross_attn", "linear_attn"),
    "m": ("mlp", "feed_forward", "ffn", "fc1", "fc2"),
}
HALVES["a"] += ("mamba", "conv")


def prune(model: Any, removed: tuple[int, ...], halves: tuple[tuple[int, str], ...] = ()) -> Any:
    """Return a deep copy without the blocks of these numbers.

    `halves`: blocks, and which of their halves have zeros for weights, "a" or "m".
    """
    copied = copy.deepcopy(model)
    kept = [index for index in range(BLOCKS) if index not in removed]
    owner, name = decoder_list(copied)
    blocks = getattr(owner, name)
    for index, part in halves:
        modules = [child for key, child in blocks[index].named_children() if key in HALVES[part]]
        assert modules
        for weight in nn.ModuleList(modules).parameters():
            weight.data = weight.data * 0
    setattr(owner, name, nn.ModuleList([blocks[index] for index in kept]))
    for position, index in enumerate(kept):
        for module in blocks[index].modules():
            if getattr(module, "layer_idx", None) == index:
                module.layer_idx = position
    if hasattr(owner, "cross_attention_layers"):
        owner.cross_attention_layers = [
            kept.index(i) for i in owner.cross_attention_layers if i in kept
        ]
    configs = [owner.config, copied.config.get_text_config(decoder=True), copied.config]
    distinct = {id(config): config for config in configs}
    for config in distinct.values():
        adapt(config, kept)
    narrow_tables(owner, kept)
    return copied


def decoder_list(model: Any) -> tuple[Any, str]:
    """The module that holds the decoder's blocks, and what it calls them."""
    for path, module in model.named_modules():
        foreign = any(
            word in path for word in ("vision", "visual", "vqmodel", "qformer", "image_to_text")
        )
        foreign |= model.config.is_encoder_decoder and "encoder" in path
        for name in LISTS:
            blocks = getattr(module, name, None)
            if not foreign and isinstance(blocks, nn.ModuleList) and len(blocks) == BLOCKS:
                return module, name
    raise AssertionError(f"no list of {BLOCKS} blocks in {type(model).__name__}")


def adapt(config: Any, kept: list[int]) -> None:
    """Make a config describe the shallower decoder."""
    values = vars(config)
    for key in (
        "layer_types",
        "mlp_layer_types",
        "layers_block_type",
        "no_rope_layers",
        "activation_sparsity_pattern",
    ):
        if isinstance(values.get(key), list) and len(values[key]) == BLOCKS:
            values[key] = [values[key][index] for index in kept]
    if "cross_attention_layers" in values:
        values["cross_attention_layers"] = [
            kept.index(i) for i in values["cross_attention_layers"] if i in kept
        ]
    if values.get("num_kv_shared_layers"):
        first = BLOCKS - values["num_kv_shared_layers"]
        values["num_kv_shared_layers"] = len([index for index in kept if index >= first])
    if "attn_layer_indices" in values:
        values["attn_layer_indices"] = [
            kept.index(i) for i in values["attn_layer_indices"] if i in kept
        ]
    if "attn_layer_period" in values:  # no period describes what is left
        config.__class__ = type(
            "Pruned", (type(config),), {"layers_block_type": pick(config.layers_block_type, kept)}
        )
    overrides = getattr(values.get("_heterogeneity_spec"), "per_layer_overrides", None)
    if overrides is not None:
        moved = {kept.index(index): value for index, value in overrides.items() if index in kept}
        overrides.clear()
        overrides.update(moved)
    for key in (
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "layers",
        "decoder_layers",
    ):
        if isinstance(values.get(key), int) and values[key] == BLOCKS:
            values[key] = len(kept)


def pick(entries: list[Any], kept: list[int]) -> list[Any]:
    """Those that stay, from a list of one for each block."""
    return [entries[index] for index in kept if index < len(entries)]


def narrow_tables(owner: Any, kept: list[int]) -> None:
    """Cut Gemma's inputs of the kept blocks out of the embedding and projection of all blocks."""
    if getattr(owner, "embed_tokens_per_layer", None) is None:
        return
    width = owner.hidden_size_per_layer_input
    columns = [index * width + place for index in kept for place in range(width)]
    table, projection = owner.embed_tokens_per_layer, owner.per_layer_model_projection
    table.weight = nn.Parameter(table.weight.data[:, columns])
    projection.weight = nn.Parameter(projection.weight.data[columns])
    if hasattr(owner, "first_kv_shared_layer_idx"):
        owner.first_kv_shared_layer_idx = len(
            [index for index in kept if index < owner.first_kv_shared_layer_idx]
        )
