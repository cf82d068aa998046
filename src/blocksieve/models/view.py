"""Leave blocks and halves of blocks out of a model: for the time of a call, or for good in a copy.

Every per-block attribute that is re-mapped is listed here by name; all else stays as it is.
An entry's comment names types of transformers 5.24 that have it.
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from blocksieve.combination import Combination, Site
from blocksieve.errors import ModelError
from blocksieve.models.blocks import BlockList, find_blocks
from blocksieve.models.halves import skip_halves, zero_weights

# Numbers of blocks, in a config or in the module that owns the blocks.
BLOCK_COUNTS = (
    "num_hidden_layers",  # llama, and most others; gemma4's module has it, too
    "n_layer",  # gpt2, bloom
    "n_layers",  # mpt, dbrx
    "num_layers",  # udop, gpt_neo, xglm
    "decoder_layers",  # florence2 (bart), pp_formulanet
    "layers",  # kosmos-2
)
# Lists with one entry per block. Some configs compute them: see `_computed_entry_edits`.
ENTRIES_PER_BLOCK = (
    "layer_types",  # gemma3, qwen3_next, lfm2
    "mlp_layer_types",  # ernie4_5_vl_moe, minimax_m3_vl
    "layers_block_type",  # bamba and jamba (computed), nemotron_h
    "no_rope_layers",  # llama4, smollm3: 0 or 1 for each block
    "layer_rope_theta",  # granite_swa, muse_spark
    "indexer_types",  # glm5_next, glm_moe_dsa
    "sliding_windows",  # moonshine_streaming
    "activation_sparsity_pattern",  # gemma3n
    "intermediate_size",  # gemma3n: a list there, and a number in all others
    "num_attention_heads_per_layer",  # laguna
    "num_key_value_heads_per_layer",  # sapiens2
    "layers_num_experts",  # jamba (computed)
    "swiglu_limits",  # step3p7
    "swiglu_limits_shared",  # step3p7
    "hybrid_layer_pattern",  # MiMo-V2, in the code that comes with its checkpoints
    "moe_layer_freq",  # MiMo-V2, as above
    "attention_types",  # gpt_neo
    "attention_layers",  # gpt_neo
)
# Lists that name some of the blocks by their numbers.
BLOCK_NUMBERS = (
    "cross_attention_layers",  # mllama
    "moe_layers",  # llama4
    "mlp_only_layers",  # qwen3_moe, qwen3_vl_moe
    "full_attn_idxs",  # lfm2
    "attn_layer_indices",  # bamba
    "rope_scaling_layers",  # molmo2
    "global_attn_indexes",  # the vision encoder of got_ocr2
    "residual_block_indices",  # vitdet
)
# Lists of modules that lie beside the blocks and hold one module for each of them.
SIBLING_LISTS = (
    "gated_cross_attn_layers",  # idefics
)
# A block's number, in any module inside it: it says where in the cache the block's entries lie.
NUMBERS_INSIDE_BLOCK = (
    "layer_idx",  # llama, and most others
    "layer_id",  # gpt_neo
    "layer_number",  # gpt_neox_japanese
)
# The module that makes a bias of distances between tokens: T5's first block for all others.
POSITION_BIAS = "relative_attention_bias"  # t5, udop, pix2struct

MISSING = object()


class _Attributes:
    """An object's attributes as a mapping, for those that do not lie in its `__dict__`."""

    def __init__(self, owner: object) -> None:
        self.owner = owner

    def get(self, name: str, default: object) -> object:
        """Return an attribute, or the default if it is missing."""
        return getattr(self.owner, name, default)

    # The methods of `object`, because a config's `__setattr__` refuses or renames some attributes.
    def __setitem__(self, name: str, value: object) -> None:
        object.__setattr__(self.owner, name, value)

    def __delitem__(self, name: str) -> None:
        object.__delattr__(self.owner, name)


