"""What `model.json` says of a checkpoint. Imports neither torch nor transformers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from blocksieve.combination import Site, block_sites
from blocksieve.specs import ModelSpec


class ModelDescription(TypedDict):
    """A checkpoint without its weights; `commit` is None for a folder.

    `dtype` is the number format that the model runs in, the checkpoint's own for `auto`.
    `blocks` is the path of the block list in the model, `kinds` names the kind of each block, and
    `parameters` counts the model's weights. `not_exportable` says of each block that no exported
    checkpoint can lack why that is so; the others can, alone.
    """

    fingerprint: str
    commit: str | None
    dtype: str
    architecture: str
    num_blocks: int
    block_class: str
    blocks: str
    kinds: list[str]
    parameters: int
    not_exportable: dict[str, str]


def read_description(path: Path | str) -> ModelDescription:
    """Read a run's `model.json`."""
    description: ModelDescription = json.loads(Path(path).read_text(encoding="utf-8"))
    return description


def sites_to_search(description: ModelDescription, exportable: bool) -> list[Site]:
    """Return all blocks of a model, or those alone that an exported checkpoint can lack."""
    sites = block_sites(description["num_blocks"])
    if not exportable:
        return sites
    return [site for site in sites if str(site) not in description["not_exportable"]]


def as_described(model: ModelSpec, description: ModelDescription) -> ModelSpec:
    """Return the model as it was when the run began: its revision's commit, its number format."""
    revision = description["commit"] or model.revision
    return replace(model, revision=revision, dtype=description["dtype"])
