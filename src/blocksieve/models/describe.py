"""Describe a checkpoint without loading its weights: its fingerprint and its blocks."""

import logging
from pathlib import Path
from typing import Any

from blocksieve.models.blocks import find_blocks
from blocksieve.models.checkpoint import fetch, identify, locate
from blocksieve.models.loading import empty_model
from blocksieve.specs import ModelSpec

logger = logging.getLogger("blocksieve")


def describe_model(model: ModelSpec) -> dict[str, Any]:
    """Fingerprint, architecture, blocks and parameters of a checkpoint; ModelError if it cannot be read."""
    fingerprint, empty = identify(model), empty_model(model)
    found = find_blocks(empty, model.blocks)
    description = {
        "fingerprint": fingerprint,
        "commit": None if Path(locate(model)).is_dir() else fetch(model).name,
        "architecture": type(empty).__name__,
        "num_blocks": len(found.blocks),
        "block_class": type(found.blocks[0]).__name__,
        "blocks": found.path,
        "kinds": list(found.kinds),
        "parameters": sum(p.numel() for p in empty.parameters()),
    }
    logger.info(
        "%(architecture)s with %(num_blocks)d blocks (%(block_class)s), fingerprint %(fingerprint)s",
        description,
    )
    return description
