"""Describe a checkpoint without loading its weights: its fingerprint and its blocks."""

import logging
from pathlib import Path

from transformers import PreTrainedModel

from blocksieve.combination import Combination
from blocksieve.engine.site_shares import site_shares
from blocksieve.model_description import ModelDescription
from blocksieve.models.blocks import BlockList, find_blocks
from blocksieve.models.checkpoint import fetch, identify, locate
from blocksieve.models.export import why_not_exportable
from blocksieve.models.loading import empty_model
from blocksieve.models.number_format import with_own_format
from blocksieve.models.pruned_config import pruned_config
from blocksieve.models.structure import block_signatures
from blocksieve.models.view import refusal
from blocksieve.specs import ModelSpec

logger = logging.getLogger("blocksieve")


def describe_model(model: ModelSpec) -> ModelDescription:
    """Return fingerprint, architecture and blocks of a checkpoint; ModelError if unreadable."""
    fingerprint = identify(model)
    empty = empty_model(model)
    block_list = find_blocks(empty, model.blocks)
    is_folder = Path(locate(model)).is_dir()
    description = ModelDescription(
        fingerprint=fingerprint,
        # The hub's cache names the folder of a snapshot by its commit.
        commit=None if is_folder else fetch(model).name,
        dtype=with_own_format(model).dtype,
        architecture=type(empty).__name__,
        num_blocks=len(block_list.blocks),
        block_class=type(block_list.blocks[0]).__name__,
        blocks=block_list.path,
        kinds=list(block_list.kinds),
        parameters=sum(weight.numel() for weight in empty.parameters()),
        not_exportable=_not_exportable(model, empty, block_list),
        halves=[str(site) for site in block_list.halves.sites],
        no_halves={str(block): why for block, why in block_list.halves.reasons.items()},
        sites=site_shares(empty, block_list),
    )
    logger.info(
        "%(architecture)s with %(num_blocks)d blocks (%(block_class)s), "
        "fingerprint %(fingerprint)s",
        description,
    )
    return description


def _not_exportable(
    model: ModelSpec, empty: PreTrainedModel, block_list: BlockList
) -> dict[str, str]:
    """Return which blocks no export can lack alone, with the reasons, and log one of them."""
    reasons = {}
    for combination, reason in _reasons(model, empty, block_list).items():
        if reason is not None:
            reasons[str(combination)] = reason
    if reasons:
        logger.warning(
            "%d of %d blocks cannot be left out of an exported checkpoint alone: %s",
            len(reasons),
            len(block_list.blocks),
            next(iter(reasons.values())),
        )
    return reasons


def _reasons(
    model: ModelSpec, empty: PreTrainedModel, block_list: BlockList
) -> dict[Combination, str | None]:
    """Return for each block why no export can lack it alone; None where one can.

    Building and comparing a large model takes most of a second. Removals that leave equal blocks in
    the same order, and the same config, are tried once.
    """
    signatures = block_signatures(block_list)
    tried: dict[tuple[str, ...], tuple[Combination, str | None]] = {}
    reasons: dict[Combination, str | None] = {}
    for block in range(len(block_list.blocks)):
        combination = Combination.of((block,))
        if refusal(block_list, combination) is not None:
            reasons[combination] = why_not_exportable(model, empty, combination)
            continue
        config = pruned_config(empty, block_list, combination).to_json_string(use_diff=False)
        left = (config, *signatures[:block], *signatures[block + 1 :])
        if left not in tried:
            tried[left] = (combination, why_not_exportable(model, empty, combination))
        first, reason = tried[left]
        if reason is not None:
            reason = reason.replace(f"combination {first} ", f"combination {combination} ", 1)
        reasons[combination] = reason
    return reasons
