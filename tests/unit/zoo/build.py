"""Build a tiny random model of a type, every block of which matters."""

import copy
import math
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

from zoo.types import HARDER, IMAGE_TEXT, QFORMER_SIZES, TEXT, TEXT_SIZES, TOKENS, VISION_SIZES


def make_model(name: str, seed: int = 0) -> Any:
    """A model in float32 and evaluation mode, whose answers have no end token."""
    torch.manual_seed(seed)
    auto = AutoModelForCausalLM if name in TEXT else AutoModelForImageTextToText
    model = randomised(auto.from_config(make_config(name)).float().eval(), seed)
    settings = model.generation_config
    settings.eos_token_id, settings.pad_token_id, settings.max_length, settings.do_sample = (
        None,
        0,
        None,
        False,
    )
    for forced in (
        "forced_bos_token_id",
        "forced_eos_token_id",
        "no_repeat_ngram_size",
        "suppress_tokens",
    ):
        setattr(settings, forced, None)
    return model


def make_config(name: str) -> Any:
    """The config of a type: its own, with small sizes and the type's row in the table."""
    wanted = copy.deepcopy({**IMAGE_TEXT, **HARDER, **TEXT}[name])
    kind = CONFIG_MAPPING[name.split(":")[0]]
    if name in TEXT:
        return shrunk(kind, TEXT_SIZES, wanted.get("top", {}))
    usual, values = kind(), {}
    for part in kind.sub_configs:
        own = wanted.get(part, {})
        sub = getattr(usual, part, None)
        sub_kind = CONFIG_MAPPING[own.pop("model_type")] if "model_type" in own else type(sub)
        if sub is None and name.startswith("gemma4") and part == "vision_config":
            sub_kind = CONFIG_MAPPING["gemma4_vision"]
        elif sub is None:
            continue
        text = part.startswith(("text", "decoder", "llm"))
        sizes = (
            TEXT_SIZES
            if text
            else QFORMER_SIZES
            if "qformer" in part or "perceiver" in part
            else VISION_SIZES
        )
        values[part] = shrunk(sub_kind, sizes, own)
    whole = (
        TOKENS
        if any(part.startswith(("text", "decoder")) for part in kind.sub_configs)
        else TEXT_SIZES | TOKENS
    )
    plain = {key: value for key, value in whole.items() if settable(usual, key)}
    return kind(**plain | values | wanted.get("top", {}))


def settable(config: Any, key: str) -> bool:
    """Whether a config has a value of this name that may be given to it."""
    try:
        known = hasattr(config, key)
    except RuntimeError:  # known, but not the same for all blocks
        known = True
    return known and not isinstance(getattr(type(config), key, None), property)


def shrunk(kind: type, sizes: dict[str, Any], wanted: dict[str, Any]) -> Any:
    """A config with these sizes as far as it knows them, a sliding window only where it has one, and what is wanted."""
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
                weight.copy_(
                    noise
                    * (
                        0.2
                        if "embed" in name and weight.dim() == 2
                        else 1 / math.sqrt(max(inputs, 1))
                    )
                )
            else:
                usual = torch.where(
                    weight.isfinite() & (weight.abs() < 10), weight, torch.ones_like(weight)
                )
                weight.copy_(
                    usual
                    + noise * (0.4 if weight.numel() == 1 and bool((weight == 0).all()) else 0.1)
                )
    return model
