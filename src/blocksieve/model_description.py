"""What `model.json` says of a checkpoint. Imports neither torch nor transformers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from blocksieve.combination import Combination, Site, block_sites
from blocksieve.specs import ModelSpec


class SiteShares(TypedDict):
    """What removing a site saves: shares of the whole, from 0 to 1; None where that is unknown."""

    parameters: float
    flops: float | None
    kv_cache: float | None


class RemovedShares(TypedDict):
    """What a combination saves: shares of the whole, from 0 to 1; None where that is unknown."""

    removed_parameters: float | None
    removed_flops: float | None
    removed_kv_cache: float | None


REMOVED_SHARES = tuple(RemovedShares.__annotations__)


class ModelDescription(TypedDict):
    """A checkpoint without its weights; `commit` is None for a folder.

    `dtype` is the number format that the model runs in, the checkpoint's own for `auto`.
    `blocks` is the path of the block list in the model, `kinds` names the kind of each block, and
    `parameters` counts the model's weights. `not_exportable` says of each block that no exported
    checkpoint can lack why that is so; the others can, alone.
    `halves` are those that the names of modules tell; `no_halves` says of each other block why it
    has none. `sites` holds the shares of every block and half.
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
    halves: list[str]
    no_halves: dict[str, str]
    sites: dict[str, SiteShares]


def read_description(path: Path | str) -> ModelDescription:
    """Read a run's `model.json`."""
    description: ModelDescription = json.loads(Path(path).read_text(encoding="utf-8"))
    return description


def sites_to_search(
    description: ModelDescription, exportable: bool, unit: str = "block"
) -> list[Site]:
    """Return all blocks of a model or all halves; or the blocks that an export can lack."""
    if unit == "half":
        return [Site.parse(text) for text in description["halves"]]
    sites = block_sites(description["num_blocks"])
    if not exportable:
        return sites
    return [site for site in sites if str(site) not in description["not_exportable"]]


def removed_shares(combination: Combination, sites: Mapping[str, SiteShares]) -> RemovedShares:
    """Return what a combination saves: the sum of its sites' shares, None where one is unknown."""
    if not all(str(site) in sites for site in combination.sites):
        return {"removed_parameters": None, "removed_flops": None, "removed_kv_cache": None}
    removed = [sites[str(site)] for site in combination.sites]
    return {
        "removed_parameters": _total([shares["parameters"] for shares in removed]),
        "removed_flops": _total([shares["flops"] for shares in removed]),
        "removed_kv_cache": _total([shares["kv_cache"] for shares in removed]),
    }


def _total(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known, 0.0) if len(known) == len(shares) else None


def as_described(model: ModelSpec, description: ModelDescription) -> ModelSpec:
    """Return the model as it was when the run began: its revision's commit, its number format."""
    revision = description["commit"] or model.revision
    return replace(model, revision=revision, dtype=description["dtype"])
