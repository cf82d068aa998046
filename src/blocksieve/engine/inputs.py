"""Turn samples into a model's input tensors, through its processor and chat template."""

import io
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from blocksieve.datasets.prompts import render_prompt
from blocksieve.models.loading import LoadedModel


def render(processor: Any, template: str | None, text: str, images: int) -> str:
    """What a model is given to continue: the prompt `text`, with its images before it.

    By the chat template of the processor, as one user turn; or by a plain `template` with {images} and {prompt}, the
    config's `model.prompt`. Without either, the images and the bare prompt.
    """
    if by_chat(processor, template):
        content = [{"type": "image"}] * images + [{"type": "text", "text": text}]
        turns = [{"role": "user", "content": content if images else text}]
        return str(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    plain = (template or "{images}{prompt}").replace(
        "{images}", getattr(processor, "image_token", "") * images
    )
    return plain.replace("{prompt}", text)


def by_chat(processor: Any, template: str | None) -> bool:
    """Whether prompts go through the processor's chat template."""
    return template is None and getattr(processor, "chat_template", None) is not None


@dataclass(frozen=True)
class Prefix:
    """What the prompts of a batch begin with in common: one row for each group of prompts about the same images.

    `inputs` are its tensors, left-padded; `group` is the prefix row of each prompt; of the batch's prompts, what comes
    after their prefix lies in the last `rest.shape[1]` places, where `rest` is true.
    """

    inputs: dict[str, torch.Tensor]
    group: torch.Tensor
    rest: torch.Tensor

    @property
    def length(self) -> int:
        """Places of the longest prefix."""
        return int(self.inputs["input_ids"].shape[1])


@dataclass(frozen=True)
class Batch:
    """Some samples as a model takes them: left-padded input tensors, a row a sample, and their common prefixes.

    At most `most_rows` of different combinations are decoded together, or as many as there are samples.
    """

    inputs: dict[str, torch.Tensor]
    prefix: Prefix | None = None
    most_rows: int = 64

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return len(self.inputs["input_ids"])

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, padding included."""
        return int(self.inputs["input_ids"].numel())

    @property
    def distinct_prompt_tokens(self) -> int:
        """The same, common prefixes counted once."""
        if self.prefix is None:
            return self.prompt_tokens
        return int(self.prefix.inputs["input_ids"].numel() + self.prefix.rest.numel())

    @property
    def distinct_images(self) -> float:
        """The share of the samples' images that are not seen before in the batch."""
        return 1.0 if self.prefix is None else len(self.prefix.inputs["input_ids"]) / self.rows


def make_batch(loaded: LoadedModel, rows: list[dict[str, Any]], prompt: str) -> Batch:
    """Turn dataset rows into a batch on the model's device."""
    inputs = make_inputs(loaded, rows, prompt)
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for row, sample in enumerate(rows):
        groups.setdefault(tuple(sample["images"]), []).append(row)
    firsts = [rows[members[0]] for members in groups.values()]
    if len(firsts) == len(rows) or loaded.model.config.is_encoder_decoder:
        return Batch(inputs)
    image_token = getattr(loaded.model.config, "image_token_id", None)
    if image_token is None and any(groups):
        return Batch(inputs)  # no telling whether all of an image lies in a prefix
    return Batch(
        inputs,
        find_prefix(
            inputs, make_inputs(loaded, firsts, prompt), list(groups.values()), image_token
        ),
    )


def probe_rows(rows: list[dict[str, Any]], size: int = 4) -> list[dict[str, Any]]:
    """Samples to check an engine with: the longest question first, the shortest last; two each about one's images."""
    by_length = sorted(rows, key=lambda row: len(row["question"]))
    last = len(by_length) - 1
    chosen = [
        by_length[place]
        for place in (last, *(last // 3, 2 * last // 3)[: max(0, size - 2)], 0)[:size]
    ]
    alike = [dict(row, images=chosen[place // 2 * 2]["images"]) for place, row in enumerate(chosen)]
    return alike if _same_count(chosen) else chosen


def make_probe(loaded: LoadedModel, rows: list[dict[str, Any]], prompt: str) -> Batch:
    """A batch of such samples."""
    return make_batch(loaded, probe_rows(rows), prompt)


def _same_count(rows: list[dict[str, Any]]) -> bool:
    return len({len(row["images"]) for row in rows}) == 1


def find_prefix(
    inputs: dict[str, torch.Tensor],
    firsts: dict[str, torch.Tensor],
    groups: list[list[int]],
    image_token: int | None,
) -> Prefix | None:
    """The common beginnings of the prompts of each group, of which `firsts` are the first one's tensors.

    All prefixes hold the prompt's images, and are cut to the length that leaves the fewest places in total. None if an
    image comes after what prompts have in common, or nothing is saved.
    """
    ids, device = inputs["input_ids"], inputs["input_ids"].device
    prompts = [row[mask.bool()] for row, mask in zip(ids, inputs["attention_mask"], strict=True)]
    common = [_common([prompts[row] for row in members]) for members in groups]
    images = [_last(prompts[members[0]], image_token) for members in groups]
    if any(shared < needed for shared, needed in zip(common, images, strict=True)):
        return None
    group = torch.zeros(len(prompts), dtype=torch.long, device=device)
    for number, members in enumerate(groups):
        group[members] = number
    lengths = torch.tensor(common, device=device)
    whole = torch.tensor([len(prompt) for prompt in prompts], device=device)

    def places(longest: int) -> int:
        return len(groups) * longest + len(prompts) * int(
            (whole - lengths.clamp(max=longest)[group]).max()
        )

    longest = min(range(max(1, *images), max(common) + 1), key=places, default=0)
    if longest == 0 or places(longest) >= ids.numel():
        return None
    return _cut(firsts, lengths.clamp(max=longest), group, whole)


def _cut(
    firsts: dict[str, torch.Tensor],
    lengths: torch.Tensor,
    group: torch.Tensor,
    prompt_lengths: torch.Tensor,
) -> Prefix:
    """Prefixes of the given lengths from the tensors of each group's first prompt."""
    longest, shape = int(lengths.max()), firsts["input_ids"].shape
    places = torch.arange(longest, device=lengths.device) - longest + lengths[:, None]
    source = ((firsts["attention_mask"] == 0).sum(1)[:, None] + places).clamp(min=0)
    inputs = {
        name: value.gather(1, source) if value.shape == shape else value
        for name, value in firsts.items()
    }
    inputs["attention_mask"] = (places >= 0).to(firsts["attention_mask"].dtype)
    remaining = prompt_lengths - lengths[group]
    width = int(remaining.max())
    return Prefix(
        inputs, group, torch.arange(width, device=lengths.device) >= width - remaining[:, None]
    )


def _last(prompt: torch.Tensor, token: int | None) -> int:
    """How many tokens there are up to and with the last one of a kind."""
    found = (prompt == token).nonzero() if token is not None else []
    return int(found[-1]) + 1 if len(found) else 0


def _common(prompts: list[torch.Tensor]) -> int:
    """How many tokens all prompts begin with; each has at least one more."""
    shortest = min(map(len, prompts)) - 1
    differs = torch.stack([prompt[:shortest] != prompts[0][:shortest] for prompt in prompts]).any(0)
    return int(differs.int().argmax()) if bool(differs.any()) else shortest


def make_inputs(
    loaded: LoadedModel, rows: list[dict[str, Any]], prompt: str
) -> dict[str, torch.Tensor]:
    """Padded input tensors of dataset rows, on the model's device, images in its number format."""
    inputs = process(loaded.processor, loaded.prompt, rows, prompt)
    dtype = loaded.model.dtype
    return {
        name: value.to(loaded.device, dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
    }


def process(
    processor: Any, template: str | None, rows: list[dict[str, Any]], prompt: str
) -> dict[str, torch.Tensor]:
    """Input tensors of dataset rows as a processor (or a tokenizer) makes them, padded on its side."""
    asked = [
        (render_prompt(prompt, row["question"], row["choices"]), len(row["images"])) for row in rows
    ]
    texts = [render(processor, template, text, images) for text, images in asked]
    images = [
        [Image.open(io.BytesIO(data)).convert("RGB") for data in row["images"]] for row in rows
    ]
    arguments: dict[str, Any] = {"text": texts, "padding": True, "return_tensors": "pt"}
    if any(images):
        arguments["images"] = images
    if by_chat(processor, template):
        arguments["add_special_tokens"] = False  # the template has written them
    made = processor(**arguments)
    # labels would tell PaliGemma that it is being trained
    return {
        name: value
        for name, value in made.items()
        if isinstance(value, torch.Tensor) and name != "labels"
    }
