"""A checkpoint with code of its own, whose processor and model are called as no others are."""

import logging
from dataclasses import replace

import pytest
import torch
from molmo.old_molmo import OldConfig, OldMolmo, OldProcessor
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from blocksieve.combination import Combination
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, probe_rows
from blocksieve.engine.prompt_report import describe_prompt
from blocksieve.errors import ModelError
from blocksieve.models.describe import describe_model
from blocksieve.models.loading import load_model
from blocksieve.specs import ModelSpec

COMBINATIONS = [Combination.parse(text) for text in ("none", "0", "3", "1-2")]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("old_molmo")
    words = [
        "<end>",
        "<im_patch>",
        "[UNK]",
        "User:",
        "Assistant:",
        "what",
        "color",
        "is",
        "the",
        "star",
        "square",
    ]
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    OldProcessor.register_for_auto_class("AutoProcessor")
    OldMolmo.register_for_auto_class("AutoModelForCausalLM")
    OldConfig.register_for_auto_class()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", additional_special_tokens=["<im_patch>"]
    )
    OldProcessor(fast).save_pretrained(folder)
    torch.manual_seed(0)
    model = OldMolmo(OldConfig(vocab_size=len(words), eos_token_id=0, pad_token_id=0))
    model.all_tied_weights_keys = {}
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    return ModelSpec(
        kind="vlm",
        path=str(folder),
        revision=None,
        gguf_file=None,
        blocks="model.transformer.blocks",
        prompt=None,
        dtype="float32",
        device="cpu",
        trust_remote_code=True,
    )


def test_its_code_runs_only_where_the_config_says_so(
    config: ModelSpec, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(
        ModelError, match=r"comes with code of its own.*set model\.trust_remote_code to true"
    ):
        describe_model(replace(config, trust_remote_code=False))
    with caplog.at_level(logging.WARNING, "blocksieve"):
        assert describe_model(config)["num_blocks"] == 4
    assert f"code that comes with {config.path} may run: old_molmo.py" in caplog.text


def test_rows_of_a_batch_answer_as_alone_with_and_without_blocks(
    config: ModelSpec, demo_samples
) -> None:
    samples, definition = demo_samples("demo_vqa", 6)
    rows, prompt = samples.to_dicts(), definition.prompt
    loaded = load_model(config)
    engine = start_engine("shared", loaded, make_batch(loaded, probe_rows(rows), prompt), 5)
    assert engine.rung in ("view", "prefill"), engine.reason
    together = dict(engine.answer_batch(make_batch(loaded, rows, prompt), COMBINATIONS, None))
    for place, row in enumerate(rows):
        alone = dict(engine.answer_batch(make_batch(loaded, [row], prompt), COMBINATIONS, None))
        assert all(alone[c][0].tokens == together[c][place].tokens for c in COMBINATIONS)
    assert len({str(answers) for answers in together.values()}) == len(COMBINATIONS)


def test_answers_are_those_of_its_own_way_of_asking(config: ModelSpec, demo_samples) -> None:
    from transformers import GenerationConfig

    samples, definition = demo_samples("demo_vqa", 3)
    rows = samples.to_dicts()
    loaded = load_model(config)
    probe = make_batch(loaded, probe_rows(rows), definition.prompt)
    engine = start_engine("reference", loaded, probe, 5)
    for row in rows:
        batch = make_batch(loaded, [row], definition.prompt)
        settings = GenerationConfig(max_new_tokens=5, use_cache=True, eos_token_id=0)
        expected = loaded.model.generate_from_batch(batch.inputs, settings)
        expected_tokens = expected[0, batch.inputs["input_ids"].shape[1] :].tolist()
        answers = dict(engine.answer_batch(batch, COMBINATIONS[:1], None))
        tokens = answers[COMBINATIONS[0]][0].tokens
        assert expected_tokens[: len(tokens)] == tokens


def test_the_prompt_is_shown_as_its_processor_writes_it(config: ModelSpec, demo_samples) -> None:
    samples, definition = demo_samples("demo_vqa", 2)
    seen = describe_prompt(config, samples.row(0, named=True), definition.prompt, "a")
    assert "<im_patch>[x 4]" in seen
    assert "User:" in seen
