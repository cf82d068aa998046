"""Call Molmo of September 2024 (MolmoE-1B, Molmo-7B) as all other models are called.

Its code lies in the checkpoint and was written for transformers 4.43. Its processor takes one
sample at a time through `process`. Its model is asked through `generate_from_batch`, takes -1 as
padding on the right, and hands keys and values on as tuples.
"""

import functools
from collections.abc import Callable

import torch
from PIL.Image import Image
from transformers import (
    GenerationConfig,
    GenerationMixin,
    PretrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.modeling_outputs import CausalLMOutputWithPast

PADDING = -1
# Inputs of the first step alone: images, and where each row's prompt ends.
FIRST_STEP_INPUTS = ("append_last_valid_logits", "images", "image_masks", "image_input_idx")

# What a step of `generate` hands to the model, by argument.
StepInputs = dict[str, object]


class MolmoProcessor:
    """Molmo's processor, called with several samples; it writes "User:" and "Assistant:" itself."""

    chat_template = None

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer

    def __call__(
        self, text: list[str], images: list[list[Image]] | None = None, **_: object
    ) -> dict[str, torch.Tensor]:
        """Return tensors (rows, ...) with one row per text; shorter rows are filled up.

        `images` holds the pictures of each text.
        """
        pictures = images or [[]] * len(text)
        # Each sample's tensors have no dimension for rows: input_ids (tokens,), images (crops,
        # patches, pixels), image_input_idx (crops, patches).
        samples: list[dict[str, torch.Tensor]] = [
            self.processor.process(text=prompt, images=shown or None)
            for prompt, shown in zip(text, pictures, strict=True)
        ]
        examples: dict[str, torch.Tensor] = {}
        for sample in samples:
            examples.update(sample)
        batch = {}
        for name, example in examples.items():
            no_crops = example[:0]  # for a sample without images in a batch with some
            batch[name] = stack_filled([sample.get(name, no_crops) for sample in samples])
        return batch


def stack_filled(rows: list[torch.Tensor]) -> torch.Tensor:
    """Stack tensors, each filled with PADDING up to the largest size in every dimension.

    Rows (a_i, b_i, ...) give a tensor (num_rows, max a_i, max b_i, ...).
    """
    sizes = torch.tensor([row.shape for row in rows])  # (rows, dimensions of a row)
    largest = sizes.amax(dim=0).tolist()
    stacked = rows[0].new_full((len(rows), *largest), PADDING)
    for target, row in zip(stacked, rows, strict=True):
        corner = tuple(slice(size) for size in row.shape)
        target[corner] = row
    return stacked


def adapt(config: PretrainedConfig, folder: str) -> None:
    """Make this transformers load the checkpoint's model class, if it is Molmo's.

    The class is changed, not an instance: `from_pretrained` makes the instance, and calls its
    `tie_weights` before anyone else sees it. The class comes from the checkpoint's code, so that
    no other model is affected.
    """
    class_name = (getattr(config, "auto_map", None) or {}).get("AutoModelForCausalLM")
    if not class_name:
        return
    model_class = get_class_from_dynamic_module(class_name, folder)
    if not hasattr(model_class, "generate_from_batch"):
        return
    model_class.generate = generate
    model_class.tie_weights = tie_weights
    model_class._supports_default_dynamic_cache = _supports_default_dynamic_cache
    model_class._update_model_kwargs_for_generation = _update_model_kwargs_for_generation
    model_class.prepare_inputs_for_generation = with_mask(model_class.prepare_inputs_for_generation)
    # Loading reads this. `post_init` sets it in other models; this one does not call it.
    model_class.all_tied_weights_keys = {}
    # A PreTrainedModel could generate by itself before transformers 4.50.
    if not issubclass(model_class, GenerationMixin):
        model_class.__bases__ += (GenerationMixin,)


def generate(
    model: PreTrainedModel, input_ids: torch.Tensor, max_new_tokens: int, **inputs: object
) -> torch.Tensor:
    """Return greedy answers behind the prompts: (rows, prompt tokens + new tokens).

    `input_ids`: (rows, prompt tokens). TypeError for ways of decoding that this model lacks.
    """
    # Stopping criteria and logits processors come as functions, and would be ignored.
    unsupported = [name for name, value in inputs.items() if callable(value)]
    if unsupported:
        raise TypeError(f"generate_from_batch does not take {', '.join(unsupported)}")
    batch = {"input_ids": input_ids}
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor):
            batch[name] = value
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        use_cache=True,
        eos_token_id=model.generation_config.eos_token_id,
        pad_token_id=model.generation_config.pad_token_id,
    )
    answers: torch.Tensor = model.generate_from_batch(batch, settings)
    return answers


def with_mask(prepare: Callable[..., StepInputs]) -> Callable[..., StepInputs]:
    """Wrap the model's preparation of a step: it needs an attention mask, even if all is seen.

    transformers leaves a mask out where it hides nothing.
    """

    @functools.wraps(prepare)
    def prepare_with_mask(
        model: PreTrainedModel, input_ids: torch.Tensor, *args: object, **kwargs: object
    ) -> StepInputs:
        """Add a mask that hides nothing: (rows, tokens), as `input_ids`."""
        if kwargs.get("attention_mask") is None:
            kwargs["attention_mask"] = torch.ones_like(input_ids)
        return prepare(model, input_ids, *args, **kwargs)

    return prepare_with_mask


def tie_weights(model: PreTrainedModel, *_: object, **__: object) -> None:
    """Do nothing: no weights are tied. The model's method lacks the arguments of today's calls."""


def _supports_default_dynamic_cache(*_: object) -> bool:
    """Return False: the model makes tuples of keys and values, and cannot use a cache object."""
    return False


def _update_model_kwargs_for_generation(
    model: PreTrainedModel,
    outputs: CausalLMOutputWithPast,
    model_kwargs: StepInputs,
    *_: object,
    **__: object,
) -> StepInputs:
    """Return the next step's inputs: one position on, the new keys and values, no images.

    The model's method calls a function that transformers 5 no longer has.
    """
    inputs = dict(model_kwargs)
    for name in FIRST_STEP_INPUTS:
        inputs.pop(name, None)
    positions = inputs.get("position_ids")
    if isinstance(positions, torch.Tensor):
        # (rows, tokens) -> (rows, 1). The last column may be padding: the largest is the last.
        inputs["position_ids"] = positions.max(dim=-1, keepdim=True).values + 1
    inputs["past_key_values"] = outputs.past_key_values
    return inputs
