"""The config of a model without some blocks, as a checkpoint's `config.json` holds it.

Every entry that changes is listed by name, here or in `blocksieve.models.view`; all others stay.
An entry's comment names types of transformers 5.24 that have it.
"""

import copy
from collections.abc import Iterator

from transformers import PretrainedConfig, PreTrainedModel

from blocksieve.combination import Combination
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


def pruned_config(
    model: PreTrainedModel, block_list: BlockList, combination: Combination
) -> PretrainedConfig:
    """Return a copy of the entire model's config that describes the model without the blocks."""
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
    return config


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