@dataclass(frozen=True)
class Edit:
    """One change: `key` of `target` becomes `value`, or is deleted where that is MISSING."""

    target: dict[str, object] | _Attributes
    key: str
    value: object

    def apply(self) -> None:
        """Make the change."""
        if self.value is MISSING:
            del self.target[self.key]
        else:
            self.target[self.key] = self.value

    def inverse(self) -> "Edit":
        """Return the edit that brings back what `target` holds now."""
        value_now = self.target.get(self.key, MISSING)
        return Edit(self.target, self.key, value_now)


@contextmanager
def view(model: PreTrainedModel, block_list: BlockList, combination: Combination) -> Iterator[None]:
    """Leave the combination's sites out while the context lasts, then restore the model.

    Blocks leave the list, and halves answer zeros. No weight is copied. Not for two threads at
    once. ModelError if the combination is refused.
    """
    undo: list[Edit] = []
    try:
        edits = _edits(model, block_list, combination)
        edits += _skips(block_list, combination)
        for edit in edits:
            undo.append(edit.inverse())
            edit.apply()
        yield
    finally:
        for edit in reversed(undo):
            edit.apply()


def without_blocks(
    model: PreTrainedModel, combination: Combination, path: str | None = None
) -> PreTrainedModel:
    """Return a copy from which blocks are deleted, and in which halves have zeros for weights.

    Slow and obvious: all else is compared with it. It shares the other weights of `model`. `path`
    names the block list where it is not found by itself. ModelError if the combination is refused.
    """
    # deepcopy takes what its memo holds as copied already, so that no weight is.
    memo = {id(weight): weight for weight in model.parameters()}
    memo |= {id(buffer): buffer for buffer in model.buffers()}
    pruned = copy.deepcopy(model, memo)
    block_list = find_blocks(pruned, path)
    edits = _edits(pruned, block_list, combination)
    zero_weights(block_list.halves.by_site[site] for site in combination.halves)
    for edit in edits:
        edit.apply()
    return pruned


def skipping(
    model: PreTrainedModel, combination: Combination, path: str | None = None
) -> PreTrainedModel:
    """Return a copy from which blocks are deleted, and whose removed halves do not run.

    It shares all weights of `model`. ModelError if the combination is refused.
    """
    _check(find_blocks(model, path), combination)
    whole_blocks = Combination.of(combination.whole_blocks)
    pruned = without_blocks(model, whole_blocks, path)
    block_list = find_blocks(pruned, path)
    positions = new_numbers(kept_blocks(len(block_list.blocks) + whole_blocks.size, whole_blocks))
    sites = [Site(positions[half.block], half.part) for half in combination.halves]
    skip_halves(block_list.halves, sites)
    return pruned


def refusal(block_list: BlockList, combination: Combination) -> str | None:
    """Return why the model cannot run without these sites, as far as its structure tells.

    None if nothing speaks against it.
    """
    num_blocks = len(block_list.blocks)
    removed = combination.whole_blocks
    if max(combination.blocks, default=0) >= num_blocks:
        return f"the model has blocks 0 to {num_blocks - 1} only"
    for site in combination.halves:
        reason = block_list.halves.refusal(site)
        if reason is not None:
            return reason
    if len(removed) == num_blocks:
        return "no block would be left"
    kept = kept_blocks(num_blocks, combination)
    kinds = block_list.kinds
    # mllama's mask asks the first block's cache for the length, and cross-attention's has none.
    if kinds[kept[0]].startswith("cross") and not kinds[0].startswith("cross"):
        return (
            f"block {kept[0]} would come first, "
            "but cross-attention keeps no record of how many tokens there are"
        )
    if not _counts_tokens(block_list, kept):
        return "no block with attention would be left, whose cache counts the tokens for the others"
    # A skipped attention makes neither a position bias nor keys and values for others.
    without_attention = {site.block for site in combination.sites if site.part != "m"}
    biased = _position_bias_blocks(block_list)
    if biased and without_attention.issuperset(biased):
        return f"block {biased[0]} holds the position bias of all blocks"
    sources = _key_value_sources(block_list)
    for block in kept:
        if sources.get(block) in without_attention and block not in without_attention:
            return f"block {block} uses the keys and values of block {sources[block]}"
    kinds_with_source = {kinds[block] for block in kept if block not in sources}
    if any(kinds[block] not in kinds_with_source for block in kept):
        return "no block would be left that makes the keys and values of one kind of attention"
    return None


