"""A view leaves everything as it was, and says why where it cannot be entered."""

from typing import Any

import pytest
import torch
import zoo
from transformers import UdopConfig, UdopForConditionalGeneration

from blocksieve.combination import Combination
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks
from blocksieve.models.view import refusal, view, without_blocks

TYPES = [
    "gemma4",
    "gemma4:shared keys and values",
    "gemma3n_text",
    "lfm2_vl",
    "llama4",
    "llava",
    "mllama",
    "qwen3_5",
]


def state(model: Any) -> dict[str, Any]:
    """Return all that modules and configs hold, but for weights."""
    content: dict[str, Any] = {}
    for name, module in model.named_modules():
        attributes = {**vars(module), "_modules": dict(module._modules)}
        del attributes["_parameters"], attributes["_buffers"]
        content[name] = attributes
        config = getattr(module, "config", None)
        content[f"{name} config"] = dict(vars(config)) if config is not None else None
    return content


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=zoo.failing_with(name)) for name in TYPES]
)
def test_everything_is_as_before_also_after_an_error(name: str) -> None:
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model)
    block_list = find_blocks(model)
    answers = model.generate(**inputs, max_new_tokens=4)
    before = state(model)
    combination = Combination.of((4,))
    assert refusal(block_list, combination) is None
    with view(model, block_list, combination):
        assert len(find_blocks(model).blocks) == zoo.BLOCKS - combination.size
        assert state(model) != before
    assert state(model) == before
    with pytest.raises(ZeroDivisionError), view(model, block_list, combination):
        raise ZeroDivisionError
    assert state(model) == before
    assert torch.equal(model.generate(**inputs, max_new_tokens=4), answers)


@pytest.mark.parametrize(
    ("name", "combination", "reason"),
    [
        (
            "mllama",
            "0",
            "block 1 would come first, "
            "but cross-attention keeps no record of how many tokens there are",
        ),
        ("gemma4:shared keys and values", "2", "block 3 uses the keys and values of block 2"),
        (
            "lfm2_vl",
            "1-4",
            "no block with attention would be left, whose cache counts the tokens for the others",
        ),
        ("llava", "0-1-2-3-4-5", "no block would be left"),
        ("llava", "6", "the model has blocks 0 to 5 only"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(
    name: str, combination: str, reason: str
) -> None:
    model, removed = zoo.make_model(name), Combination.parse(combination)
    block_list = find_blocks(model)
    assert refusal(block_list, removed) == reason
    before = state(model)
    with pytest.raises(ModelError, match=reason), view(model, block_list, removed):
        pass
    with pytest.raises(ModelError, match=reason):
        without_blocks(model, removed)
    assert state(model) == before


def test_kinds_of_blocks_have_names() -> None:
    kinds = {
        name: find_blocks(zoo.make_model(name)).kinds
        for name in ("mllama", "qwen3_next", "gemma3", "lfm2", "llava")
    }
    assert kinds == {
        "mllama": (
            "attention",
            "cross-attention",
            *["attention"] * 2,
            "cross-attention",
            "attention",
        ),
        "qwen3_next": ("linear attention MoE", "linear attention MoE", "attention MoE") * 2,
        "gemma3": (
            "sliding attention",
            "attention",
            *["sliding attention"] * 2,
            *["attention"] * 2,
        ),
        "lfm2": ("convolution", "attention") * 3,
        "llava": ("attention",) * 6,
    }


def test_the_block_with_the_position_bias_of_all_stays() -> None:
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_heads": 4, "vocab_size": 160}
    config = UdopConfig(num_layers=2, num_decoder_layers=3, image_size=28, patch_size=14, **sizes)
    with torch.device("meta"):
        model = UdopForConditionalGeneration(config)
    block_list = find_blocks(model)
    first, second = Combination.of((0,)), Combination.of((1,))
    assert refusal(block_list, first) == "block 0 holds the position bias of all blocks"
    assert refusal(block_list, second) is None
