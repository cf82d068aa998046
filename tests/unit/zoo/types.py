"""What the types of the zoo need beside small sizes: a row a type."""

from typing import Any

# Types that a release of transformers itself cannot run, and why.
BROKEN = {
    ("llama4", "5.24.0"): "its forward asks its text model's output for image_outputs",
}
BLOCKS = 6
VOCABULARY = 160
IMAGE = 5

# Sizes of every text decoder, vision tower and Q-Former, as far as its config knows the name.
TEXT_SIZES: dict[str, Any] = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "hidden_dim", "word_embed_proj_dim", "n_embd", "embed_dim"), 64
    ),
    **dict.fromkeys(
        (
            "intermediate_size",
            "ffn_dim",
            "ffn_hidden_size",
            "d_ff",
            "block_ff_dim",
            "intermediate_size_mlp",
        ),
        96,
    ),
    **dict.fromkeys(
        ("num_hidden_layers", "num_layers", "decoder_layers", "n_layer", "n_layers"), BLOCKS
    ),
    **dict.fromkeys(
        (
            "num_attention_heads",
            "decoder_attention_heads",
            "encoder_attention_heads",
            "n_head",
            "n_heads",
        ),
        4,
    ),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim"), 96),
    **dict.fromkeys(("vocab_size", "encoder_vocab_size", "vocab_size_per_layer_input"), VOCABULARY),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 512),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(
        ("head_dim", "global_head_dim", "linear_key_head_dim", "linear_value_head_dim"), 16
    ),
    **dict.fromkeys(
        ("num_key_value_heads", "num_global_key_value_heads", "linear_num_key_heads"), 2
    ),
    **dict.fromkeys(
        ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "q_lora_rank", "kv_lora_rank"), 16
    ),
    **{
        "n_group": 1,
        "topk_group": 1,
        "moe_num_shared_experts": 1,
        "n_shared_experts": 1,
        "linear_num_value_heads": 4,
    },
    **{
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 8,
        "encoder_layers": 2,
        "additional_vocab_size": 0,
    },
    **{
        "eos_token_id": 2,
        "bos_token_id": 1,
        "pad_token_id": 0,
        "use_cache": True,
        "sliding_window": 8,
    },
}
VISION_SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "embed_dim"), 32),
    **dict.fromkeys(("intermediate_size", "mlp_dim", "ffn_dim"), 48),
    **dict.fromkeys(
        ("num_hidden_layers", "depth", "num_layers", "num_attention_heads", "num_heads"), 2
    ),
    **dict.fromkeys(("out_hidden_size", "projection_dim", "vision_output_dim", "output_dim"), 64),
    **{
        "head_dim": 16,
        "image_size": 28,
        "patch_size": 14,
        "num_key_value_heads": 2,
        "num_channels": 3,
    },
}
QFORMER_SIZES: dict[str, Any] = {
    **{
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    },
    **{"encoder_hidden_size": 32, "vocab_size": VOCABULARY, "max_position_embeddings": 64},
}
TOKENS: dict[str, int] = {
    **dict.fromkeys(("image_token_id", "image_token_index"), IMAGE),
    **dict.fromkeys(("video_token_id", "video_token_index"), 6),
    **dict.fromkeys(
        ("vision_start_token_id", "image_start_token_id", "boi_token_id", "boi_token_index"), 7
    ),
    **dict.fromkeys(
        ("vision_end_token_id", "image_end_token_id", "eoi_token_id", "eoi_token_index"), 8
    ),
    **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}

