"""Blocks are found, and a model without some of them is the shallower model."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from blocksieve.combination import NONE, Combination
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, probe_rows
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks
from blocksieve.models.describe import describe_model
from blocksieve.models.loading import load_model
from blocksieve.models.view import without_blocks

BLOCKS = 6
# Code that comes with a checkpoint, whose blocks lie in a list of an unusual name.
REMOTE = """
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

class RemoteConfig(LlamaConfig):
    model_type = "remote"

class RemoteModel(LlamaModel):
    def __init__(self, config):
        super().__init__(config)
        self._modules["stages"] = self._modules.pop("layers")

    @property
    def layers(self):
        return self.stages

class RemoteForCausalLM(LlamaForCausalLM):
    config_class = RemoteConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = RemoteModel(config)
        self.post_init()
"""
COMBINATIONS = ["none", "0", "3", "5", "1-4", "0-5", "0-1-2-3-4"]


def llava(blocks: int) -> LlavaForConditionalGeneration:
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    text = LlamaConfig(
        vocab_size=120,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=blocks,
        num_attention_heads=4,
    )
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision, text_config=text, image_token_index=5, vision_feature_layer=-1
        )
    )


def gpt2(blocks: int) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=120, n_embd=32, n_layer=blocks, n_head=4, n_positions=64)
    )


def gemma3(blocks: int) -> Gemma3ForCausalLM:
    kinds = ["sliding_attention", "full_attention", "sliding_attention"] * 2
    config = Gemma3TextConfig(
        vocab_size=120,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=blocks,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=4,
        layer_types=kinds[:blocks],
    )
    return Gemma3ForCausalLM(config)


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that every block changes the answer."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_(
                    torch.randn(weight.shape, generator=generator) * weight.shape[-1] ** -0.5
                )
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model.eval()


def ragged_inputs(images: bool) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(10, 120, (3, 12), generator=generator)
    mask = torch.ones_like(ids)
    if images:
        ids[:, 4:8] = 5
    for row, padding in enumerate((0, 2, 3)):
        ids[row, :padding], mask[row, :padding] = 0, 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if images:
        inputs["pixel_values"] = torch.randn(3, 3, 28, 28, generator=generator)
    return inputs


def independently_pruned(
    model: torch.nn.Module, build, combination: Combination
) -> torch.nn.Module:
    """Build a shallower model anew, and fill its weights in from the kept blocks' state dict."""
    kept = [index for index in range(BLOCKS) if index not in combination.blocks]
    shallow = build(len(kept))
    weights = model.state_dict()
    marker = ".h." if any(".h." in key for key in weights) else ".layers."
    block_keys = [key for key in weights if marker in key and "vision" not in key]
    start = block_keys[0].split(marker)[0] + marker
    state = {}
    for key, weight in weights.items():
        if not key.startswith(start):
            state[key] = weight
            continue
        index, rest = key.removeprefix(start).split(".", 1)
        if int(index) in kept:
            state[f"{start}{kept.index(int(index))}.{rest}"] = weight
    shallow.load_state_dict(state)
    shallow.generation_config = model.generation_config
    return shallow.eval()


