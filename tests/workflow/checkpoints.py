"""Tiny random checkpoints of real architectures, each with its own processor."""

from pathlib import Path
from typing import Any

import torch
from molmo2_pictures import Molmo2Pictures
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    CONFIG_MAPPING,
    AutoModelForImageTextToText,
    CLIPImageProcessorPil,
    GotOcr2ImageProcessorPil,
    InternVLProcessor,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    Molmo2Processor,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    Qwen3VLProcessor,
    SiglipImageProcessorPil,
    SmolVLMImageProcessorPil,
    SmolVLMProcessor,
)

from blocksieve.models.processor import NoVideos, do_without_torchvision

BLOCKS = 4
SPECIAL = [
    *(
        "<pad>",
        "<s>",
        "</s>",
        "<image>",
        "<video>",
        "<|im_start|>",
        "<|im_end|>",
        "<end_of_utterance>",
    ),
    *(
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
        "<img>",
        "</img>",
        "<IMG_CONTEXT>",
    ),
    *(
        "<fake_token_around_image>",
        "<global-img>",
        *(f"<row_{row}_col_{col}>" for row in (1, 2) for col in (1, 2)),
    ),
    *(
        "<im_patch>",
        "<im_col>",
        "<im_start>",
        "<low_res_im_start>",
        "<im_end>",
        "<frame_start>",
        "<frame_end>",
    ),
    *("<im_low>", "<|image|>", "<|video|>"),
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def token(name: str) -> int:
    return SPECIAL.index(name)


TEXT: dict[str, Any] = {
    **{
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": 4,
    },
    **{
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
    },
    **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False},
}
VISION: dict[str, Any] = {
    **{
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    **{"image_size": 28, "patch_size": 14},
}
SIGLIP = {"model_type": "siglip_vision_model", "vision_use_head": False}
SQUARE = {"height": 28, "width": 28}
PINPOINTS = {"image_grid_pinpoints": [[28, 28], [28, 56]]}
QWEN = {
    "text_config": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    },
    "vision_config": {
        **{
            "hidden_size": 32,
            "intermediate_size": 48,
            "depth": 2,
            "num_heads": 2,
            "out_hidden_size": 32,
        },
        **{"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
        **{"fullatt_block_indexes": [1], "window_size": 56},
        **{"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16},
    },
    "top": {
        **{"image_token_id": token("<|image_pad|>"), "video_token_id": token("<|video_pad|>")},
        **{
            "vision_start_token_id": token("<|vision_start|>"),
            "vision_end_token_id": token("<|vision_end|>"),
        },
    },
    "images": (
        Qwen2VLImageProcessorPil,
        {"min_pixels": 28 * 28, "max_pixels": 56 * 56, "patch_size": 14, "merge_size": 2},
    ),
    "placeholder": "<|vision_start|><|image_pad|><|vision_end|>",
}
# For each type: values of its configs, its image processor and processor with their values, how its
# chat template
# marks an image (none: it has no chat template), and what its tokenizer calls special tokens.
TYPES: dict[str, dict[str, Any]] = {
    "smolvlm": {
        "text_config": {"model_type": "llama"},
        "top": {"image_token_id": token("<image>"), "scale_factor": 2},
        "images": (
            SmolVLMImageProcessorPil,
            {
                "size": {"longest_edge": 56},
                "max_image_size": {"longest_edge": 28},
                "do_image_splitting": True,
            },
        ),
        "processor": (SmolVLMProcessor, {"image_seq_len": 1}),
        "placeholder": "<image>",
    },
    "llava": {
        "text_config": {"model_type": "llama"},
        "vision_config": {"model_type": "clip_vision_model"},
        "top": {"image_token_index": token("<image>"), "vision_feature_layer": -1},
        "images": (CLIPImageProcessorPil, {"size": {"shortest_edge": 28}, "crop_size": SQUARE}),
        "processor": (
            LlavaProcessor,
            {
                "patch_size": 14,
                "vision_feature_select_strategy": "default",
                "num_additional_image_tokens": 1,
            },
        ),
        "placeholder": "<image>",
    },
    "llava_onevision": {
        "text_config": {"model_type": "qwen2"},
        "vision_config": SIGLIP,
        "top": {
            "image_token_index": token("<image>"),
            "video_token_index": token("<video>"),
            **PINPOINTS,
        },
        "images": (LlavaOnevisionImageProcessorPil, {"size": SQUARE, **PINPOINTS}),
        "processor": (
            LlavaOnevisionProcessor,
            {"num_image_tokens": 4, "vision_feature_select_strategy": "full"},
        ),
        "placeholder": "<image>",
    },
    "qwen2_5_vl": {**QWEN, "processor": (Qwen2_5_VLProcessor, {})},
    "qwen3_vl": {**QWEN, "processor": (Qwen3VLProcessor, {})},
    "internvl": {
        "text_config": {"model_type": "qwen2"},
        "vision_config": {"image_size": [28, 28], "patch_size": [14, 14]},
        "top": {"image_token_id": token("<IMG_CONTEXT>")},
        "images": (GotOcr2ImageProcessorPil, {"size": SQUARE, "min_patches": 1, "max_patches": 2}),
        "processor": (InternVLProcessor, {"image_seq_length": 1}),
        "placeholder": "<IMG_CONTEXT>",
        "named_tokens": {
            **{
                "start_image_token": "<img>",
                "end_image_token": "</img>",
                "context_image_token": "<IMG_CONTEXT>",
            },
            "video_token": "<video>",
        },
    },
    "paligemma": {
        "text_config": {"model_type": "gemma"},
        "vision_config": {**SIGLIP, "projection_dim": 32},
        "top": {"image_token_index": token("<image>"), "projection_dim": 32},
        "images": (SiglipImageProcessorPil, {"size": SQUARE, "image_seq_length": 4}),
        "processor": (PaliGemmaProcessor, {}),
    },
    "molmo2": {
        "text_config": {"additional_vocab_size": 16, "rope_scaling_layers": [0, 2]},
        "vision_config": {
            **{
                "image_size": [28, 28],
                "num_position_embeddings": 4,
                "head_dim": 16,
                "num_key_value_heads": 2,
            },
        },
        "adapter_config": {
            **{
                "vision_feature_layer": [1, 0],
                "hidden_size": 32,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
            },
            **{"head_dim": 16, "intermediate_size": 48, "text_hidden_size": 32},
        },
        "top": {
            **{"image_patch_id": token("<im_patch>"), "image_end_token_id": token("<im_end>")},
            **{"image_start_token_id": token("<im_start>"), "image_col_id": token("<im_col>")},
            **{
                "frame_start_token_id": token("<frame_start>"),
                "frame_end_token_id": token("<frame_end>"),
            },
            "low_res_image_start_token_id": token("<low_res_im_start>"),
        },
        "images": (Molmo2Pictures, {"size": SQUARE, "max_crops": 2, "overlap_margins": [0, 0]}),
        "processor": (Molmo2Processor, {}),
        "placeholder": "<|image|>",
    },
}


def save_checkpoint(name: str, folder: Path) -> None:
    """A random model of a type, weights spread so that its blocks matter, and its processor."""
    processor = make_processor(name)
    processor.save_pretrained(folder)
    kind, wanted = CONFIG_MAPPING[name], TYPES[name]
    usual = {
        "text_config": {**TEXT, "vocab_size": len(processor.tokenizer)},
        "vision_config": VISION,
    }
    parts = {part: {**usual.get(part, {}), **wanted.get(part, {})} for part in kind.sub_configs}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    config = kind(**parts, **wanted["top"], **tokens, tie_word_embeddings=False)
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)


def make_processor(name: str) -> Any:
    """The type's own processor around a small byte-level tokenizer."""
    do_without_torchvision()
    wanted = TYPES[name]
    images, image_values = wanted["images"]
    if images is Molmo2Pictures:
        images.register_for_auto_class("AutoImageProcessor")  # saved with its code
    kind, values = wanted["processor"]
    videos = {"video_processor": NoVideos()} if "video_processor" in kind.get_attributes() else {}
    placeholder = wanted.get("placeholder")
    template = CHAT_TEMPLATE.replace("IMAGE", placeholder) if placeholder else None
    tokenizer = make_tokenizer(wanted.get("named_tokens", {}))
    parts = {"image_processor": images(**image_values), "tokenizer": tokenizer, **videos}
    return kind(**parts, **values, chat_template=template)


def make_tokenizer(named: dict[str, str]) -> PreTrainedTokenizerFast:
    """Bytes and a few merges, with the special tokens of all types."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        ["what is the color of the shape in this picture?"], 300, special_tokens=SPECIAL
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,
        **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
        additional_special_tokens=SPECIAL[3:],
        extra_special_tokens=named,
    )
