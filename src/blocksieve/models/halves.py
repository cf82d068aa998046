"""Halves of blocks: find a block's token mixer and channel mixer, skip them, or zero their weights.

A removed half adds nothing to the residual stream. Names say which modules a half may be. Whether
a block is its input plus two halves, only a run can say: see `engine/residual.py`.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import CacheLayerMixin, LinearAttentionLayer

from blocksieve.combination import HALF_NAMES, Part, Site
from blocksieve.errors import ModelError

# Modules directly inside a block; a half is all of them that are there.
NAMES: dict[Part, tuple[str, ...]] = {
    "a": (
        "self_attn",  # llama, and most others
        "self_attention",  # bloom, falcon
        "attention",  # gpt_neox
        "attn",  # gpt2, mpt
        "cross_attn",  # mllama
        "linear_attn",  # qwen3_next
        "mamba",  # bamba, jamba
        "conv",  # lfm2
    ),
    "m": (
        "mlp",  # llama, and most others
        "feed_forward",  # lfm2, llama4, jamba
        "ffn",  # mpt, kosmos-2
        "block_sparse_moe",  # granitemoe
        "shared_mlp",  # granitemoeshared, beside its experts
        "fc1",  # opt: two linear layers and an activation between them
        "fc2",
    ),
}

Forward = Callable[..., object]


@dataclass(frozen=True)
class Outline:
    """What a module of a half returns: a tensor of so many numbers per token, first in a tuple.

    `num_returned`: how many values the tuple has; None for a tensor alone. `is_flat`: whether the
    tokens of all rows stand in one dimension.
    """

    width: int
    num_returned: int | None
    is_flat: bool

    def nothing_added(self, call: "Call") -> object:
        """Return what the module would return if it added nothing; what is not added is None."""
        unchanged = call.residual
        if unchanged is None:
            unchanged = call.hidden.new_zeros(*call.hidden.shape[:-1], self.width)
        if self.is_flat:
            unchanged = unchanged.reshape(-1, self.width)
        return with_first(unchanged, self.num_returned)


@dataclass(frozen=True)
class Call:
    """What a module of a half is called with.

    `hidden`: the hidden states (rows, tokens, width). `residual`: what the module adds its output
    to by itself, where it does (bloom, mpt). `caches`: those among the arguments.
    """

    hidden: torch.Tensor
    residual: torch.Tensor | None
    caches: tuple[Cache, ...]

    @classmethod
    def of(cls, forward: Forward, args: tuple[object, ...], kwargs: Mapping[str, object]) -> "Call":
        """Find them among the arguments; the hidden states are the first tensor."""
        named = inspect.signature(forward).bind(*args, **kwargs).arguments
        values = [*args, *kwargs.values()]
        hidden = kwargs.get("hidden_states")
        if hidden is None:
            hidden = next(value for value in values if isinstance(value, torch.Tensor))
        caches = tuple(value for value in values if isinstance(value, Cache))
        return cls(hidden, named.get("residual"), caches)


class HalfModule(NamedTuple):
    """Names a module of a half: most halves have one, number 0."""

    site: Site
    number: int


@dataclass
class Half:
    """One half of a block, and what each of its modules is known to return."""

    site: Site
    modules: tuple[nn.Module, ...]
    outlines: dict[int, Outline] = field(default_factory=dict)  # by number of the module

    def submodules(self) -> Iterator[nn.Module]:
        """Yield its modules, and all inside them."""
        for module in self.modules:
            yield from module.modules()

    def weights(self) -> Iterator[nn.Parameter]:
        """Yield all its weights."""
        for module in self.modules:
            yield from module.parameters()

    @property
    def num_weights(self) -> int:
        """How many numbers its weights hold."""
        return sum(weight.numel() for weight in self.weights())

    @property
    def is_zero(self) -> bool:
        """Whether all its weights are 0."""
        return not any(bool(weight.any()) for weight in self.weights())

    def skipped_forwards(self, position: int) -> Iterator[tuple[nn.Module, Forward]]:
        """Yield each module with a forward that answers zeros in its place.

        `position`: of the block among those that run, which is that of its layer in the cache.
        """
        for number, module in enumerate(self.modules):
            yield module, self.skipping(number, module.forward, position)

    def skipping(self, number: int, forward: Forward, position: int) -> Forward:
        """Return a forward for one of its modules that adds nothing; see `skipped_forwards`."""

        @functools.wraps(forward)
        def skip(*args: object, **kwargs: object) -> object:
            """Add nothing, and let the cache count the tokens."""
            call = Call.of(forward, args, kwargs)
            if number not in self.outlines:
                # The first call runs, to see what it returns; what it writes to the cache counts.
                output = forward(*args, **kwargs)
                self.outlines[number] = _outline(output, call.hidden)
            elif self.site.part == "a" and number == 0:
                for cache in call.caches:
                    _count_tokens(cache, position, call.hidden)
            return self.outlines[number].nothing_added(call)

        return skip


@dataclass
class Halves:
    """The halves of a model's blocks, and why a block has none, by its number.

    `checked`: whether a run has shown that a block is its input plus its halves.
    """

    by_site: dict[Site, Half] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    checked: bool = False

    def refusal(self, site: Site) -> str | None:
        """Return why a half cannot be removed; None if nothing speaks against it."""
        return self.reasons.get(site.block)

    @property
    def sites(self) -> list[Site]:
        """The halves that can be removed, in order."""
        return [site for site in sorted(self.by_site) if site.block not in self.reasons]

    def modules(self, sites: Iterable[Site]) -> dict[HalfModule, nn.Module]:
        """Return the modules of halves."""
        modules = {}
        for site in sites:
            for number, module in enumerate(self.by_site[site].modules):
                modules[HalfModule(site, number)] = module
        return modules

    @property
    def first_reason(self) -> str:
        """Why the first block without halves has none; some block has none."""
        return self.reasons[min(self.reasons)]

    def refuse(self, block: int, reason: str) -> None:
        """Refuse both halves of a block from now on."""
        self.reasons.setdefault(block, reason)


def find_halves(blocks: nn.ModuleList) -> Halves:
    """Find both halves of each block by the names of the modules inside it.

    A block with one of them alone is refused, since what is left of it cannot be told apart.
    """
    halves = Halves()
    owners: dict[int, int] = {}  # the block in which a module came first
    for number, block in enumerate(blocks):
        children = dict(block.named_children())
        for part, names in NAMES.items():
            modules = tuple(children[name] for name in names if name in children)
            if not modules:
                halves.refuse(
                    number,
                    f"block {number} has no {HALF_NAMES[part]} of its own:"
                    f" a {type(block).__name__} holds {', '.join(children)}",
                )
            for module in modules:
                first = owners.setdefault(id(module), number)
                if first != number:
                    halves.refuse(number, f"block {number} shares a half with block {first}")
                    halves.refuse(first, f"block {first} shares a half with block {number}")
            site = Site(number, part)
            halves.by_site[site] = Half(site, modules)
    return halves


def skip_halves(halves: Halves, sites: Iterable[Site]) -> None:
    """Let a model of its own skip halves for good; sites are numbered as its blocks are.

    ModelError if a half is not there.
    """
    for site in sites:
        reason = halves.refusal(site)
        if reason is not None:
            raise ModelError(f"{site} cannot be skipped: {reason}")
        for module, skip in halves.by_site[site].skipped_forwards(site.block):
            module.forward = skip


def zero_weights(halves: Iterable[Half]) -> None:
    """Put zeros in place of all parameters of the halves; the old tensors stay as they are.

    ModelError for weights that are packed into integers, of which 0 may stand for another number.
    """
    for half in halves:
        for module in half.submodules():
            for name, weight in list(module.named_parameters(recurse=False)):
                if not weight.is_floating_point():
                    raise ModelError(f"half {half.site} has weights of {weight.dtype}")
                zeros = torch.zeros_like(weight)
                module.register_parameter(name, nn.Parameter(zeros, weight.requires_grad))


def first_tensor(output: object) -> torch.Tensor:
    """Return what a half or a block gives: its output, or the first of several; else ModelError."""
    first = output[0] if isinstance(output, tuple) and output else output
    if not isinstance(first, torch.Tensor):
        raise ModelError(f"a half of a block returns a {type(output).__name__}")
    return first


def with_first(first: torch.Tensor, num_returned: int | None) -> object:
    """Return a tensor as the first of so many values, the others None; or alone."""
    if num_returned is None:
        return first
    return (first, *[None] * (num_returned - 1))


def added_where(mask: torch.Tensor, output: object, call: Call) -> object:
    """Return a module's output for the rows of a mask (rows,); to the others it adds nothing."""
    added = first_tensor(output)  # (rows, tokens, width), or flat: (rows * tokens, width)
    mask = mask.to(added.device).repeat_interleave(len(added) // len(mask))
    while mask.dim() < added.dim():
        mask = mask.unsqueeze(-1)
    unchanged = torch.zeros_like(added) if call.residual is None else call.residual
    # Not multiplied: what other rows' caches lack may give numbers that are none.
    kept = torch.where(mask, added, unchanged)
    return (kept, *output[1:]) if isinstance(output, tuple) else kept


def _outline(output: object, hidden: torch.Tensor) -> Outline:
    """Return what a half returns, from one output; ModelError if it cannot be foretold."""
    changed = first_tensor(output)
    *places, width = changed.shape
    expected = list(hidden.shape[:-1])  # [rows, tokens]
    if places not in (expected, [math.prod(expected)]):
        raise ModelError(
            f"a half of a block turns {tuple(hidden.shape)} into {tuple(changed.shape)}"
        )
    num_returned = len(output) if isinstance(output, tuple) else None
    return Outline(width, num_returned, is_flat=places != expected)


def _count_tokens(cache: Cache, position: int, hidden: torch.Tensor) -> None:
    """Let a cache count tokens that a skipped attention did not read, as zeros.

    Masks and positions come from how many tokens a layer holds. `hidden`: (rows, tokens, width).
    """
    if isinstance(cache, EncoderDecoderCache):
        cache = cache.self_attention_cache
    makes_layers = cache.layer_class_to_replicate is not None
    if not makes_layers and position >= len(cache.layers):
        return  # the block caches nothing
    layer = cache.layers[position] if position < len(cache.layers) else None
    if type(layer) is LinearAttentionLayer:
        return  # states of convolutions and scans count no tokens
    num_rows, num_tokens = hidden.shape[:2]
    shapes = [(num_rows, heads, num_tokens, width) for heads, width in _heads_and_widths(layer)]
    keys, values = (hidden.new_zeros(shape) for shape in shapes)
    cache.update(keys, values, position)


def _heads_and_widths(layer: CacheLayerMixin | None) -> list[tuple[int, int]]:
    """Return heads and width of a layer's keys and values; one of each where it holds none yet."""
    if layer is None or not layer.is_initialized:
        return [(1, 1), (1, 1)]
    return [(states.shape[1], states.shape[-1]) for states in (layer.keys, layer.values)]
