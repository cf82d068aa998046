"""What the engine uses of transformers and torch beyond their documented interfaces is there.

Where a new release fails here, engine/generation.py is the place to mend.
"""

import inspect
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import zoo
from torch.utils import flop_counter
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    GenerationMixin,
    LlamaConfig,
    LogitsProcessor,
    MistralConfig,
)
from transformers.cache_utils import (
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionLayer,
)
from transformers.generation import utils

from blocksieve.engine import engines, generation
from blocksieve.engine.attempt import UnsupportedError
from blocksieve.engine.inputs import Batch
from blocksieve.engine.self_check import Climbed
from blocksieve.engine.ways import PREFILL
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel

REPOSITORY = Path(__file__).parents[2]
TORCH_NAMES = [
    (torch.Tensor, "_version"),
    (flop_counter, "sdpa_flop_count"),
    (torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu"),
    (torch.ops.aten, "_grouped_mm"),
]


@pytest.mark.parametrize(("owner", "name"), TORCH_NAMES)
def test_a_private_name_of_torch_is_there(owner: Any, name: str) -> None:
    assert hasattr(owner, name)


def test_the_flop_counter_takes_these_arguments() -> None:
    parameters = inspect.signature(flop_counter.FlopCounterMode).parameters
    assert {"display", "custom_mapping"} <= set(parameters)


def test_transformers_has_all_that_is_called() -> None:
    assert generation.missing_names() == []
    assert generation.version_problem(GenerationConfig()) is None


def test_a_penalty_that_does_not_know_where_rows_begin_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(penalty: float, prompt_ignore_length: Any) -> None:
        raise ValueError("`prompt_ignore_length` has to be a positive integer")

    monkeypatch.setattr(generation, "RepetitionPenaltyLogitsProcessor", refuse)
    problem = generation.version_problem(GenerationConfig(repetition_penalty=1.5))
    assert problem is not None
    assert "RepetitionPenaltyLogitsProcessor(prompt_ignore_length by row)" in problem
    assert generation.version_problem(GenerationConfig(repetition_penalty=1.0)) is None


def test_a_missing_name_and_another_signature_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def renamed(self: Any, input_ids: torch.Tensor, settings: Any, model_kwargs: Any) -> None: ...

    monkeypatch.setattr(GenerationMixin, "_prefill", renamed)
    monkeypatch.delattr(utils, "MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL")
    model = zoo.make_model("llama")
    loaded = LoadedModel(model, None, torch.device("cpu"), find_blocks(model))
    probe = Batch(zoo.make_inputs("llama", model))
    monkeypatch.setattr(engines, "climb", lambda *_: Climbed(PREFILL, "slow"))
    with caplog.at_level(logging.WARNING, "blocksieve"):
        engines.start_engine("shared", loaded, probe, 2)
    oldest, newest = generation.TESTED_VERSIONS
    told = (
        f"transformers {transformers.__version__} lacks MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL, "
        f"_prefill(generation_config), so that the engine may be slow; "
        f"it is tested with {oldest} to {newest}"
    )
    assert told in caplog.messages


def test_the_tested_versions_are_the_floor_and_the_pinned_one() -> None:
    oldest, newest = generation.TESTED_VERSIONS
    floor = re.search(r'"transformers>=([\d.]+),', (REPOSITORY / "pyproject.toml").read_text())
    pinned = re.search(
        r"^transformers==(.+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE
    )
    assert floor is not None
    assert pinned is not None
    assert oldest == f"{floor[1]}.0"
    assert newest == pinned[1]


def test_a_cache_and_its_layers_have_these_attributes() -> None:
    cache = DynamicCache(config=LlamaConfig(num_hidden_layers=2))
    assert {"layers", "layer_class_to_replicate"} <= set(vars(cache))
    assert {"keys", "values", "is_initialized"} <= set(vars(cache.layers[0]))
    windows = DynamicCache(config=MistralConfig(num_hidden_layers=2, sliding_window=4))
    assert {"sliding_window", "cumulative_length"} <= set(vars(windows.layers[0]))
    assert "is_updated" in vars(EncoderDecoderCache(DynamicCache(), DynamicCache()))
    assert {"conv_states", "recurrent_states"} <= set(vars(LinearAttentionLayer()))


def test_writing_in_place_is_counted() -> None:
    output = {"hidden": torch.zeros(2), "others": (torch.zeros(1),)}
    before = generation.write_counts(output)
    output["hidden"] += 1
    after = generation.write_counts(output)
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 0]


def test_a_layer_that_was_filled_goes_on_as_one_that_was_read() -> None:
    read, filled = (
        DynamicCache(config=MistralConfig(num_hidden_layers=1, sliding_window=4)).layers[0]
        for _ in range(2)
    )
    keys, values = torch.rand(2, 3, 6, 8), torch.rand(2, 3, 6, 8)
    read.update(keys, values)
    content, kept_tokens = generation.read_layer(read)
    assert kept_tokens == generation.stored_tokens(read, 6) == content.keys.shape[2] == 3
    generation.fill_layer(filled, content, num_read=6)
    following = torch.rand(2, 3, 1, 8)
    for new, old in zip(
        filled.update(following, following), read.update(following, following), strict=True
    ):
        assert torch.equal(new, old)
    assert filled.get_seq_length() == read.get_seq_length() == 7


