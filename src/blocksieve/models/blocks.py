"""Find a model's decoder blocks, and name their kinds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from blocksieve.errors import ModelError

LIST_NAMES = ("layers", "h", "block", "blocks", "layer")
# What a block is called by the modules in it, where the config does not say; the first that fits.
KINDS_BY_MODULE = {
    "cross_attn": "cross-attention",
    "self_attn": "attention",
    "self_attention": "attention",
    "attn": "attention",
    "attention": "attention",
    "linear_attn": "linear attention",
    "mamba": "linear attention",
    "mixer": "linear attention",
    "conv": "convolution",
}
# What a config calls a kind, where it is not plain.
NAMES = {"full_attention": "attention", "conv": "convolution"}
EXPERTS = ("experts", "local_experts")


@dataclass(frozen=True)
class BlockList:
    """The decoder's blocks: the module that owns their list, the list's name in it, the list, its path in the model."""

    owner: nn.Module
    name: str
    blocks: nn.ModuleList
    path: str

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """One name a block, such as attention, sliding attention, linear attention, cross-attention, with MoE added."""
        config = getattr(self.owner, "config", None)
        types = getattr(config, "layer_types", None) or []
        types = [NAMES.get(kind, kind.replace("_", " ")) for kind in types]
        if len(types) != len(self.blocks):
            types = [_kind(block) for block in self.blocks]
        return tuple(
            kind + (" MoE" if _has_experts(block) else "")
            for kind, block in zip(types, self.blocks, strict=True)
        )


def find_blocks(model: Any, path: str | None = None) -> BlockList:
    """The block list of the text decoder: at `path`, or the shallowest list of a usual name below `get_decoder()`.

    In encoder-decoder models only lists below a module named `decoder` count. Where `get_decoder()` holds none (it may
    be no more than the head), the whole model is looked through. ModelError if there is none.
    """
    if path is not None:
        return _at(model, path)
    found = _shallowest(model, model.get_decoder()) or _shallowest(model, model)
    if found is None:
        raise ModelError(
            f"no decoder block list found in {type(model).__name__}; looked for {', '.join(LIST_NAMES)}; "
            "name it in the config: model.blocks"
        )
    return found


def _shallowest(model: Any, below: nn.Module) -> BlockList | None:
    names = {id(module): name for name, module in model.named_modules(remove_duplicate=False)}
    level: list[nn.Module] = [below]
    inside_decoder = "decoder" if getattr(model.config, "is_encoder_decoder", False) else ""
    while level:
        for module in level:
            for name, child in module.named_children():
                if name in LIST_NAMES and isinstance(child, nn.ModuleList):
                    found = f"{names[id(module)]}.{name}".lstrip(".")
                    if inside_decoder in found or inside_decoder in type(module).__name__.lower():
                        return BlockList(module, name, child, found)
        level = [child for module in level for child in module.children()]
    return None


def _at(model: nn.Module, path: str) -> BlockList:
    *_, name = path.split(".")
    modules = dict(model.named_modules(remove_duplicate=False))
    blocks = modules.get(path)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks):
        there = [
            f"{key} ({len(value)})"
            for key, value in modules.items()
            if isinstance(value, nn.ModuleList)
        ]
        raise ModelError(
            f"config: model.blocks: {path!r} is no list of modules in this model; it has {', '.join(there)}"
        )
    return BlockList(modules[path.rpartition(".")[0]], name, blocks, path)


def _kind(block: nn.Module) -> str:
    names = dict(block.named_children())
    return next(
        (kind for name, kind in KINDS_BY_MODULE.items() if name in names), type(block).__name__
    )


def _has_experts(block: nn.Module) -> bool:
    return any(name.rpartition(".")[2] in EXPERTS for name, _ in block.named_modules())
