"""Compare two models without weights, module by module: whether one class stands for both."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from transformers import PreTrainedModel

from blocksieve.models.blocks import BlockList
from blocksieve.models.view import NUMBERS_INSIDE_BLOCK, SIBLING_LISTS

# Attributes that differ without any effect.
# An entry's comment names types of transformers 5.24 that have it.
UNREAD = (
    "training",
    "layer_num",  # blip: kept, and never read
    "store_full_length_kv",  # gemma3n, gemma4: for blocks that reuse keys and values
)
Plain = bool | int | float | str | None


def first_difference(
    evaluated: PreTrainedModel,
    stock: PreTrainedModel,
    block_path: str,
    num_blocks: int,
) -> str | None:
    """Return the first difference between a pruned copy of a model and what stock code builds.

    Classes, parameters and modules count everywhere; buffers and plain attributes count inside the
    blocks, which lie at `block_path`. `num_blocks` is how many the entire model has. None if there
    is no difference.
    """
    built_modules = dict(stock.named_modules())
    evaluated_modules = dict(evaluated.named_modules())
    inside = f"{block_path}."
    num_kept = len(evaluated.get_submodule(block_path))
    for path, module in evaluated_modules.items():
        built = built_modules.get(path)
        if built is None:
            return f"{path} would be missing"
        is_inside = path.startswith(inside)
        for difference in _differences(module, built, is_inside, num_blocks, num_kept):
            return f"{path or 'the model'} would {difference}"
    for path in built_modules:
        if path not in evaluated_modules:
            return f"{path} would be there, which it is not in what was evaluated"
    return None


def block_signatures(block_list: BlockList) -> list[str]:
    """Return a text for each block, equal where nothing but their place tells two blocks apart.

    It holds classes, shapes and plain attributes of the block, of the modules that lie beside it,
    and its entries in lists of the module that owns the blocks.
    """
    owner = block_list.owner
    num_blocks = len(block_list.blocks)
    lists = [block_list.blocks]
    lists += [owner._modules[name] for name in SIBLING_LISTS if name in owner._modules]
    entries = []
    for key, values in _plain_attributes(owner).items():
        if isinstance(values, (list, tuple)) and len(values) == num_blocks:
            entries.append((key, values))
    signatures = []
    for number in range(num_blocks):
        parts = [(key, values[number]) for key, values in entries]
        for modules in lists:
            parts += _module_signature(modules[number], number)
        signatures.append(repr(parts))
    return signatures


def _module_signature(block: nn.Module, number: int) -> Iterator[tuple[str, object]]:
    """Yield what tells a block from others; its own number, which a removal changes, does not."""
    for path, module in block.named_modules():
        plain = _plain_attributes(module)
        for name in NUMBERS_INSIDE_BLOCK:
            if plain.get(name) == number:
                del plain[name]
        yield path, type(module).__name__
        yield "parameters", _shapes(module._parameters)
        yield "buffers", _shapes(module._buffers)
        yield "attributes", sorted(plain.items())


def _differences(
    module: nn.Module, built: nn.Module, is_inside: bool, num_blocks: int, num_kept: int
) -> Iterator[str]:
    """Yield how a built module differs from the evaluated one, without what lies inside them."""
    name, built_name = type(module).__name__, type(built).__name__
    if name != built_name:
        yield f"be of class {built_name}, not {name}"
    built_shapes = _shapes(built._parameters)
    for key, shape in _shapes(module._parameters).items():
        built_shape = built_shapes.pop(key, None)
        if shape == built_shape:
            continue
        is_packed = packed_dimension(shape, built_shape, num_blocks, num_kept) is not None
        if is_inside or not is_packed:
            yield f"have {_described(key, built_shape)}, not {_described(key, shape)}"
    for key, built_shape in built_shapes.items():
        yield f"have {_described(key, built_shape)}, which is not there"
    if not is_inside:
        return
    shapes, built_shapes = _shapes(module._buffers), _shapes(built._buffers)
    if shapes != built_shapes:
        yield f"have buffers of shapes {built_shapes}, not {shapes}"
    values, built_values = _plain_attributes(module), _plain_attributes(built)
    for key in sorted(values.keys() | built_values.keys()):
        if values.get(key) != built_values.get(key):
            yield f"have {key} = {built_values.get(key)!r}, not {values.get(key)!r}"


def _described(key: str, shape: torch.Size | None) -> str:
    return f"no {key}" if shape is None else f"{key} of shape {tuple(shape)}"


def _shapes(tensors: Mapping[str, torch.Tensor | None]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in tensors.items() if tensor is not None}


def packed_dimension(
    shape: torch.Size, built_shape: torch.Size | None, num_blocks: int, num_kept: int
) -> int | None:
    """Return in which dimension a tensor holds a slice for each block, if it does.

    In gemma3n and gemma4 one embedding and one projection serve all blocks: of
    `num_blocks * width` columns or rows, `num_kept * width` are left.
    """
    if built_shape is None or len(shape) != len(built_shape):
        return None
    differing = [place for place, size in enumerate(shape) if size != built_shape[place]]
    if len(differing) != 1:
        return None
    dimension = differing[0]
    width, rest = divmod(shape[dimension], num_blocks)
    fits = rest == 0 and built_shape[dimension] == num_kept * width
    return dimension if fits else None


def _plain_attributes(module: nn.Module) -> dict[str, object]:
    """Return a module's attributes that are numbers, strings or flags, or lists of them."""
    plain: dict[str, object] = {}
    for key, value in vars(module).items():
        entries = value if isinstance(value, (list, tuple, set)) else [value]
        is_plain = all(isinstance(entry, Plain) for entry in entries)
        if is_plain and key not in UNREAD and not key.startswith("_"):
            plain[key] = value
    return plain