def generate(
    model: torch.nn.Module, inputs: dict[str, torch.Tensor], length: int = 6
) -> torch.Tensor:
    return model.generate(**inputs, max_new_tokens=length, do_sample=False)


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize(("build", "images"), [(llava, True), (gpt2, False)])
def test_pruned_model_equals_a_shallower_one_built_anew(
    build, images: bool, combination: str
) -> None:
    model, removed = randomised(build(BLOCKS)), Combination.parse(combination)
    inputs = ragged_inputs(images)
    pruned = without_blocks(model, removed)
    expected = independently_pruned(model, build, removed)
    with torch.no_grad():
        assert torch.equal(pruned(**inputs).logits, expected(**inputs).logits)
    assert torch.equal(generate(pruned, inputs), generate(expected, inputs))


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_kinds_of_attention_move_with_their_blocks(combination: str) -> None:
    model, removed = randomised(gemma3(BLOCKS)), Combination.parse(combination)
    inputs = ragged_inputs(images=False)
    kinds = [
        kind for index, kind in enumerate(model.config.layer_types) if index not in removed.blocks
    ]
    pruned = without_blocks(model, removed)
    assert pruned.config.layer_types == kinds
    # Cached generation against one full forward per token, on the same pruned model.
    expected = without_blocks(copy.deepcopy(model), removed)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.no_grad():
        for _ in range(6):
            logits = expected(input_ids=ids, attention_mask=mask, use_cache=False).logits
            token = logits[:, -1].argmax(-1, keepdim=True)
            ids, mask = torch.cat([ids, token], 1), torch.cat([mask, torch.ones_like(token)], 1)
    assert torch.equal(generate(pruned, inputs), ids)


def test_the_given_model_is_untouched_and_weights_are_shared() -> None:
    model = randomised(llava(BLOCKS))
    inputs = ragged_inputs(images=True)
    before = generate(model, inputs)
    pruned = without_blocks(model, Combination.parse("0-3"))
    assert len(find_blocks(model).blocks) == BLOCKS
    assert model.config.text_config.num_hidden_layers == BLOCKS
    assert torch.equal(generate(model, inputs), before)
    kept = find_blocks(pruned).blocks[0].self_attn.q_proj.weight
    assert kept.data_ptr() == find_blocks(model).blocks[1].self_attn.q_proj.weight.data_ptr()


@pytest.mark.parametrize(
    ("combination", "reason"),
    [("6", "the model has blocks 0 to 5"), ("0-1-2-3-4-5", "no block would be left")],
)
def test_impossible_combinations_are_refused(combination: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        without_blocks(randomised(gpt2(BLOCKS)), Combination.parse(combination))


def test_code_that_comes_with_a_checkpoint_runs_and_the_config_names_its_blocks(
    demo_model_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules")
    )
    folder = tmp_path / "checkpoint"
    shutil.copytree(
        demo_model_config.path,
        folder,
        ignore=lambda _, names: {n for n in names if "token" not in n},
    )
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_hidden_layers": BLOCKS,
    }
    plain = randomised(LlamaForCausalLM(LlamaConfig(vocab_size=600, **sizes)))
    weights = {
        name.replace(".layers.", ".stages."): value.clone()
        for name, value in plain.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "remote.py").write_text(REMOTE)
    auto_map = {
        "AutoConfig": "remote.RemoteConfig",
        "AutoModelForCausalLM": "remote.RemoteForCausalLM",
    }
    changes = {
        "model_type": "remote",
        "auto_map": auto_map,
        "architectures": ["RemoteForCausalLM"],
    }
    (folder / "config.json").write_text(json.dumps(plain.config.to_dict() | changes))
    config = replace(demo_model_config, kind="text", path=str(folder), trust_remote_code=True)
    with pytest.raises(ModelError, match=r"name it in the config: model\.blocks"):
        describe_model(config)
    config = replace(config, blocks="model.stages")
    description = describe_model(config)
    assert description["num_blocks"] == BLOCKS
    assert description["kinds"] == ["attention"] * BLOCKS
    loaded = load_model(config)
    questions = [
        {"question": text, "choices": [], "images": []}
        for text in ("one", "one two three", "two", "three")
    ]
    batch = make_batch(loaded, probe_rows(questions), "{question}")
    engine = start_engine("shared", loaded, batch, 4)
    assert engine.rung in ("prefixes", "drafts"), engine.reason
    combinations = [NONE, Combination.of((1,)), Combination.of((0, 5))]
    prompt_length = batch.inputs["input_ids"].shape[1]
    for combination, answers in engine.answer_batch(batch, combinations, None):
        expected = generate(without_blocks(plain, combination), {**batch.inputs}, 4)
        tokens = [answer.tokens for answer in answers]
        assert tokens == expected[:, prompt_length:].tolist()
