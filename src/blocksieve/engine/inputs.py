"""Turn samples into a model's input tensors, through its processor and chat template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from transformers import BatchFeature

from blocksieve.datasets.pictures import open_picture
from blocksieve.datasets.prompts import render_prompt
from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.prefixes import Inputs, Prefix, find_prefix
from blocksieve.errors import ModelError
from blocksieve.models.chat import has_special_tokens, render, takes_text_alone
from blocksieve.models.loading import LoadedModel
from blocksieve.models.processor import Processor

if TYPE_CHECKING:  # the engine runs where only torch and transformers are installed
    import polars as pl


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


def sample_rows(samples: "pl.DataFrame") -> list[SampleRow]:
    """Return the rows of a dataset's table."""
    return cast(list[SampleRow], samples.to_dicts())


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
        first = position - position % 2
        images = rows[first]["images"]
        with_images: SampleRow = {**row, "images": images}
        paired.append(with_images)
    return paired


def make_inputs(loaded: LoadedModel, rows: Sequence[SampleRow], prompt: str) -> Inputs:
    """Return padded input tensors of dataset rows, on the model's device, images in its dtype."""
    inputs = process(loaded.processor, loaded.prompt, rows, prompt)
    check_length(loaded, inputs)
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
    texts = [write_prompt(processor, template, row, prompt) for row in rows]
    images = []
    for row in rows:
        images.append([open_picture(data) for data in row["images"]])
    options: dict[str, object] = {"padding": True, "return_tensors": "pt"}
    if any(images):
        options["images"] = images
    if has_special_tokens(processor, template, texts):
        options["add_special_tokens"] = False
    features: BatchFeature = processor(text=texts, **options)
    if "input_ids" not in features:
        raise ModelError(
            "config: model.path: this model's processor makes no tokens of a prompt, but only "
            f"{', '.join(sorted(features))}, so that no question reaches the model; choose another"
        )
    # Labels would tell PaliGemma that it is being trained.
    return {
        name: value
        for name, value in features.items()
        if isinstance(value, torch.Tensor) and name != "labels"
    }


def write_prompt(processor: Processor, template: str | None, row: SampleRow, prompt: str) -> str:
    """Return what the model is given to continue for one dataset row.

    ModelError if it cannot see the row's pictures, or its question would be left out.
    """
    if row["images"] and takes_text_alone(processor):
        raise ModelError(
            "config: model.kind: a text model sees no pictures, but the dataset's samples have "
            "some; take the dataset out of `datasets`, or choose a vision-language model"
        )
    text = render_prompt(prompt, row["question"], row["choices"])
    return render(processor, template, text, len(row["images"]))


def check_length(loaded: LoadedModel, inputs: Inputs, new_tokens: int = 1) -> None:
    """Raise a ModelError if prompts and answers of `new_tokens` exceed the learnt positions.

    Positions that are computed, as rotary ones are, have no end.
    """
    positions = learnt_positions(loaded)
    if positions is None or "attention_mask" not in inputs:
        return
    lengths = inputs["attention_mask"].sum(dim=1)  # (rows, width) -> (rows,)
    longest = int(lengths.max())
    # The last new token is not read any more; an encoder reads none.
    is_encoder_decoder = loaded.model.config.is_encoder_decoder
    needed = longest if is_encoder_decoder else longest + new_tokens - 1
    if needed > positions:
        raise ModelError(
            f"config.json of the checkpoint: the model has learnt {positions} positions, but a "
            f"prompt has {longest} tokens and its answer up to {new_tokens}; "
            "shorten the dataset's prompt or max_new_tokens, or choose a model for longer texts"
        )


def learnt_positions(loaded: LoadedModel) -> int | None:
    """Return how many positions of a prompt the model has learnt; None if it computes them."""
    reader: nn.Module = loaded.blocks.owner
    if loaded.model.config.is_encoder_decoder:
        reader = loaded.model.get_encoder()
    for name, module in reader.named_children():
        if isinstance(module, nn.Embedding) and ("pos" in name or name == "wpe"):
            # OPT and BART keep some rows before that of the first position.
            return int(module.num_embeddings - getattr(module, "offset", 0))
    return None
