"""Turn samples into a model's input tensors, through its processor and chat template."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin

from blocksieve.datasets.prompts import render_prompt
from blocksieve.engine.prefixes import Inputs, Prefix, find_prefix
from blocksieve.models.loading import LoadedModel

SampleRow: TypeAlias = Mapping[str, Any]
"""A row of a dataset's table: `sample_id`, `question`, `choices`, `images` as encoded bytes, ..."""
Processor: TypeAlias = ProcessorMixin | PreTrainedTokenizerBase
"""What turns texts and images into tensors; a text model has a tokenizer alone."""


def render(processor: Processor, template: str | None, text: str, num_images: int) -> str:
    """Return what a model is given to continue: the prompt `text`, with its images before it.

    By the chat template of the processor, as one user turn; or by a plain `template` with {images}
    and {prompt}, the config's `model.prompt`. Without either, the images and the bare prompt.
    """
    if uses_chat_template(processor, template):
        return _chat_prompt(processor, text, num_images)
    if template is None:
        template = "{images}{prompt}"
    image_token = getattr(processor, "image_token", "")
    with_images = template.replace("{images}", image_token * num_images)
    # The prompt last: it may hold {images} itself.
    return with_images.replace("{prompt}", text)


def _chat_prompt(processor: Processor, text: str, num_images: int) -> str:
    parts = [{"type": "image"}] * num_images
    parts.append({"type": "text", "text": text})
    # The templates of text models take no parts.
    content = parts if num_images else text
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=False,
        add_generation_prompt=True,
    )
    return str(prompt)


def uses_chat_template(processor: Processor, template: str | None) -> bool:
    """Whether prompts go through the processor's chat template."""
    if template is not None:
        return False
    return getattr(processor, "chat_template", None) is not None


@dataclass(frozen=True)
class Batch:
    """Some samples as a model takes them: left-padded tensors, one row per sample.

    `prefix`: what their prompts begin with in common; None if sharing it saves nothing. At most
    `most_rows` of different combinations are decoded together, or as many as there are samples.
    """

    inputs: Inputs
    prefix: Prefix | None = None
    most_rows: int = 64

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return len(self.inputs["input_ids"])

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, padding included."""
        ids = self.inputs["input_ids"]  # (rows, width)
        return int(ids.numel())

    @property
    def distinct_prompt_tokens(self) -> int:
        """The same, common prefixes counted once."""
        if self.prefix is None:
            return self.prompt_tokens
        prefix_ids = self.prefix.inputs["input_ids"]  # (groups, prefix length)
        rest = self.prefix.rest  # (rows, rest width)
        return int(prefix_ids.numel() + rest.numel())

    @property
    def distinct_images(self) -> float:
        """The share of the samples' images that are not seen before in the batch."""
        if self.prefix is None:
            return 1.0
        return self.prefix.num_groups / self.rows


def make_batch(loaded: LoadedModel, rows: Sequence[SampleRow], prompt: str) -> Batch:
    """Turn dataset rows into a batch on the model's device."""
    inputs = make_inputs(loaded, rows, prompt)
    by_images: dict[tuple[bytes, ...], list[int]] = {}
    for number, row in enumerate(rows):
        images = tuple(row["images"])
        by_images.setdefault(images, []).append(number)
    nothing_shared = len(by_images) == len(rows)
    # An encoder sees the whole prompt at once, so that it has no beginning that stands alone.
    if nothing_shared or loaded.model.config.is_encoder_decoder:
        return Batch(inputs)
    image_token = getattr(loaded.model.config, "image_token_id", None)
    if image_token is None and any(by_images):
        return Batch(inputs)  # no telling whether all of an image lies in a prefix
    groups = list(by_images.values())
    first_rows = [rows[group[0]] for group in groups]
    firsts = make_inputs(loaded, first_rows, prompt)
    prefix = find_prefix(inputs, firsts, groups, image_token)
    return Batch(inputs, prefix)


def make_probe(loaded: LoadedModel, rows: Sequence[SampleRow], prompt: str) -> Batch:
    """Return a batch of samples to check an engine with."""
    return make_batch(loaded, probe_rows(rows), prompt)


def probe_rows(rows: Sequence[SampleRow], size: int = 4) -> list[SampleRow]:
    """Return samples to check an engine with, whose questions differ as much in length as can be.

    The longest comes first and the shortest last. Two each are asked about one sample's images, so
    that prefixes are tried too.
    """
    by_length = sorted(rows, key=_question_length)
    shortest, longest = 0, len(by_length) - 1
    # The longest sets the padding of all, so that it is in a probe of any size.
    positions = [longest]
    if size > 2:
        thirds = [longest // 3, 2 * longest // 3]
        positions += thirds[: size - 2]
    if size > 1:
        positions.append(shortest)
    probe = [by_length[position] for position in positions]
    image_counts = {len(row["images"]) for row in probe}
    if len(image_counts) > 1:
        # A question may count its images: it keeps them.
        return probe
    return _pair_up_images(probe)


def _question_length(row: SampleRow) -> int:
    return len(row["question"])


def _pair_up_images(rows: Sequence[SampleRow]) -> list[SampleRow]:
    """Give every second row the images of the row before it."""
    paired: list[SampleRow] = []
    for position, row in enumerate(rows):
        first_of_pair = rows[position - position % 2]
        images = first_of_pair["images"]
        paired.append({**row, "images": images})
    return paired


def make_inputs(loaded: LoadedModel, rows: Sequence[SampleRow], prompt: str) -> Inputs:
    """Return padded input tensors of dataset rows, on the model's device, images in its dtype."""
    inputs = process(loaded.processor, loaded.prompt, rows, prompt)
    on_device = {}
    for name, value in inputs.items():
        # Pixels alone are floating point; token ids must stay whole numbers.
        dtype = loaded.model.dtype if value.is_floating_point() else None
        on_device[name] = value.to(loaded.device, dtype)
    return on_device


def process(
    processor: Processor, template: str | None, rows: Sequence[SampleRow], prompt: str
) -> Inputs:
    """Return input tensors of dataset rows as a processor makes them, padded on its side."""
    texts, images = [], []
    for row in rows:
        text = render_prompt(prompt, row["question"], row["choices"])
        texts.append(render(processor, template, text, len(row["images"])))
        images.append([_read_image(data) for data in row["images"]])
    options: dict[str, object] = {"padding": True, "return_tensors": "pt"}
    if any(images):
        options["images"] = images
    if uses_chat_template(processor, template):
        options["add_special_tokens"] = False  # the template has written them
    features: BatchFeature = processor(text=texts, **options)
    # Labels would tell PaliGemma that it is being trained.
    return {
        name: value
        for name, value in features.items()
        if isinstance(value, torch.Tensor) and name != "labels"
    }


def _read_image(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    return image.convert("RGB")
