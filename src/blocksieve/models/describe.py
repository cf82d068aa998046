"""Describe a checkpoint without loading its weights: its fingerprint and its blocks."""

import logging
from typing import Any

import torch
from transformers import AutoConfig

from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks
from blocksieve.models.checkpoint import identify, locate
from blocksieve.models.loading import auto_class, auto_options

logger = logging.getLogger("blocksieve")


def describe_model(model: dict[str, Any]) -> dict[str, Any]:
    """Fingerprint, architecture, blocks and parameters of a checkpoint; ModelError if it cannot be read."""
    fingerprint = identify(model)
    try:
        config = AutoConfig.from_pretrained(locate(model), **auto_options(model))
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"config: model.path: cannot read {model['path']!r}: {reason}") from error
    with torch.device("meta"):
        empty = auto_class(model).from_config(config, trust_remote_code=model["trust_remote_code"])
    found = find_blocks(empty, model["blocks"])
    description = {
        "fingerprint": fingerprint,
        "architecture": type(empty).__name__,
        "num_blocks": len(found.blocks),
        "block_class": type(found.blocks[0]).__name__,
        "blocks": found.path,
        "kinds": list(found.kinds),
        "parameters": sum(p.numel() for p in empty.parameters()),
    }
    logger.info(
        "%(architecture)s with %(num_blocks)d blocks (%(block_class)s), fingerprint %(fingerprint)s", description
    )
    return description