def kept_blocks(num_blocks: int, combination: Combination) -> list[int]:
    """Return the blocks that stay, in order."""
    return [block for block in range(num_blocks) if block not in combination.whole_blocks]


def new_numbers(kept: list[int]) -> dict[int, int]:
    """Return the new number of each kept block."""
    return {block: number for number, block in enumerate(kept)}


def _counts_tokens(block_list: BlockList, kept: list[int]) -> bool:
    """Whether a block with attention is left where the model had any.

    Others cache states that do not tell how many tokens they saw. A model without any attention
    counts by itself.
    """
    has_attention = []
    for block, kind in zip(block_list.blocks, block_list.kinds, strict=True):
        # nemotron_h calls whatever a block does its mixer.
        mixer = type(getattr(block, "mixer", None)).__name__
        is_attention = "attention" in kind and "linear" not in kind
        has_attention.append(is_attention or mixer.endswith("Attention"))
    return not any(has_attention) or any(has_attention[block] for block in kept)


def _position_bias_blocks(block_list: BlockList) -> list[int]:
    """Return the blocks that make a position bias for all; empty if each block makes its own."""
    biased = []
    for number, block in enumerate(block_list.blocks):
        last_names = [path.rpartition(".")[2] for path, _ in block.named_modules()]
        if POSITION_BIAS in last_names:
            biased.append(number)
    return biased if len(biased) < len(block_list.blocks) else []


def _key_value_sources(block_list: BlockList) -> dict[int, int]:
    """Return which block's keys and values a block reuses, for each block that reuses any."""
    config = getattr(block_list.owner, "config", None)
    # mistral_large4 names the source of each block; a block that makes its own names itself.
    listed: list[int] | None = getattr(config, "kv_source_layers", None)
    if listed is not None:
        return {block: source for block, source in enumerate(listed) if block != source}
    # gemma3n and gemma4: for each kind of attention, one block stores what later blocks reuse.
    modes: list[str | None] = getattr(config, "kv_sharing_modes", None) or []
    layer_types: list[str] = getattr(config, "layer_types", None) or []
    stored_by: dict[str, int] = {}
    sources: dict[int, int] = {}
    for block, mode in enumerate(modes):
        layer_type = layer_types[block]
        if mode == "store":
            stored_by[layer_type] = block
        elif mode == "reuse":
            sources[block] = stored_by[layer_type]
    return sources


def _check(block_list: BlockList, combination: Combination) -> None:
    """Raise a ModelError if a combination is refused."""
    reason = refusal(block_list, combination)
    if reason is not None:
        raise ModelError(f"combination {combination} cannot be removed: {reason}")


def _edits(model: PreTrainedModel, block_list: BlockList, combination: Combination) -> list[Edit]:
    """Return the edits that take the combination's blocks out; ModelError if it is refused."""
    _check(block_list, combination)
    if not combination.whole_blocks:
        return []
    num_blocks = len(block_list.blocks)
    kept = kept_blocks(num_blocks, combination)
    owner = block_list.owner
    edits = [*_per_layer_input_edits(owner, kept)]
    for config in decoder_configs(model, owner):
        edits += _computed_entry_edits(config, kept, num_blocks)
        edits += stored_config_edits(config, kept, num_blocks)
    edits += _owner_edits(block_list, kept, num_blocks)
    edits += _number_edits(block_list.blocks, kept)
    return edits


