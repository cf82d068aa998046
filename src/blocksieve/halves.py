"""Skip, in a loaded checkpoint, the halves of blocks that its config says to skip.

`blocksieve export` writes zeros for their weights, so that stock classes compute the right answers,
but no faster. With `apply` these halves do not run at all, and cache nothing but the lengths.
"""

from transformers import PreTrainedModel

from blocksieve.combination import Site
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks
from blocksieve.models.halves import skip_halves
from blocksieve.models.pruned_config import SKIP_NAMES, layer_overrides


def apply(model: PreTrainedModel, blocks: str | None = None) -> list[Site]:
    """Let a model skip what its config names in `per_layer_config`; return these sites.

    `blocks`: where the block list lies, if it is not found by itself. ModelError if a named half is
    not there, or its weights are not zeros: to skip those would change the answers.
    """
    decoder = model.config.get_text_config(decoder=True)
    parts = {name: part for part, name in SKIP_NAMES.items()}
    sites = []
    for block, overrides in layer_overrides(decoder).items():
        for name in overrides.get("skip", []):
            sites.append(Site(block, parts[name]))
    halves = find_blocks(model, blocks).halves
    for site in sites:
        if site in halves.by_site and not halves.by_site[site].is_zero:
            raise ModelError(f"{site} cannot be skipped: its weights are not zeros")
    skip_halves(halves, sites)
    return sorted(sites)
