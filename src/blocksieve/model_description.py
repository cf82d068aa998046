"""What `model.json` says of a checkpoint. Imports neither torch nor transformers."""

import json
from pathlib import Path
from typing import TypedDict


class ModelDescription(TypedDict):
    """A checkpoint without its weights; `commit` is None for a folder.

    `blocks` is the path of the block list in the model, `kinds` names the kind of each block, and
    `parameters` counts the model's weights.
    """

    fingerprint: str
    commit: str | None
    architecture: str
    num_blocks: int
    block_class: str
    blocks: str
    kinds: list[str]
    parameters: int


def read_description(path: Path | str) -> ModelDescription:
    """Read a run's `model.json`."""
    description: ModelDescription = json.loads(Path(path).read_text(encoding="utf-8"))
    return description
