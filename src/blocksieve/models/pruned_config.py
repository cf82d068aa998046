"""The config of a model without some blocks, as a checkpoint's `config.json` holds it.

Every entry that changes is listed by name, here or in `blocksieve.models.view`; all others stay.
An entry's comment names types of transformers 5.24 that have it.
"""

import copy
from collections.abc import Iterator
from typing import TypedDict

from transformers import PretrainedConfig, PreTrainedModel

from blocksieve.combination import Combination, Part
from blocksieve.errors import ModelError
from blocksieve.models.blocks import BlockList
from blocksieve.models.view import (
    Edit,
    decoder_configs,
    kept_blocks,
    new_numbers,
    stored_config_edits,
)

# Where one config describes an encoder and a decoder, only these count the decoder's blocks.
DECODER_COUNTS = (
    "decoder_layers",  # florence2 (bart), pp_formulanet
    "num_decoder_layers",  # udop, t5
)
# How many of the first blocks are of another kind.
PREFIX_COUNTS = (
    "first_k_dense_replace",  # deepseek_v3, glm4v_moe, mistral4
    "num_dense_layers",  # afmoe, lfm2_moe
)
# Lists that name some of the blocks, which they count from 1.
ONE_BASED_NUMBERS = (
    "ple_layer_ids",  # qwen4_exp
)
# Blocks behind the last one, for drafts of several tokens. Stock classes do not save them.
DRAFT_COUNTS = (
    "num_nextn_predict_layers",  # deepseek_v3, glm4_moe
    "mtp_num_hidden_layers",  # qwen3_next
    "mtp_num_layers",
)
# What transformers' configs of layers that differ call a half: per_layer_config, "skip".
SKIP_NAMES: dict[Part, str] = {"a": "attention", "m": "mlp"}


class LayerOverrides(TypedDict, total=False):
    """What differs from a config's values in one layer: `skip` names halves, others are values."""

    skip: list[str]


def pruned_config(
    model: PreTrainedModel, block_list: BlockList, combination: Combination
) -> PretrainedConfig:
    """Return a copy of the entire model's config that describes the model without these sites.

    Halves are named, as transformers' per_layer_config does: no class of transformers 5.24 skips
    them, so that their weights must be zeros. ModelError where the config cannot name them.
    """
    config = copy.deepcopy(model.config)
    num_blocks = len(block_list.blocks)
    kept = kept_blocks(num_blocks, combination)
    # The decoder may hold a copy of its part of the config, so that parts are told by their class.
    classes = {type(part) for part in decoder_configs(model, block_list.owner)}
    edits: list[Edit] = []
    for part in _parts(config):
        if type(part) in classes:
            edits += _part_edits(part, kept, num_blocks)
    for edit in edits:
        edit.apply()
    if combination.halves:
        _name_skipped(config, combination, kept)
    return config


def layer_overrides(config: PretrainedConfig) -> dict[int, LayerOverrides]:
    """Return a copy of what differs in each layer of a decoder's config, by the layer's number."""
    spec = vars(config).get("_heterogeneity_spec")
    return {} if spec is None else copy.deepcopy(spec.per_layer_overrides)


def _name_skipped(config: PretrainedConfig, combination: Combination, kept: list[int]) -> None:
    """Name the halves that the blocks of an edited config skip, under their new numbers."""
    if not hasattr(PretrainedConfig, "per_layer_config"):
        raise ModelError("this version of transformers has no per_layer_config; it takes 5.23")
    decoder = config.get_text_config(decoder=True)
    if decoder.is_encoder_decoder:
        raise ModelError("its config has no values of single decoder layers")
    positions = new_numbers(kept)
    overrides = layer_overrides(decoder)
    for site in combination.halves:
        of_layer = overrides.setdefault(positions[site.block], {})
        skipped = [*of_layer.get("skip", []), SKIP_NAMES[site.part]]
        of_layer["skip"] = sorted(skipped)
    decoder.per_layer_config = overrides


def _parts(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    """Yield a config and all configs inside it."""
    yield config
    for value in vars(config).values():
        if isinstance(value, PretrainedConfig):
            yield from _parts(value)


def _part_edits(config: PretrainedConfig, kept: list[int], num_blocks: int) -> Iterator[Edit]:
    values: dict[str, object] = vars(config)
    if config.is_encoder_decoder:
        for name in DECODER_COUNTS:
            if values.get(name) == num_blocks:
                yield Edit(values, name, len(kept))
        return
    yield from stored_config_edits(config, kept, num_blocks)
    for name in PREFIX_COUNTS:
        count = values.get(name)
        if isinstance(count, int):
            kept_of_prefix = [block for block in kept if block < count]
            yield Edit(values, name, len(kept_of_prefix))
    positions = new_numbers(kept)
    for name in ONE_BASED_NUMBERS:
        numbers = values.get(name)
        if isinstance(numbers, (list, tuple)):
            kept_numbers = [number for number in numbers if number - 1 in positions]
            yield Edit(values, name, [positions[number - 1] + 1 for number in kept_numbers])
    for name in DRAFT_COUNTS:
        if values.get(name):
            yield Edit(values, name, 0)
