"""What removing a site saves: its share of parameters, of FLOPs and of the KV cache.

All of it is told by a model without weights, which reads a few tokens on no device at all.
"""

import logging
from collections.abc import Iterable

import torch
from torch import nn
from transformers import DynamicCache, PreTrainedModel

from blocksieve.combination import Site, block_sites
from blocksieve.engine.attempt import attempt
from blocksieve.engine.generation import CACHE_ARGUMENT, empty_cache
from blocksieve.engine.work import Costs, measuring_costs
from blocksieve.errors import ModelError, name_and_first_line
from blocksieve.model_description import SiteShares
from blocksieve.models.blocks import BlockList

logger = logging.getLogger("blocksieve")

# Linear attention works in chunks of as many.
NUM_TOKENS = 64


def site_shares(empty: PreTrainedModel, block_list: BlockList) -> dict[str, SiteShares]:
    """Return for each block and each half what share removing it saves, by the site's name.

    `parameters`: of the whole model's. `flops`: of what all blocks take to read a prompt token, in
    a prompt of 64: the scores of attention, which grow with the prompt, hardly count. `kv_cache`:
    of what the cache holds per token. The last two are None where the model does not run without
    weights. `empty` takes another number format on the way.
    """
    num_parameters = _num_weights([empty])
    read = attempt(_read_tokens, empty, block_list)
    if isinstance(read, Exception):
        logger.warning(
            "shares of FLOPs and KV cache are unknown, since the model does not run without"
            " weights: %s",
            name_and_first_line(read),
        )
    shares: dict[str, SiteShares] = {}
    for site in [*block_sites(len(block_list.blocks)), *block_list.halves.sites]:
        modules = _modules(block_list, site)
        share: SiteShares = {
            "parameters": _num_weights(modules) / num_parameters,
            "flops": None,
            "kv_cache": None,
        }
        if not isinstance(read, Exception):
            costs, kept_numbers = read
            share["flops"] = _share(_flops(costs, site), sum(costs.blocks.values()))
            cached = 0 if site.part == "m" else kept_numbers[site.block]
            share["kv_cache"] = _share(cached, sum(kept_numbers))
        shares[str(site)] = share
    return shares


def _read_tokens(empty: PreTrainedModel, block_list: BlockList) -> tuple[Costs, list[int]]:
    """Return the FLOPs of blocks and halves, and how many numbers each block caches per token."""
    # The kernels that run experts, of which a token meets a few, know this format alone.
    empty.to(torch.bfloat16)
    decoder = block_list.owner
    blocks = dict(enumerate(block_list.blocks))
    halves = block_list.halves.modules(block_list.halves.sites)
    width = empty.config.get_text_config(decoder=True).hidden_size
    hidden = torch.zeros(
        1, NUM_TOKENS, width, dtype=torch.bfloat16, device="meta"
    )  # (rows, tokens, width)
    cache = empty_cache(empty)
    with torch.device("meta"), torch.no_grad(), measuring_costs(blocks, halves, {}, 1) as costs:
        decoder(inputs_embeds=hidden, use_cache=True, **{CACHE_ARGUMENT: cache})
    idle = blocks.keys() - costs.blocks.keys()
    if idle:
        raise ModelError(f"block {min(idle)} does nothing without images")
    return costs, _cached_numbers(cache, len(blocks))


def _cached_numbers(cache: DynamicCache, num_blocks: int) -> list[int]:
    """Return how many numbers each block caches for one token; states count for none."""
    numbers = [0] * num_blocks
    # Not strict: some caches have no layers for the last blocks.
    for block, layer in zip(range(num_blocks), cache.layers, strict=False):
        for states in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if states is not None:
                _, heads, _, width = states.shape  # (rows, heads, tokens, width)
                numbers[block] += heads * width
    return numbers


def _modules(block_list: BlockList, site: Site) -> Iterable[nn.Module]:
    if site.part:
        return block_list.halves.by_site[site].modules
    return [block_list.blocks[site.block]]


def _num_weights(modules: Iterable[nn.Module]) -> int:
    """Return how many parameters modules have, each counted once."""
    return sum(weight.numel() for weight in nn.ModuleList(modules).parameters())


def _flops(costs: Costs, site: Site) -> float:
    return costs.halves[site] if site.part else costs.blocks[site.block]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
