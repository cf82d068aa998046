"""How a model's positions bound the ways of answering: learnt ones, and those that mind lengths."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from blocksieve.engine.generation import narrowest_window
from blocksieve.engine.inputs import Batch
from blocksieve.engine.prefixes import Prefix

# Rotary embeddings that turn a token by the same angle however long the batch is. All others, such
# as `dynamic` and `longrope`, are taken to depend on it.
CONSTANT_KINDS = ("default", "linear", "yarn", "llama3", "proportional", "mrope", "axial")
# Kinds that depend on the length of a pass, but remember none from an earlier pass.
FORGETFUL_KINDS = ("longrope", "su")
ROPE_SETTINGS = ("rope_parameters", "rope_scaling")
LENGTHS = ("original_max_position_embeddings", "max_position_embeddings")


@dataclass(frozen=True)
class LengthDependence:
    """Rotary embeddings that are the same for all batches of up to `limit` tokens, not beyond.

    `remembers`: whether a pass depends on the lengths of passes before it.
    """

    limit: int
    remembers: bool


def most_positions(model: PreTrainedModel) -> int | None:
    """Return how many positions the decoder has learnt or was made for; None if it names none."""
    config = model.config.get_text_config(decoder=True)
    positions: int | None = getattr(config, "max_position_embeddings", None)
    return positions


def num_places(batch: Batch) -> int:
    """Return how many places a prompt of the batch takes in any way: padding and gaps count."""
    ids = batch.inputs["input_ids"]  # (rows, width)
    width = int(ids.shape[1])
    if batch.prefix is None:
        return width
    rest_width = int(batch.prefix.rest.shape[1])
    return max(width, batch.prefix.length + rest_width)


def usable_prefix(model: PreTrainedModel, batch: Batch, max_new_tokens: int) -> Prefix | None:
    """Return a batch's common prefixes, unless a window would slide past their start.

    A sliding window counts the gap between a prefix and what follows it as if tokens stood there,
    which is right only where it reaches back over all of them. So does attention within chunks.
    """
    if batch.prefix is None:
        return None
    window = narrowest_window(model)
    needed = num_places(batch) + max_new_tokens
    return batch.prefix if window is None or needed < window else None


def length_dependence(model: PreTrainedModel) -> LengthDependence | None:
    """Return how a model's rotary embeddings depend on lengths; None if they do not."""
    kinds: set[str] = set()
    limits: list[int] = []
    for config in _configs(model.config):
        for settings in _rope_settings(config):
            kind = settings.get("rope_type", settings.get("type", "default"))
            if kind in CONSTANT_KINDS:
                continue
            kinds.add(str(kind))
            candidates = [settings.get(name) for name in LENGTHS]
            candidates += [getattr(config, name, None) for name in LENGTHS]
            lengths = [length for length in candidates if isinstance(length, int)]
            limits.append(min(lengths, default=0))
    if not kinds:
        return None
    return LengthDependence(min(limits), remembers=not kinds.issubset(FORGETFUL_KINDS))


def _configs(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    """Yield a config and those inside it, except those of encoders of images and sounds."""
    yield config
    for name, value in vars(config).items():
        is_encoder = "vision" in name or "audio" in name
        if isinstance(value, PretrainedConfig) and not is_encoder:
            yield from _configs(value)


def _rope_settings(config: PretrainedConfig) -> Iterator[Mapping[str, object]]:
    """Yield the settings of rotary embeddings, of each kind of block where they differ."""
    for name in ROPE_SETTINGS:
        settings = getattr(config, name, None)
        if not isinstance(settings, Mapping):
            continue
        by_kind = [value for value in settings.values() if isinstance(value, Mapping)]
        yield from by_kind or [settings]


@contextmanager
def rotary_state_kept(model: PreTrainedModel) -> Iterator[None]:
    """Undo what passes leave on the modules of rotary embeddings that depend on lengths.

    Some keep the longest length that they have seen, which a model just loaded has not.
    """
    if length_dependence(model) is None:
        yield
        return
    states = []
    for module in model.modules():
        if _is_rotary(module):
            states.append((module, dict(vars(module)), _copied_buffers(module)))
    try:
        yield
    finally:
        for module, attributes, buffers in states:
            vars(module).clear()
            vars(module).update(attributes)
            vars(module)["_buffers"] = buffers


def _is_rotary(module: nn.Module) -> bool:
    name = type(module).__name__.lower()
    return "rotary" in name or "rope" in name or hasattr(module, "max_seq_len_cached")


def _copied_buffers(module: nn.Module) -> dict[str, object]:
    """Return copies of a module's own buffers, since they may be written to in place."""
    buffers = {}
    for name, value in module._buffers.items():
        buffers[name] = None if value is None else value.clone()
    return buffers
