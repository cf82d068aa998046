"""Find a model's decoder blocks, and name their kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import nn
from transformers import PreTrainedModel

from blocksieve.errors import ModelError
from blocksieve.models.halves import Halves, find_halves

LIST_NAMES = (
    "layers",  # llama, and most others
    "h",  # gpt2, bloom, falcon
    "block",  # t5, udop
    "blocks",  # mpt, dbrx
    "layer",  # bert, git
)
# A module directly inside a block gives the block's kind where the config does not; first match.
# Cross-attention comes first, because its blocks may hold self-attention, too.
KINDS_BY_MODULE = {
    "cross_attn": "cross-attention",  # mllama
    "self_attn": "attention",  # llama, and most others
    "self_attention": "attention",  # bloom, falcon
    "attn": "attention",  # gpt2, mpt
    "attention": "attention",  # gpt_neox, bert, git
    "linear_attn": "linear attention",  # qwen3_next
    "mamba": "linear attention",  # bamba, jamba
    "mixer": "linear attention",  # mamba, nemotron_h
    "conv": "convolution",  # lfm2
}
# Our names of entries of a config's `layer_types` that need more than a blank for each underscore.
KINDS_BY_LAYER_TYPE = {"full_attention": "attention", "conv": "convolution"}
EXPERTS = ("experts", "local_experts")


@dataclass(frozen=True)
class BlockList:
    """The decoder's list of blocks, and where it lies: `owner.<name>`, `path` from the model."""

    owner: nn.Module
    name: str
    blocks: nn.ModuleList
    path: str

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each block, such as `attention` or `linear attention MoE`."""
        kinds = self._configured_kinds() or [_kind(block) for block in self.blocks]
        return tuple(
            f"{kind} MoE" if _has_experts(block) else kind
            for kind, block in zip(kinds, self.blocks, strict=True)
        )

    @cached_property
    def halves(self) -> Halves:
        """The halves of the blocks, and why a block has none."""
        return find_halves(self.blocks)

    def _configured_kinds(self) -> list[str]:
        """Return the kinds by the owner's config; empty if it does not name one for each block."""
        config = getattr(self.owner, "config", None)
        layer_types: list[str] = getattr(config, "layer_types", None) or []
        if len(layer_types) != len(self.blocks):
            return []
        return [
            KINDS_BY_LAYER_TYPE.get(layer_type, layer_type.replace("_", " "))
            for layer_type in layer_types
        ]


def find_blocks(model: PreTrainedModel, path: str | None = None) -> BlockList:
    """Return the text decoder's block list: at `path`, or the shallowest list of a usual name.

    The search starts at `get_decoder()`, and goes through the entire model if that holds no list:
    for some models it returns the head alone. In an encoder-decoder model only lists below a module
    named `decoder` count. ModelError if there is none.
    """
    if path is not None:
        return _at(model, path)
    block_list = _shallowest(model, model.get_decoder()) or _shallowest(model, model)
    if block_list is None:
        raise ModelError(
            f"no decoder block list found in {type(model).__name__}; "
            f"looked for {', '.join(LIST_NAMES)}; name it in the config: model.blocks"
        )
    return block_list


def _shallowest(model: PreTrainedModel, root: nn.Module) -> BlockList | None:
    # A module may be reached by two paths; the last counts.
    paths = {id(module): path for path, module in model.named_modules(remove_duplicate=False)}
    is_encoder_decoder = getattr(model.config, "is_encoder_decoder", False)
    for owner, name, blocks in _lists_by_depth(root):
        path = f"{paths[id(owner)]}.{name}".lstrip(".")
        class_name = type(owner).__name__.lower()
        in_decoder = "decoder" in path or "decoder" in class_name
        if in_decoder or not is_encoder_decoder:
            return BlockList(owner, name, blocks, path)
    return None


def _lists_by_depth(root: nn.Module) -> Iterator[tuple[nn.Module, str, nn.ModuleList]]:
    """Yield (owner, name, list) of every module list of a usual name, the shallowest first."""
    level = [root]
    while level:
        for owner in level:
            for name, child in owner.named_children():
                if name in LIST_NAMES and isinstance(child, nn.ModuleList):
                    yield owner, name, child
        level = [child for module in level for child in module.children()]


def _at(model: PreTrainedModel, path: str) -> BlockList:
    # A module may be reached by two paths; either may be named.
    modules = dict(model.named_modules(remove_duplicate=False))
    blocks = modules.get(path)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks):
        lists = [
            f"{list_path} ({len(module)})"
            for list_path, module in modules.items()
            if isinstance(module, nn.ModuleList)
        ]
        raise ModelError(
            f"config: model.blocks: {path!r} is no list of modules in this model; "
            f"it has {', '.join(lists)}"
        )
    owner_path, _, name = path.rpartition(".")
    return BlockList(modules[owner_path], name, blocks, path)


def _kind(block: nn.Module) -> str:
    names = {name for name, _ in block.named_children()}
    for name, kind in KINDS_BY_MODULE.items():
        if name in names:
            return kind
    return type(block).__name__


def _has_experts(block: nn.Module) -> bool:
    for path, _ in block.named_modules():
        name = path.rpartition(".")[2]
        if name in EXPERTS:
            return True
    return False