def _skips(block_list: BlockList, combination: Combination) -> Iterator[Edit]:
    """Yield edits that let the combination's halves answer zeros."""
    positions = new_numbers(kept_blocks(len(block_list.blocks), combination))
    for site in combination.halves:
        half = block_list.halves.by_site[site]
        for module, skip in half.skipped_forwards(positions[site.block]):
            yield Edit(vars(module), "forward", skip)


def decoder_configs(model: PreTrainedModel, owner: nn.Module) -> list[PretrainedConfig]:
    """Return the configs that the decoder, which owns the blocks, or its cache reads, each once."""
    configs = [model.config.get_text_config(decoder=True)]
    for module in (owner, model.get_decoder()):
        config = getattr(module, "config", None)
        is_new = all(config is not seen for seen in configs)
        if config is not None and is_new:
            configs.append(config)
    return configs


def _owner_edits(block_list: BlockList, kept: list[int], num_blocks: int) -> Iterator[Edit]:
    """Yield edits of the module that owns the blocks: what it counts, and its lists of modules."""
    owner = block_list.owner
    values: dict[str, object] = vars(owner)
    yield from _table_edits(values, {}, kept, num_blocks)
    first_shared = values.get("first_kv_shared_layer_idx")  # gemma4
    if isinstance(first_shared, int):
        not_shared = [block for block in kept if block < first_shared]
        yield Edit(values, "first_kv_shared_layer_idx", len(not_shared))
    for name in (block_list.name, *SIBLING_LISTS):
        modules = owner._modules.get(name)
        if modules is not None and len(modules) == num_blocks:
            kept_modules = nn.ModuleList(modules[block] for block in kept)
            yield Edit(owner._modules, name, kept_modules)


def _number_edits(blocks: nn.ModuleList, kept: list[int]) -> Iterator[Edit]:
    """Yield edits that renumber the kept blocks, so that the cache has no gaps."""
    for position, block in enumerate(kept):
        for module in blocks[block].modules():
            values: dict[str, object] = vars(module)
            for name in NUMBERS_INSIDE_BLOCK:
                if values.get(name) == block:
                    yield Edit(values, name, position)


def stored_config_edits(
    config: PretrainedConfig, kept: list[int], num_blocks: int
) -> Iterator[Edit]:
    """Yield edits of what a config stores, so that a `config.json` can hold them."""
    values: dict[str, object] = vars(config)
    yield from _shared_cache_edits(values, kept, num_blocks)
    yield from _heterogeneity_edits(config, kept)
    attribute_map: dict[str, str] = type(config).attribute_map or {}
    yield from _table_edits(values, attribute_map, kept, num_blocks)


def _shared_cache_edits(
    values: dict[str, object], kept: list[int], num_blocks: int
) -> Iterator[Edit]:
    """Yield edits of which blocks reuse keys and values; see `_key_value_sources`."""
    num_shared = values.get("num_kv_shared_layers")  # gemma3n, gemma4: the last so many blocks
    if isinstance(num_shared, int) and num_shared:
        first_shared = num_blocks - num_shared
        kept_shared = [block for block in kept if block >= first_shared]
        yield Edit(values, "num_kv_shared_layers", len(kept_shared))
    sources = values.get("kv_source_layers")  # mistral_large4
    if isinstance(sources, (list, tuple)) and sources:
        positions = new_numbers(kept)
        kept_sources = [positions[sources[block]] for block in kept]
        yield Edit(values, "kv_source_layers", kept_sources)


def _computed_entry_edits(
    config: PretrainedConfig, kept: list[int], num_blocks: int
) -> Iterator[Edit]:
    """Yield an edit that fixes entries which the config's class computes from a period.

    jamba computes `layers_block_type` from `attn_layer_period`: once blocks are missing, no period
    describes it. A property cannot be overridden in an instance, so that the config gets a subclass
    with the kept entries as plain attributes.
    """
    config_class = type(config)
    fixed: dict[str, object] = {}
    for name in ENTRIES_PER_BLOCK:
        is_computed = isinstance(getattr(config_class, name, None), property)
        entries = getattr(config, name) if is_computed else ()
        if len(entries) == num_blocks:
            fixed[name] = [entries[block] for block in kept]
    if fixed:
        subclass = type(config_class.__name__, (config_class,), fixed)
        yield Edit(_Attributes(config), "__class__", subclass)