SLIDING = [
    "sliding_attention",
    "full_attention",
    *["sliding_attention"] * 2,
    *["full_attention"] * 2,
]
MROPE = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
}
GLM_ROPE = {"rope_parameters": {**MROPE["rope_parameters"], "partial_rotary_factor": 1.0}}
DROP = None  # keeps a config's own value
GEMMA4_VISION = {
    **{
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 48,
    },
    **{
        "num_hidden_layers": 2,
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "position_embedding_size": 16,
    },
}
GEMMA4 = {
    "layer_types": SLIDING,
    "num_kv_shared_layers": 0,
    "use_bidirectional_attention": "vision",
}
FLORENCE = {
    **{
        "depths": [1, 1, 1, 1],
        "patch_size": [7, 3, 3, 3],
        "embed_dim": [16, 16, 32, 32],
        "window_size": 4,
    },
    **{
        "num_heads": [2, 2, 2, 2],
        "num_groups": [2, 2, 2, 2],
        "projection_dim": 64,
        "num_channels": DROP,
    },
}
MLLAMA = {
    **{
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_layers_indices": [0, 1],
        "max_num_tiles": 2,
    },
    **{"supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]], "vision_output_dim": 96},
    **{"num_attention_heads": DROP, "head_dim": DROP},
}
MOLMO_ADAPTER = {
    **{
        "vision_feature_layer": [1, 0],
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
    **{"head_dim": 16, "intermediate_size": 48, "text_hidden_size": 64},
}
CHAMELEON_VQ = {
    **{
        "embed_dim": 16,
        "num_embeddings": 32,
        "latent_channels": 16,
        "resolution": 32,
        "base_channels": 32,
    },
    **{"channel_multiplier": [1, 1, 2], "num_res_blocks": 1},
}
CODES = {
    "IMGIMG" + "".join(chr(65 + int(digit)) for digit in str(code)) + "Z": 20 + code
    for code in range(32)
}

# For each type the values of its sub-configs, those of the config itself under "top".
IMAGE_TEXT: dict[str, dict[str, dict[str, Any]]] = {
    "aria": {"top": {"projector_patch_to_query_dict": {4: 4}}},
    "aya_vision": {
        "top": {
            "adapter_layer_norm_eps": 1e-5,
            "downsample_factor": 1,
            "alignment_intermediate_size": 64,
        }
    },
    "blip-2": {"top": {"num_query_tokens": 4}},
    "chameleon": {
        "vq_config": CHAMELEON_VQ,
        "top": {
            "vocabulary_map": {"<image>": IMAGE} | CODES,
            "num_key_value_heads": 4,
            "image_token_id": IMAGE,
        },
    },
    "cohere2_vision": {"top": {"alignment_intermediate_size": 64, "downsample_factor": 1}},
    "deepseek_vl": {},
    "exaone4_5": {},
    "florence2": {
        "vision_config": FLORENCE,
        "text_config": {"decoder_start_token_id": 2},
        "top": {"decoder_start_token_id": 2},
    },
    "gemma3": {
        "text_config": {"layer_types": SLIDING, "query_pre_attn_scalar": 16},
        "vision_config": {"vision_use_head": False},
        "top": {"mm_tokens_per_image": 4},
    },
    "gemma4": {"text_config": GEMMA4, "vision_config": GEMMA4_VISION},
    "git": {},
    "got_ocr2": {},
    "glm4v": {"text_config": GLM_ROPE, "vision_config": {"out_hidden_size": 64}},
    "glm4v_moe": {
        "text_config": {**GLM_ROPE, "first_k_dense_replace": 2},
        "vision_config": {"out_hidden_size": 64},
    },
    "idefics2": {
        "perceiver_config": {
            **{
                "hidden_size": 64,
                "resampler_n_latents": 4,
                "resampler_depth": 1,
                "resampler_n_heads": 4,
            },
            **{"resampler_head_dim": 16, "num_key_value_heads": 2},
        }
    },
    "idefics3": {"vision_config": {"image_size": 56}, "top": {"scale_factor": 2}},
    "internvl": {},
    "janus": {},
    "kosmos-2": {
        "text_config": {"embed_dim": 64, "layers": BLOCKS, "attention_heads": 4, "ffn_dim": 96},
        "top": {"latent_query_num": 4},
    },
    "lfm2_vl": {
        "text_config": {
            "layer_types": ["conv", "full_attention", "conv", "conv", "full_attention", "conv"],
            "block_multiple_of": 16,
        },
        "vision_config": {"num_patches": 16, "vision_use_head": False},
        "top": {"projector_hidden_size": 32},
    },
    "lighton_ocr": {},
    "llama4": {
        "text_config": {
            "num_experts_per_tok": 1,
            "attention_chunk_size": 8,
            "no_rope_layers": [1, 1, 0, 1, 1, 0],
        },
        "vision_config": {
            **{"projector_input_dim": 48, "projector_output_dim": 48, "vision_output_dim": 48},
            **{"intermediate_size": 128, "hidden_size": 32},
        },
    },
    "llava": {},
    "llava_next": {"top": {"image_grid_pinpoints": [[28, 28]]}},
    "llava_next_video": {"top": {"image_grid_pinpoints": [[28, 28]]}},
    "llava_onevision": {
        "vision_config": {"vision_use_head": False},
        "top": {"image_grid_pinpoints": [[28, 28]]},
    },
    "mistral3": {},
    "mllama": {"text_config": {"cross_attention_layers": [1, 4]}, "vision_config": MLLAMA},
    "molmo2": {
        "text_config": {"additional_vocab_size": 16, "rope_scaling_layers": [0, 2, 3, 5]},
        "vision_config": {"image_size": [28, 28], "num_position_embeddings": 4},
        "adapter_config": MOLMO_ADAPTER,
        "top": {
            **{"image_patch_id": IMAGE, "image_end_token_id": 8, "frame_start_token_id": 9},
            **{"frame_end_token_id": 10, "low_res_image_start_token_id": 11},
        },
    },
    "ovis2": {
        "vision_config": {"vocab_size": 40},
        "top": {"hidden_size": 64, "vocab_size": VOCABULARY},
    },
    "paligemma": {
        "vision_config": {"projection_dim": 64},
        "top": {"projection_dim": 64, "hidden_size": 64},
    },
    "qwen2_5_vl": {
        "text_config": MROPE,
        "vision_config": {"out_hidden_size": 64, "fullatt_block_indexes": [1], "window_size": 56},
    },
    "qwen2_vl": {"text_config": MROPE, "vision_config": {"hidden_size": 64, "embed_dim": 32}},
    "qwen3_5": {},
    "qwen3_vl": {"text_config": MROPE, "vision_config": {"deepstack_visual_indexes": [0, 1]}},
    "qwen3_vl_moe": {"text_config": MROPE, "vision_config": {"deepstack_visual_indexes": [0, 1]}},
    "shieldgemma2": {
        "text_config": {"layer_types": SLIDING, "query_pre_attn_scalar": 16},
        "vision_config": {"vision_use_head": False},
        "top": {"mm_tokens_per_image": 4},
    },
    "smolvlm": {"vision_config": {"image_size": 56}, "top": {"scale_factor": 2}},
    "video_llava": {},
    "vipllava": {"top": {"vision_feature_layer": [-1, -2]}},
}
# The same types in harder configurations: "type:what".
HARDER: dict[str, dict[str, dict[str, Any]]] = {
    "gemma4:shared keys and values": {
        "text_config": {**GEMMA4, "num_kv_shared_layers": 3},
        "vision_config": GEMMA4_VISION,
    },
    "gemma4:experts": {
        "text_config": {**GEMMA4, "enable_moe_block": True, "num_experts": 4, "top_k_experts": 2},
        "vision_config": GEMMA4_VISION,
    },
    "llava:sliding window": {"text_config": {"model_type": "mistral", "sliding_window": 4}},
    "llava:alternating windows": {"text_config": {"model_type": "gemma2", "sliding_window": 4}},
    "llava:parallel attention": {"text_config": {"model_type": "gpt_neox"}},
    "llava:experts": {"text_config": {"model_type": "qwen3_moe"}},
}
# Decoders without images.
TEXT: dict[str, dict[str, dict[str, Any]]] = {
    "bamba": {
        "top": {
            **{
                "attn_layer_indices": [1, 4],
                "mamba_n_heads": 8,
                "mamba_d_head": 16,
                "mamba_d_state": 8,
            },
            **{"mamba_n_groups": 1, "mamba_chunk_size": 8},
        }
    },
    "bloom": {},
    "deepseek_v3": {
        "top": {"first_k_dense_replace": 2, "num_key_value_heads": 4, "head_dim": DROP}
    },
    "falcon": {},
    "gemma2": {"top": {"sliding_window": 4}},
    "gemma3n_text": {
        "top": {
            **{
                "num_kv_shared_layers": 2,
                "layer_types": ["sliding_attention", "full_attention"] * 3,
            },
            **{"sliding_window": 4, "activation_sparsity_pattern": [0.0] * BLOCKS},
        }
    },
    "gpt2": {},
    "gpt_oss": {},
    "gpt_neox": {},
    "jamba": {
        "top": {
            **{
                "attn_layer_period": 3,
                "attn_layer_offset": 1,
                "expert_layer_period": 2,
                "expert_layer_offset": 1,
            },
            **{"use_mamba_kernels": False, "mamba_d_state": 8, "mamba_dt_rank": 4},
        }
    },
    "lfm2": {"top": {"layer_types": ["conv", "full_attention"] * 3}},
    "llama": {},
    # Rotary embeddings that change past 24 tokens.
    "llama:dynamic rope": {
        "top": {
            "max_position_embeddings": 24,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
        }
    },
    "llama:longrope": {
        "top": {
            "max_position_embeddings": 96,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "original_max_position_embeddings": 24,
                "short_factor": [1.0] * 8,
                "long_factor": [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0],
            },
        }
    },
    "mamba": {"top": {"state_size": 8}},
    "modernbert-decoder": {},
    "mpt": {},
    "opt": {},
    "phi": {},
    "qwen3_moe": {},
    "qwen3_next": {
        "top": {"layer_types": ["linear_attention", "linear_attention", "full_attention"] * 2}
    },
}
