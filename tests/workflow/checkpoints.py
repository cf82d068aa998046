"""Tiny random checkpoints of real architectures, each with its own processor, as they lie on the hub."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import ByteLevelBPETokenizer
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, PreTrainedTokenizerFast
from blocksieve.models.processor import NoVideos, do_without_torchvision
from molmo2_pictures import Molmo2Pictures

BLOCKS = 4
SPECIAL = [
    *("<pad>", "<s>", "</s>", "<image>", "<video>", "<|im_start|>", "<|im_end|>", "<end_of_utterance>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<img>", "</img>", "<IMG_CONTEXT>"),
    *("<fake_token_around_image>", "<global-img>", *(f"<row_{row}_col_{col}>" for row in (1, 2) for col in (1, 2))),
    *("<im_patch>", "<im_col>", "<im_start>", "<low_res_im_start>", "<im_end>", "<frame_start>", "<frame_end>"),
    *("<im_low>", "<|image|>", "<|video|>"),
]


def token(name: str) -> int:
    return SPECIAL.index(name)


# The tokenizers of some processors name their special tokens.
NAMED_TOKENS = {
    "internvl": {
        **{"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"},
        "video_token": "<video>",
    },
}
IMAGE_PLACEHOLDER = {
    **{"qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>", "internvl": "<IMG_CONTEXT>"},
    **{"qwen3_vl": "<|vision_start|><|image_pad|><|vision_end|>", "molmo2": "<|image|>"},
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": BLOCKS, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 2048, "initializer_range": 0.3},
    **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False},
}
VISION: dict[str, Any] = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"image_size": 28, "patch_size": 14},
}
QWEN_VISION = {
    **{"hidden_size": 32, "intermediate_size": 48, "depth": 2, "num_heads": 2, "out_hidden_size": 32},
    **{"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
}
QWEN_TOKENS = {
    **{"image_token_id": token("<|image_pad|>"), "video_token_id": token("<|video_pad|>")},
    **{"vision_start_token_id": token("<|vision_start|>"), "vision_end_token_id": token("<|vision_end|>")},
}
QWEN_IMAGES = {"min_pixels": 28 * 28, "max_pixels": 56 * 56, "patch_size": 14, "merge_size": 2}
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}}
SQUARE = {"height": 28, "width": 28}


# For each type: values of the configs, classes of the processor and its parts with their values.
TYPES: dict[str, dict[str, Any]] = {
    "smolvlm": {
        "text_config": {"model_type": "llama"},
        "top": {"image_token_id": token("<image>"), "scale_factor": 2},
        "image_processor": ("smolvlm.image_processing_pil_smolvlm.SmolVLMImageProcessorPil", {
            **{"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 28}, "do_image_splitting": True},
        }),
        "processor": ("smolvlm.processing_smolvlm.SmolVLMProcessor", {"image_seq_len": 1}),
    },
    "llava": {
        "text_config": {"model_type": "llama"},
        "vision_config": {"model_type": "clip_vision_model"},
        "top": {"image_token_index": token("<image>"), "vision_feature_layer": -1},
        "image_processor": ("clip.image_processing_pil_clip.CLIPImageProcessorPil", {"size": {"shortest_edge": 28}, "crop_size": SQUARE}),
        "processor": ("llava.processing_llava.LlavaProcessor", {
            **{"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1},
        }),
    },
    "llava_onevision": {
        "text_config": {"model_type": "qwen2"},
        "vision_config": {"model_type": "siglip_vision_model", "vision_use_head": False},
        "top": {
            **{"image_token_index": token("<image>"), "video_token_index": token("<video>")},
            **{"image_grid_pinpoints": [[28, 28], [28, 56]]},
        },
        "image_processor": ("llava_onevision.image_processing_pil_llava_onevision.LlavaOnevisionImageProcessorPil", {
            **{"size": SQUARE, "image_grid_pinpoints": [[28, 28], [28, 56]]},
        }),
        "processor": ("llava_onevision.processing_llava_onevision.LlavaOnevisionProcessor", {
            **{"num_image_tokens": 4, "vision_feature_select_strategy": "full"},
        }),
    },
    "qwen2_5_vl": {
        "text_config": MROPE,
        "vision_config": {**QWEN_VISION, "fullatt_block_indexes": [1], "window_size": 56},
        "top": QWEN_TOKENS,
        "image_processor": ("qwen2_vl.image_processing_pil_qwen2_vl.Qwen2VLImageProcessorPil", QWEN_IMAGES),
        "processor": ("qwen2_5_vl.processing_qwen2_5_vl.Qwen2_5_VLProcessor", {}),
    },
    "qwen3_vl": {
        "text_config": MROPE,
        "vision_config": {**QWEN_VISION, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16},
        "top": QWEN_TOKENS,
        "image_processor": ("qwen2_vl.image_processing_pil_qwen2_vl.Qwen2VLImageProcessorPil", QWEN_IMAGES),
        "processor": ("qwen3_vl.processing_qwen3_vl.Qwen3VLProcessor", {}),
    },
    "internvl": {
        "text_config": {"model_type": "qwen2"},
        "vision_config": {"image_size": [28, 28], "patch_size": [14, 14]},
        "top": {"image_token_id": token("<IMG_CONTEXT>")},
        "image_processor": ("got_ocr2.image_processing_pil_got_ocr2.GotOcr2ImageProcessorPil", {"size": SQUARE, "min_patches": 1, "max_patches": 2}),
        "processor": ("internvl.processing_internvl.InternVLProcessor", {"image_seq_length": 1}),
    },
    "paligemma": {
        "text_config": {"model_type": "gemma"},
        "vision_config": {"model_type": "siglip_vision_model", "projection_dim": 32, "vision_use_head": False},
        "top": {"image_token_index": token("<image>"), "projection_dim": 32},
        "image_processor": ("siglip.image_processing_pil_siglip.SiglipImageProcessorPil", {"size": SQUARE, "image_seq_length": 4}),
        "processor": ("paligemma.processing_paligemma.PaliGemmaProcessor", {}),
    },
    "molmo2": {
        "text_config": {"additional_vocab_size": 16, "rope_scaling_layers": [0, 2]},
        "vision_config": {"image_size": [28, 28], "num_position_embeddings": 4, "head_dim": 16, "num_key_value_heads": 2},
        "adapter_config": {
            **{"vision_feature_layer": [1, 0], "hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2},
            **{"head_dim": 16, "intermediate_size": 48, "text_hidden_size": 32},
        },
        "top": {
            **{"image_patch_id": token("<im_patch>"), "image_end_token_id": token("<im_end>")},
            **{"frame_start_token_id": token("<frame_start>"), "frame_end_token_id": token("<frame_end>")},
            **{"image_start_token_id": token("<im_start>"), "image_col_id": token("<im_col>")},
            "low_res_image_start_token_id": token("<low_res_im_start>"),
        },
        "image_processor": (Molmo2Pictures, {"size": SQUARE, "max_crops": 2, "overlap_margins": [0, 0]}),
        "processor": ("molmo2.processing_molmo2.Molmo2Processor", {}),
    },
}  # fmt: skip


def save_checkpoint(name: str, folder: Path) -> None:
    """A random model of a type with blocks that all matter, and its processor."""
    processor = make_processor(name)
    processor.save_pretrained(folder)
    make_model(name, len(processor.tokenizer)).save_pretrained(folder)


def make_processor(name: str) -> Any:
    """The type's own processor around a small byte-level tokenizer."""
    do_without_torchvision()
    wanted = TYPES[name]
    parts: dict[str, Any] = {"tokenizer": make_tokenizer(name)}
    kind, values = wanted["image_processor"]
    parts["image_processor"] = find_class(kind)(**values)
    if kind is Molmo2Pictures:
        Molmo2Pictures.register_for_auto_class("AutoImageProcessor")  # saved with its code
    kind, values = wanted["processor"]
    if "video_processor" in find_class(kind).get_attributes():
        parts["video_processor"] = NoVideos()
    template = CHAT_TEMPLATE.replace("IMAGE", IMAGE_PLACEHOLDER.get(name, "<image>"))
    return find_class(kind)(**parts, **values, chat_template=None if name == "paligemma" else template)


def make_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """Bytes and a few merges, with the special tokens of all types."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(["what is the color of the shape in this picture?"], 300, special_tokens=SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,
        **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
        additional_special_tokens=SPECIAL[3:],
        extra_special_tokens=NAMED_TOKENS.get(name, {}),
    )


def find_class(name: str | type) -> Any:
    """A class by its place in transformers.models, where it can be had whatever else is installed."""
    if isinstance(name, type):
        return name
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(f"transformers.models.{module}"), kind)


def make_model(name: str, vocabulary: int) -> Any:
    """A random model; its weights are spread so that blocks matter and answers differ."""
    wanted, kind = TYPES[name], CONFIG_MAPPING[name]
    usual = {"text_config": {**TEXT, "vocab_size": vocabulary}, "vision_config": VISION}
    parts = {part: {**usual.get(part, {}), **wanted.get(part, {})} for part in kind.sub_configs}
    torch.manual_seed(0)
    config = kind(**parts, **wanted.get("top", {}), tie_word_embeddings=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    return AutoModelForImageTextToText.from_config(config).eval()