@pytest.mark.parametrize("num_filled", [0, 5])
def test_a_layer_with_room_holds_what_one_without_it_does(num_filled: int) -> None:
    random = torch.Generator().manual_seed(0)
    cache = DynamicCache(config=LlamaConfig(num_hidden_layers=1))
    plain = cache.layers[0]
    generation.give_room(cache)
    roomy = cache.layers[0]
    assert isinstance(roomy, generation.RoomyLayer)
    if num_filled:
        content = generation.KeysValues(torch.ones(3, 2, 5, 4), torch.ones(3, 2, 5, 6))
        for layer in (plain, roomy):
            generation.fill_layer(layer, content, num_read=5)
    for step in range(80):
        num_rows = 2 if step > 40 else 3
        if step == 41:
            for layer in (plain, roomy):
                generation.select_rows(layer, torch.tensor([2, 0]))
        keys = torch.rand(num_rows, 2, 1, 4, generator=random)
        values = torch.rand(num_rows, 2, 1, 6, generator=random)
        expected = plain.update(keys, values)
        for actual, other in zip(roomy.update(keys, values), expected, strict=True):
            assert torch.equal(actual, other)
        assert roomy.get_seq_length() == plain.get_seq_length() == num_filled + step + 1
    # Only what no longer fits is copied.
    assert roomy.keys.data_ptr() == roomy.room.keys.data_ptr()


def test_rows_of_recurrent_layers_are_joined_and_the_layers_stay_as_they_are() -> None:
    layers = [LinearAttentionLayer() for _ in range(2)]
    for layer in layers:
        layer.update_conv_state(torch.rand(3, 8, 4))
        layer.update_recurrent_state(torch.rand(3, 2, 5))
    first, second = (generation.layer_state(layer) for layer in layers)
    parts = [
        (2, generation.recurrent_rows(layers[0], torch.tensor([2, 0]))),
        (1, None),
        (1, generation.recurrent_rows(layers[1], torch.tensor([1]))),
    ]
    joined = LinearAttentionLayer()
    generation.join_recurrent_rows(joined, parts)
    for name in ("conv_states", "recurrent_states"):
        rows = getattr(joined, name)[0].clone()
        lacking = torch.zeros_like(rows[:1])
        expected = torch.cat([first[name][0][[2, 0]], lacking, second[name][0][[1]]])
        assert torch.equal(rows, expected)
        getattr(joined, name)[0].zero_()
        assert torch.equal(getattr(layers[0], name)[0], first[name][0])
        assert torch.equal(getattr(parts[0][1], name)[0], first[name][0][[2, 0]])
    assert joined.has_previous_state[0]


def test_a_layer_with_states_and_keys_is_told_that_it_cannot_be_cut() -> None:
    layer = LinearAttentionAndFullAttentionLayer()
    with pytest.raises(UnsupportedError, match="LinearAttentionAndFullAttentionLayer"):
        generation.recurrent_rows(layer, torch.tensor([0]))


def test_processors_see_every_step_and_are_gone_afterwards() -> None:
    class Counter(LogitsProcessor):
        steps = 0

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            self.steps += 1
            return scores

    model = zoo.make_model("llava")
    inputs = zoo.make_inputs("llava", model)
    counter = Counter()
    generation.generate_greedily(model, inputs, 3, [counter])
    generation.generate_greedily(model, inputs, 3)
    assert counter.steps == 3


def test_what_generate_decodes_with_is_had_without_decoding() -> None:
    model = zoo.make_model("llava")
    inputs = zoo.make_inputs("llava", model)
    prepared = generation.prepare(model, inputs, 3)
    assert torch.equal(prepared.input_ids, inputs["input_ids"])
    assert prepared.suits_all_combinations
    logits = generation.run_prompts(prepared).logits[:, -1]
    expected = model.generate(**inputs, max_new_tokens=1, do_sample=False)[:, -1]
    assert torch.equal(logits.argmax(-1), expected)
    grown = generation.grow_arguments(model, prepared.arguments, 2)
    width = inputs["input_ids"].shape[1]
    assert grown["attention_mask"].shape[1] == width + 2
    assert prepared.arguments["attention_mask"].shape[1] == width
    assert not {"pixel_values", generation.CACHE_ARGUMENT} & set(generation.without_images(grown))


def test_a_generate_of_its_own_without_other_decoding_methods_is_told() -> None:
    model = zoo.make_model("llama")
    model.generate = lambda input_ids, **_: input_ids
    with pytest.raises(UnsupportedError, match="no room for another decoding method"):
        generation.prepare(model, zoo.make_inputs("llama", model), 3)
