"""Checkpoints that are incomplete, or whose settings do not fit, work or are refused in a line."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from blocksieve.combination import NONE
from blocksieve.datasets.sample import SampleRow
from blocksieve.engine.inputs import check_length, make_batch, make_inputs
from blocksieve.engine.prompt_report import describe_prompt
from blocksieve.engine.reference import generate
from blocksieve.errors import ModelError
from blocksieve.models.describe import describe_model
from blocksieve.models.loading import load_model
from blocksieve.search.evaluate import evaluate
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec, ModelSpec

Weights = dict[str, torch.Tensor]
USUAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


def save_tokenizer(folder: Path, special: dict[str, str]) -> int:
    """Save a byte tokenizer and return the size of its vocabulary without later tokens."""
    backend = ByteLevelBPETokenizer()
    special_tokens = ["<unk>", "<s>", "</s>"]
    if special.get("pad_token") == "<pad>":
        special_tokens[0] = "<pad>"
    backend.train_from_iterator(["What is 3 plus 4?"], 300, special_tokens=special_tokens)
    size: int = backend._tokenizer.get_vocab_size()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend._tokenizer, **special)
    tokenizer.save_pretrained(folder)
    return size


def save_text_model(
    folder: Path,
    special: dict[str, str],
    generation: dict[str, Any] | None = None,
    config: PretrainedConfig | None = None,
) -> ModelSpec:
    """Save a random model of four blocks."""
    vocabulary = save_tokenizer(folder, special)
    if config is None:
        config = LlamaConfig(
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=4,
            num_attention_heads=4,
            initializer_range=0.3,
            tie_word_embeddings=False,
        )
    config.vocab_size = vocabulary
    config.bos_token_id, config.eos_token_id = 1, 2
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    if generation is not None:
        path = folder / "generation_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | generation))
    return spec_of(folder, "text")


def spec_of(folder: Path, kind: Any) -> ModelSpec:
    return ModelSpec(
        kind=kind,
        path=str(folder),
        revision=None,
        gguf_file=None,
        blocks=None,
        prompt=None,
        dtype="float32",
        device="cpu",
        trust_remote_code=False,
    )


def rows_of(*questions: str) -> list[SampleRow]:
    return [
        SampleRow(
            sample_id=f"sample{number}",
            question=question,
            choices=[],
            references=["7"],
            images=[],
            cluster="c",
            split="train",
            role="search",
        )
        for number, question in enumerate(questions)
    ]


def copy_demo(demo_model_config: ModelSpec, folder: Path) -> ModelSpec:
    shutil.copytree(demo_model_config.path, folder, dirs_exist_ok=True)
    return replace(demo_model_config, path=str(folder))


def without_a_block(weights: Weights) -> Weights:
    return {name: value for name, value in weights.items() if ".layers.7." not in name}


def under_another_prefix(weights: Weights) -> Weights:
    return {f"base_model.{name}": value for name, value in weights.items()}


def with_one_more(weights: Weights) -> Weights:
    return weights | {"model.adapter.weight": torch.zeros(2, 2)}


def with_another_shape(weights: Weights) -> Weights:
    cut = {}
    for name, value in weights.items():
        cut[name] = value[:200].contiguous() if "embed_tokens" in name else value
    return cut


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_block, r"9 missing \(model\.language_model\.layers\.7\.\S+, .* and 6 more\)"),
        (under_another_prefix, r"\d+ missing \(.*\); \d+ unexpected \(base_model\."),
        (with_one_more, r"1 unexpected \(model\.adapter\.weight\)"),
        (with_another_shape, r"1 mismatched \(model\.language_model\.embed_tokens\.weight\)"),
    ],
)
def test_weights_that_are_not_the_models_are_named(
    demo_model_config: ModelSpec, tmp_path: Path, change: Any, message: str
) -> None:
    spec = copy_demo(demo_model_config, tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    with pytest.raises(ModelError, match=message) as error:
        load_model(spec)
    assert "\n" not in str(error.value)


def test_a_tied_head_is_not_missing(tmp_path: Path) -> None:
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        tie_word_embeddings=True,
    )
    spec = save_text_model(tmp_path, USUAL, config=config)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    load_model(spec)


def test_a_config_of_impossible_values_is_one_line(tmp_path: Path) -> None:
    config = Gemma3TextConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
    )
    spec = save_text_model(tmp_path, USUAL, config=config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 4}))
    with pytest.raises(ModelError, match=r"cannot load .*num_hidden_layers") as error:
        describe_model(spec)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "special", [{"bos_token": "<s>", "eos_token": "</s>"}, {"bos_token": "<s>"}, {}]
)
def test_without_a_padding_token_another_one_fills_up(
    tmp_path: Path, special: dict[str, str]
) -> None:
    spec = save_text_model(tmp_path, special)
    assert "tokens: " in describe_prompt(spec, rows_of("What is 3 plus 4?")[0], "{question}", "a")
    assert_padding_is_hidden(spec)


def test_a_padding_token_beyond_the_vocabulary_is_replaced(tmp_path: Path) -> None:
    special = {"pad_token": "[PAD]", "bos_token": "<s>", "eos_token": "</s>"}
    spec = save_text_model(tmp_path, special, {"pad_token_id": 300})
    assert_padding_is_hidden(spec)


def assert_padding_is_hidden(spec: ModelSpec) -> None:
    """Samples of different lengths get the same answers together as alone."""
    loaded = load_model(spec)
    rows = rows_of("What is 3 plus 4?", "What?")
    together = generate(loaded, loaded.model, make_inputs(loaded, rows, "{question}"), 3)
    for row, answer in zip(rows, together, strict=True):
        inputs = make_inputs(loaded, [row], "{question}")
        (alone,) = generate(loaded, loaded.model, inputs, 3)
        assert alone.tokens == answer.tokens


@pytest.mark.parametrize(
    "settings",
    [
        {"return_dict_in_generate": True, "output_scores": True},
        {"penalty_alpha": 0.6, "top_k": 4},
        {"prompt_lookup_num_tokens": 3},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
        {"num_beams": 4, "num_return_sequences": 2},
        {"dola_layers": "low"},
        {"token_healing": True},
    ],
)
def test_settings_of_other_searches_leave_greedy_answers(
    tmp_path: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rows = rows_of("What is 3 plus 4?", "What?")
    answers = []
    for generation in ({}, settings):
        spec = save_text_model(tmp_path, USUAL, generation)
        loaded = load_model(spec)
        inputs = make_inputs(loaded, rows, "{question}")
        answered = generate(loaded, loaded.model, inputs, 3)
        answers.append([answer.tokens for answer in answered])
    assert answers[0] == answers[1]
    for name, value in settings.items():
        if name not in ("top_k", "return_dict_in_generate", "output_scores"):
            assert f"generation_config.json: {name}={value!r} is not used" in caplog.text


def test_strings_that_end_an_answer_are_refused(tmp_path: Path) -> None:
    spec = save_text_model(tmp_path, USUAL, {"stop_strings": ["."]})
    with pytest.raises(ModelError, match=r"generation_config\.json of .* stop_strings"):
        load_model(spec)


def test_unreadable_settings_are_not_passed_over(tmp_path: Path) -> None:
    spec = save_text_model(tmp_path, USUAL)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"cannot load .*generation_config\.json"):
        load_model(spec)


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(n_embd=32, n_layer=4, n_head=4, n_positions=16),
        OPTConfig(
            hidden_size=32,
            ffn_dim=48,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=16,
            word_embed_proj_dim=32,
        ),
    ],
    ids=["gpt2", "opt"],
)
def test_prompts_longer_than_the_learnt_positions_name_the_config(
    tmp_path: Path, config: PretrainedConfig
) -> None:
    loaded = load_model(save_text_model(tmp_path, USUAL, config=config))
    short = make_batch(loaded, rows_of("a" * 10), "{question}")
    assert short.prompt_tokens == 10
    check_length(loaded, short.inputs, 7)
    generate(loaded, loaded.model, short.inputs, 7)
    with pytest.raises(ModelError, match=r"config\.json .*learnt 16 positions.* 10 tokens .* 8;"):
        check_length(loaded, short.inputs, 8)
    with pytest.raises(ModelError, match="a prompt has 17 tokens"):
        make_batch(loaded, rows_of("a" * 17), "{question}")


def test_a_template_that_fails_is_not_blamed_on_the_samples(
    demo_model_config: ModelSpec, demo_samples: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    spec = copy_demo(demo_model_config, folder)
    template = folder / "chat_template.jinja"
    check = "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template.write_text(check + template.read_text())
    samples, definition = demo_samples("demo_vqa", 4)
    evaluation = EvaluationSpec("shared", 4, batch_timeout=3600)
    task = Task("demo_vqa", definition, spec, "fingerprint", evaluation)
    with pytest.raises(ModelError, match="no system") as error:
        evaluate(task, samples, samples, [NONE], tmp_path / "cache")
    message = str(error.value)
    assert message.startswith("chat_template.jinja of the checkpoint, its chat template: ")
    assert "with 4 of 4 samples" in message
    assert "dataset" not in message
    assert "\n" not in message
