"""Prompts as raw tensors: rows of different lengths padded on the left, one or two images a row."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from zoo.types import IMAGE, TEXT, VOCABULARY

# Types that are also tried with two images a row.
SEVERAL_IMAGES = (
    "gemma3",
    "idefics3",
    "internvl",
    "llava",
    "mistral3",
    "qwen2_vl",
    "qwen3_vl",
    "smolvlm",
)
TEXT_LENGTHS = (5, 9, 7)


def make_inputs(name: str, model: Any, rows: int = 3, images: int = 1) -> dict[str, torch.Tensor]:
    """Input tensors of `rows` prompts."""
    if name in TEXT:
        return prompts(0, rows)
    base = name.split(":")[0]
    parameters = inspect.signature(model.forward).parameters
    usual = by_grid if "image_grid_thw" in parameters else by_pixels
    inputs = BUILDERS.get(base, usual)(model, rows, images)
    for kinds in ("token_type_ids", "mm_token_type_ids"):
        if kinds in parameters and "pixel_values" in inputs:
            inputs[kinds] = (inputs["input_ids"] == IMAGE).long()
    return inputs


def prompts(image_tokens: int, rows: int, frames: int = 0) -> dict[str, torch.Tensor]:
    """Return random text around a row's image tokens.

    These stand in so many frames of a start and an end token.
    """
    generator = torch.Generator().manual_seed(1)
    made = []
    for row in range(rows):
        text = torch.randint(20, VOCABULARY, (TEXT_LENGTHS[row % 3],), generator=generator).tolist()
        image = [IMAGE] * image_tokens
        if frames:
            image = [7, *[IMAGE] * (image_tokens // frames), 8] * frames
        made.append([1, text[0], *image, *text[1:]])
    longest = max(map(len, made))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in made])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in made])
    return {"input_ids": ids, "attention_mask": mask}


def noise(*shape: int) -> torch.Tensor:
    """Pixels."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def features(model: Any, **images: torch.Tensor) -> int:
    """How many image tokens the model makes of these images."""
    owner = next(
        part
        for part in (model, getattr(model, "model", None))
        if hasattr(part, "get_image_features")
    )
    names = inspect.signature(owner.get_image_features).parameters
    with torch.no_grad():
        output = owner.get_image_features(
            **{name: value for name, value in images.items() if name in names}
        )
    if getattr(output, "pooler_output", None) is not None:
        output = output.pooler_output
    output = getattr(output, "last_hidden_state", output)
    parts = output if isinstance(output, (list, tuple)) else [output]
    return sum(int(part.reshape(-1, part.shape[-1]).shape[0]) for part in parts)