def _heterogeneity_edits(config: PretrainedConfig, kept: list[int]) -> Iterator[Edit]:
    """Yield an edit of the config's values that differ between blocks, by block; gemma4."""
    spec = vars(config).get("_heterogeneity_spec")
    if spec is None:
        return
    kept_overrides = {}
    for position, block in enumerate(kept):
        if block in spec.per_layer_overrides:
            kept_overrides[position] = spec.per_layer_overrides[block]
    new_spec = dataclasses.replace(spec, per_layer_overrides=kept_overrides)
    yield Edit(vars(config), "_heterogeneity_spec", new_spec)


def _table_edits(
    values: dict[str, object], attribute_map: dict[str, str], kept: list[int], num_blocks: int
) -> Iterator[Edit]:
    """Yield edits of what the tables above name; a config stores some under another name."""
    for name in _stored_names(BLOCK_COUNTS, attribute_map):
        count = values.get(name)
        # A flag is an int, too: `layers=True` must not count as one block.
        if type(count) is int and count == num_blocks:
            yield Edit(values, name, len(kept))
    for name in _stored_names(ENTRIES_PER_BLOCK, attribute_map):
        entries = values.get(name)
        if isinstance(entries, (list, tuple)) and len(entries) == num_blocks:
            kept_entries = [entries[block] for block in kept]
            yield Edit(values, name, type(entries)(kept_entries))
    positions = new_numbers(kept)
    for name in _stored_names(BLOCK_NUMBERS, attribute_map):
        numbers = values.get(name)
        if isinstance(numbers, (list, tuple, set)):
            renumbered = [positions[number] for number in numbers if number in positions]
            yield Edit(values, name, type(numbers)(renumbered))


def _stored_names(table: tuple[str, ...], attribute_map: dict[str, str]) -> list[str]:
    """Return the keys under which a config stores a table's attributes, each once."""
    stored_names = [attribute_map.get(name, name) for name in table]
    return list(dict.fromkeys(stored_names))


def _per_layer_input_edits(owner: nn.Module, kept: list[int]) -> Iterator[Edit]:
    """Yield edits that compute Gemma's per-layer inputs for all blocks, then take the kept ones.

    gemma3n and gemma4 give each block an input of its own. One embedding and one projection hold
    those of all blocks side by side, and are split by the config's number of blocks. So that number
    must be the full one while they run.
    """
    if not hasattr(owner, "get_per_layer_inputs"):
        return
    config_values = vars(owner.config)
    num_blocks = len(owner.layers)

    def at_full_depth(method: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """Wrap a method so that it runs with the full number of blocks in the config."""

        @functools.wraps(method)
        def call(*args: object, **kwargs: object) -> torch.Tensor:
            """Call the method, then restore the config."""
            num_kept = config_values["num_hidden_layers"]
            config_values["num_hidden_layers"] = num_blocks
            try:
                return method(*args, **kwargs)
            finally:
                config_values["num_hidden_layers"] = num_kept

        return call

    get_all = at_full_depth(owner.get_per_layer_inputs)
    project_all = at_full_depth(owner.project_per_layer_inputs)

    @functools.wraps(project_all)
    def project_kept(*args: object, **kwargs: object) -> torch.Tensor:
        """Take the kept blocks' inputs: (rows, tokens, num_blocks or num_kept, width)."""
        inputs = project_all(*args, **kwargs)
        return inputs[:, :, kept, :]

    # Only the second is cut: it adds the first's inputs, of all blocks, to its own.
    yield Edit(vars(owner), "get_per_layer_inputs", get_all)
    yield Edit(vars(owner), "project_per_layer_inputs", project_kept)
