"""Build a tiny random model of a type, every block of which matters."""

import copy
import math
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

from zoo.types import HARDER, IMAGE_TEXT, QFORMER_SIZES, TEXT, TEXT_SIZES, TOKENS, VISION_SIZES


def make_model(name: str, seed: int = 0, window: int | None = None) -> Any:
    """A model in float32 and evaluation mode, whose answers have no end token.

    `window`: in place of the type's sliding window or chunk of attention.
    """
    torch.manual_seed(seed)
    auto = AutoModelForCausalLM if name in TEXT else AutoModelForImageTextToText
    config = make_config(name)
    if window is not None:
        set_window(config, window)
    model = randomised(auto.from_config(config).float().eval(), seed)
    settings = model.generation_config
    settings.eos_token_id = None
    settings.pad_token_id = 0
    settings.max_length = None
    settings.do_sample = False
    for forced in (
        "forced_bos_token_id",
        "forced_eos_token_id",
        "no_repeat_ngram_size",
        "suppress_tokens",
    ):
        setattr(settings, forced, None)
    return model


def set_window(config: Any, window: int) -> None:
    """Change how many tokens the blocks with a window, or with attention in chunks, see."""
    decoder = config.get_text_config(decoder=True)
    for name in ("sliding_window", "attention_chunk_size"):
        if getattr(decoder, name, None) is not None:
            setattr(decoder, name, window)


def make_config(name: str) -> Any:
    """The config of a type: its own, with small sizes and the type's row in the table."""
    wanted = copy.deepcopy({**IMAGE_TEXT, **HARDER, **TEXT}[name])
    kind = CONFIG_MAPPING[name.split(":")[0]]
    if name in TEXT:
        return shrunk(kind, TEXT_SIZES, wanted.get("top", {}))
    usual, values = kind(), {}
    for part in kind.sub_configs:
        part_values = wanted.get(part, {})
        sub = getattr(usual, part, None)
        sub_kind = type(sub)
        if "model_type" in part_values:
            sub_kind = CONFIG_MAPPING[part_values.pop("model_type")]
        if sub is None and name.startswith("gemma4") and part == "vision_config":
            sub_kind = CONFIG_MAPPING["gemma4_vision"]
        elif sub is None:
            continue
        values[part] = shrunk(sub_kind, sizes_of(part), part_values)
    has_text_part = any(part.startswith(("text", "decoder")) for part in kind.sub_configs)
    top_sizes = TOKENS if has_text_part else TEXT_SIZES | TOKENS
    plain = {key: value for key, value in top_sizes.items() if settable(usual, key)}
    return kind(**plain | values | wanted.get("top", {}))


def sizes_of(part: str) -> dict[str, Any]:
    """Return the sizes of a sub-config, by its name."""
    if part.startswith(("text", "decoder", "llm")):
        return TEXT_SIZES
    if "qformer" in part or "perceiver" in part:
        return QFORMER_SIZES
    return VISION_SIZES


def settable(config: Any, key: str) -> bool:
    """Whether a config has a value of this name that may be given to it."""
    try:
        is_there = hasattr(config, key)
    except RuntimeError:  # it is there, but not the same for all blocks
        is_there = True
    return is_there and not isinstance(getattr(type(config), key, None), property)


def shrunk(kind: type, sizes: dict[str, Any], wanted: dict[str, Any]) -> Any:
    """Return a config with these sizes as far as it knows them, and with what is wanted.

    A sliding window only where it has one.
    """
    usual = kind()
    values = {key: value for key, value in sizes.items() if settable(usual, key)}
    if getattr(usual, "sliding_window", None) is None:
        values.pop("sliding_window", None)
    values |= wanted
    return kind(**{key: value for key, value in values.items() if value is not None})


def randomised(model: Any, seed: int) -> Any:
    """Weights of standard deviation 1/sqrt(inputs), gates that begin at zero opened."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() > 1:
                inputs = weight.shape[-1] if weight.dim() < 4 else weight[0].numel()
                is_embedding = "embed" in name and weight.dim() == 2
                scale = 0.2 if is_embedding else 1 / math.sqrt(max(inputs, 1))
                weight.copy_(noise * scale)
            else:
                is_usual = weight.isfinite() & (weight.abs() < 10)
                usual = torch.where(is_usual, weight, torch.ones_like(weight))
                is_closed_gate = weight.numel() == 1 and bool((weight == 0).all())
                scale = 0.4 if is_closed_gate else 0.1
                weight.copy_(usual + noise * scale)
    return model