def by_pixels(
    model: Any, rows: int, images: int, *, size: int = 0, nested: bool = False, **extra: Any
) -> dict[str, Any]:
    """Images of one size; nested: with a dimension of images in each row."""
    vision = getattr(model.config, "vision_config", None)
    size = size or getattr(vision, "image_size", 28)
    size = size if isinstance(size, int) else size[0]
    pixels = noise(rows, images, 3, size, size) if nested else noise(rows * images, 3, size, size)
    pictures = {"pixel_values": pixels, **extra}
    return prompts(features(model, **pictures) // rows, rows) | pictures


def with_sizes(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images that come with their sizes."""
    size = model.config.vision_config.image_size
    return by_pixels(model, rows, images, image_sizes=torch.tensor([[size, size]] * rows * images))


def in_patches(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as an overview and one patch, with their sizes."""
    size = model.config.vision_config.image_size
    pictures = {
        "pixel_values": noise(rows, 2, 3, size, size),
        "image_sizes": torch.tensor([[size, size]] * rows),
    }
    return prompts(features(model, **pictures) // rows, rows) | pictures


def by_grid(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as rows of patches of a 4 x 4 grid."""
    vision, count = model.config.vision_config, rows * images
    channels = next(
        getattr(vision, key)
        for key in ("in_channels", "num_channels", "in_chans")
        if hasattr(vision, key)
    )
    width = channels * getattr(vision, "temporal_patch_size", 1) * vision.patch_size**2
    pictures = {
        "pixel_values": noise(count * 16, width),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * count),
    }
    return prompts(features(model, **pictures) // rows, rows, frames=images) | pictures


def kosmos2(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images whose places are given by a mask."""
    text = prompts(model.config.latent_query_num, rows)
    places = (text["input_ids"] == IMAGE).long()
    return text | {"pixel_values": noise(rows, 3, 28, 28), "image_embeds_position_mask": places}


def mllama(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as two tiles that cross-attention looks at."""
    text = prompts(1, rows)
    return text | {
        "pixel_values": noise(rows, 1, 2, 3, 28, 28),
        "aspect_ratio_mask": torch.ones(rows, 1, 2, dtype=torch.long),
        "aspect_ratio_ids": torch.full((rows, 1), 2),
        "cross_attention_mask": text["attention_mask"][:, :, None, None]
        .expand(-1, -1, 1, 2)
        .clone(),
    }


def lfm2_vl(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as padded patches."""
    pictures = {
        "pixel_values": noise(rows, 16, 14 * 14 * 3),
        "spatial_shapes": torch.tensor([[4, 4]] * rows),
        "pixel_attention_mask": torch.ones(rows, 16, dtype=torch.long),
    }
    return prompts(features(model, **pictures) // rows, rows) | pictures


def florence2(model: Any, rows: int, images: int) -> dict[str, Any]:
    """An encoder-decoder: the decoder has a prompt of its own."""
    pictures = {"pixel_values": noise(rows, 3, 64, 64)}
    begin = torch.tensor([[2, 30 + row, 40 + row] for row in range(rows)])
    return (
        prompts(features(model, **pictures) // rows, rows) | pictures | {"decoder_input_ids": begin}
    )


def molmo2(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as pooled patches."""
    first = 4 * torch.arange(rows)[:, None, None]
    pooling = (first + torch.tensor([[0, 1], [2, 3]])).reshape(2 * rows, 2)
    text = prompts(2, rows)
    text["input_ids"][text["input_ids"] == IMAGE] = model.config.image_token_id
    return text | {
        "pixel_values": noise(rows, 4, 14 * 14 * 3),
        "image_token_pooling": pooling,
        "image_grids": torch.tensor([[1, 2, 0, 0]] * rows),
        "image_num_crops": torch.ones(rows, dtype=torch.long),
    }


def gemma4(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images as patches with their places."""
    places = torch.stack(
        torch.meshgrid(torch.arange(4), torch.arange(4), indexing="xy"), -1
    ).reshape(1, 16, 2)
    pictures = {
        "pixel_values": noise(rows, 16, model.config.vision_config.patch_size**2 * 3).sigmoid(),
        "image_position_ids": places.repeat(rows, 1, 1),
    }
    return prompts(features(model, **pictures) // rows, rows) | pictures


def without_places(model: Any, rows: int, images: int) -> dict[str, Any]:
    """Images that stand before the prompt by themselves."""
    return prompts(0, rows) | {"pixel_values": noise(rows, 3, 28, 28)}


BUILDERS: dict[str, Callable[[Any, int, int], dict[str, Any]]] = {
    "chameleon": lambda model, rows, images: by_pixels(model, rows, images, size=32),
    "florence2": florence2,
    "gemma4": gemma4,
    "git": without_places,
    **dict.fromkeys(
        ("idefics2", "idefics3", "smolvlm"),
        lambda m, rows, images: by_pixels(m, rows, images, nested=True),
    ),
    "kosmos-2": kosmos2,
    "lfm2_vl": lfm2_vl,
    **dict.fromkeys(("lighton_ocr", "mistral3"), with_sizes),
    **dict.fromkeys(("llava_next", "llava_next_video", "llava_onevision"), in_patches),
    "mllama": mllama,
    "molmo2": molmo2,
}
