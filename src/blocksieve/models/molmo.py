"""Molmo of September 2024 (MolmoE-1B, Molmo-7B): its code lies in the checkpoint and was written for transformers 4.43.

Its processor takes one sample at a time through `process`; its model is asked through `generate_from_batch`, marks
padding by -1 on the right and hands keys and values on as tuples. Here both are called as those of all other models.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.dynamic_module_utils import get_class_from_dynamic_module

PADDING = -1


class MolmoProcessor:
    """Molmo's processor, called with texts and images of several samples; it puts "User:" and "Assistant:" around."""

    chat_template = None

    def __init__(self, processor: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer

    def __call__(
        self, text: list[str], images: list[list[Any]] | None = None, **_: Any
    ) -> dict[str, torch.Tensor]:
        """Tensors with a row a text, shorter rows and rows with fewer crops filled up."""
        shown: list[Any] = [pictures or None for pictures in images or [[]] * len(text)]
        made = [
            self.processor.process(text=one, images=pictures)
            for one, pictures in zip(text, shown, strict=True)
        ]
        like = {name: value for row in made for name, value in row.items()}
        return {name: filled([row.get(name, like[name][:0]) for row in made]) for name in like}


def filled(rows: list[torch.Tensor]) -> torch.Tensor:
    """Tensors of as many dimensions as one, each filled up to the largest in every dimension."""
    shape = [max(sizes) for sizes in zip(*(row.shape for row in rows), strict=True)]
    whole = rows[0].new_full((len(rows), *shape), PADDING)
    for place, row in enumerate(rows):
        whole[(place, *map(slice, row.shape))] = row
    return whole


def adapt(own: Any, folder: str) -> None:
    """If the checkpoint's own code is such a model, let this transformers load it and `generate` ask it."""
    name = (getattr(own, "auto_map", None) or {}).get("AutoModelForCausalLM")
    model_class: Any = get_class_from_dynamic_module(name, folder) if name else None
    if hasattr(model_class, "generate_from_batch"):
        for function in (
            generate,
            tie_weights,
            _supports_default_dynamic_cache,
            _update_model_kwargs_for_generation,
        ):
            setattr(model_class, function.__name__, function)
        model_class.prepare_inputs_for_generation = with_mask(
            model_class.prepare_inputs_for_generation
        )
        model_class.all_tied_weights_keys = {}  # set by post_init, which it does not call
        if not issubclass(model_class, GenerationMixin):
            model_class.__bases__ += (GenerationMixin,)


def generate(
    model: Any, input_ids: torch.Tensor, max_new_tokens: int, **batch: Any
) -> torch.Tensor:
    """Greedy answers behind the prompts. TypeError for ways of decoding that this model does not offer."""
    unknown = [name for name, value in batch.items() if callable(value)]
    if unknown:
        raise TypeError(f"generate_from_batch does not take {', '.join(unknown)}")
    tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
    usual = model.generation_config
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        use_cache=True,
        eos_token_id=usual.eos_token_id,
        pad_token_id=usual.pad_token_id,
    )
    answers: torch.Tensor = model.generate_from_batch({"input_ids": input_ids, **tensors}, settings)
    return answers


def with_mask(prepare: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Its preparation of a step, with the attention mask that transformers leaves out where it hides nothing."""

    @functools.wraps(prepare)
    def call(model: Any, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if kwargs.get("attention_mask") is None:
            kwargs["attention_mask"] = torch.ones_like(input_ids)
        return prepare(model, input_ids, *args, **kwargs)

    return call


def tie_weights(model: Any, *_: Any, **__: Any) -> None:
    """Nothing is tied; the original takes none of the arguments that it is called with now."""


def _supports_default_dynamic_cache(*_: Any) -> bool:
    """No: it makes its own tuples of keys and values."""
    return False


def _update_model_kwargs_for_generation(
    model: Any, outputs: Any, model_kwargs: dict[str, Any], *_: Any, **__: Any
) -> dict[str, Any]:
    """After a step: go on behind the last position, from the new keys and values, without the images."""
    first_only = ("append_last_valid_logits", "images", "image_masks", "image_input_idx")
    kept = {name: value for name, value in model_kwargs.items() if name not in first_only}
    if kept.get("position_ids") is not None:
        kept["position_ids"] = kept["position_ids"].max(-1, keepdim=True).values + 1
    return kept | {"past_key_values": outputs.past_key_values}
