"""What leaving blocks out gains: parameters, memory and times, whole and pruned in turns."""

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
import torch
import zoo

from blocksieve import deployment
from blocksieve.combination import Combination
from blocksieve.deployment import gain
from blocksieve.deployment.gain import WHOLE, Variant
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel
from blocksieve.pareto import on_front
from blocksieve.specs import EvaluationSpec, ModelSpec

LIST = Combination.of((4, 13))
HOLDOUT = {"drop": 1.0, "low": 0.0, "high": 2.0}
RECOMMENDATIONS: Any = {
    "unit": "%",
    "sizes": [
        {"combination": "7", "holdout": HOLDOUT | {"drop": 2.0}, "removed_parameters": 0.05},
        {"combination": "4-13", "holdout": HOLDOUT, "removed_parameters": 0.1},
    ],
    "strategies": {
        "conservative": {"combination": "none"},
        "balanced": {"combination": "4-13"},
        "aggressive": {"combination": "4-13"},
    },
}


@pytest.fixture(scope="module")
def sources(demo_samples, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Definitions and tables of two datasets."""
    folder = tmp_path_factory.mktemp("tables")
    definitions, tables = {}, {}
    for dataset in ("demo_vqa", "demo_caption"):
        table, definitions[dataset] = demo_samples(dataset, 6)
        tables[dataset] = folder / f"{dataset}.parquet"
        table.write_parquet(tables[dataset])
    return definitions, tables


@pytest.fixture
def loading(demo_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the model that is loaded already, and few repeats."""
    monkeypatch.setattr(gain, "load_model", lambda _: demo_model)
    monkeypatch.setattr(gain, "REPEATS", 6)
    monkeypatch.setattr(gain, "ANSWER_TOKENS", 3)


@pytest.mark.usefixtures("loading")
def test_whole_and_pruned_models_are_measured(demo_model_config: ModelSpec, sources: Any) -> None:
    evaluation = EvaluationSpec("shared", 3, batch_timeout=3600)
    document = gain.measure_gain(demo_model_config, evaluation, RECOMMENDATIONS, *sources)
    whole, single, pair = document["models"]
    assert [each["combination"] for each in document["models"]] == ["none", "7", "4-13"]
    assert pair["strategies"] == ["balanced", "aggressive"]
    assert whole["strategies"] == single["strategies"] == []
    block = whole["parameters"] - single["parameters"]
    assert whole["parameters"] - pair["parameters"] == 2 * block > 0
    assert pair["bytes"] == 4 * pair["parameters"]  # float32
    # 4 heads of 16 numbers, keys and values, in each block.
    assert whole["cache_bytes_per_token"] == 16 * 2 * 4 * 16 * 4
    assert pair["cache_bytes_per_token"] == 14 * 2 * 4 * 16 * 4
    assert whole["state_bytes"] == 0
    for measured, before in zip(pair["at_batch"], whole["at_batch"], strict=True):
        assert pair["bytes"] < measured["peak_bytes"] < before["peak_bytes"]
        for time in ("first_token", "further_token"):
            assert before[time]["of_whole"] == {"median": 1, "low": 1, "high": 1}
            seconds = measured[time]["seconds"]
            assert 0 < seconds["low"] <= seconds["median"] <= seconds["high"]
    assert [each["batch_size"] for each in pair["at_batch"]] == [1, 3]
    assert pair["at_batch"][0]["peak_bytes"] < pair["at_batch"][1]["peak_bytes"]
    # 7 has more parameters than 4-13, and loses more.
    assert document["pareto"] == ["none", "4-13"]
    conditions = document["conditions"]
    assert (conditions["device"], conditions["dtype"]) == ("cpu", "float32")
    assert conditions["role"] == "search"  # there are no holdout samples
    assert conditions["prompt_tokens"]["least"] > 16  # those of the picture
    assert conditions["answer_tokens"]["greatest"] == gain.ANSWER_TOKENS
    schema = json.loads(resources.files(deployment).joinpath("deployment.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), schema)


@pytest.mark.usefixtures("loading")
def test_halves_are_measured_as_zeros_and_skipped(
    demo_model_config: ModelSpec, sources: Any
) -> None:
    halves = {"combination": "2a-7-9m", "holdout": HOLDOUT, "removed_parameters": 0.1}
    recommendations = RECOMMENDATIONS | {"sizes": [halves]}
    evaluation = EvaluationSpec("shared", 1, batch_timeout=3600)
    document = gain.measure_gain(demo_model_config, evaluation, recommendations, *sources)
    whole, pruned = document["models"]
    assert [len(each["skipping"]) for each in (whole, pruned)] == [0, 1]
    block = (whole["parameters"] - pruned["parameters"]) / whole["parameters"]
    assert 0 < block < 1 / 16  # one block is gone, and zeros are weights
    assert document["pareto"] == ["none", "2a-7-9m"]
    schema = json.loads(resources.files(deployment).joinpath("deployment.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), schema)


def test_a_model_that_skips_halves_answers_as_one_with_zeros(
    demo_model: LoadedModel, sources: Any
) -> None:
    combination = Combination.parse("2a-7-9m")
    questions = gain.read_questions(*sources)
    inputs, num_tokens = gain._inputs(demo_model, questions, questions.batches(4), None)
    answers = []
    calls: list[int] = []
    for skips in (False, True):
        model = gain._model_of(demo_model, Variant(combination, skips))
        attention = find_blocks(model).blocks[2].self_attn.q_proj
        attention.register_forward_hook(lambda *_: calls.append(1))
        gain._answer(model, inputs, num_tokens)  # the first call of a half runs
        calls.clear()
        answers.append(gain._answer(model, inputs, num_tokens).tolist())
        assert bool(calls) != skips
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("loading")
def test_models_take_turns_on_the_same_prompts(
    demo_model: LoadedModel, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {
        WHOLE: demo_model.model,
        Variant(LIST): demo_model.model,
        Variant(Combination.of((1,))): None,
    }
    asked = []

    def times(model: Any, inputs: Any, num_tokens: int, gpus: Any) -> tuple[float, float]:
        asked.append((id(inputs), inputs["input_ids"].shape[0]))
        return 1.0, 2.0

    monkeypatch.setattr(gain, "_times", times)
    monkeypatch.setattr(gain, "peak_bytes", lambda *_: 0)
    monkeypatch.setattr(gain, "weights_bytes", lambda _: 0)
    orders = []
    shuffle = gain.random.Random.shuffle
    monkeypatch.setattr(
        gain.random.Random,
        "shuffle",
        lambda self, order: (shuffle(self, order), orders.append(tuple(order))),
    )
    gain._measure(demo_model, models, gain.read_questions(*sources), 2, gain.Lengths())
    assert len(orders) == 6
    assert len(set(orders)) > 1
    for start in range(0, len(asked), 3):
        assert len(set(asked[start : start + 3])) == 1
    assert {rows for _, rows in asked} == {2}


@pytest.mark.usefixtures("loading")
def test_a_batch_without_room_is_halved(sources: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def measure(loaded: Any, models: Any, questions: Any, batch_size: int, lengths: Any) -> Any:
        tried.append(batch_size)
        if batch_size > 4:
            raise torch.OutOfMemoryError
        return {}

    monkeypatch.setattr(gain, "_measure", measure)
    gain._measure_with_room(None, {}, None, 16, gain.Lengths())
    assert tried == [16, 8, 4]


def test_prompts_come_in_the_order_of_a_hash_and_from_all_datasets_in_turn(sources: Any) -> None:
    questions = gain.read_questions(*sources)
    batches = questions.batches(4)
    names, ids = [], []
    for _ in range(4):
        dataset, rows = next(batches)
        names.append(dataset)
        ids.append([row["sample_id"] for row in rows])
    assert names == ["demo_vqa", "demo_caption"] * 2
    assert len({*ids[0], *ids[2]}) == 6  # six samples, and then the first ones again
    assert ids[0][:2] == ids[2][2:]
    assert ids[0] != sorted(ids[0]) or ids[1] != sorted(ids[1])


def test_the_interval_of_a_median_is_its_order_statistics() -> None:
    # Tables of the sign test: 20 values, ranks 6 and 15, 95.9 %.
    assert gain.median_of(range(20, 0, -1)) == {"median": 10.5, "low": 6, "high": 15}
    assert gain.median_of(range(1, 7)) == {"median": 3.5, "low": 1, "high": 6}


def test_memory_that_is_given_back_can_be_taken_again() -> None:
    def call() -> None:
        for _ in range(3):
            torch.zeros(1000, 1000)
        kept = torch.zeros(1000)
        torch.zeros(500, 1000).add_(kept[0])

    assert 4e6 <= gain.peak_bytes([], call) < 4.1e6


def test_a_gpu_is_waited_for_and_asked_for_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [torch.device("cuda:0"), torch.device("cuda:1")]
    waited, reset = [], []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 130)
    gain.now(gpus)
    assert waited == gpus
    assert gain.peak_bytes(gpus, lambda: None) == 60
    assert reset == gpus


def test_a_recurrent_state_does_not_count_by_the_token() -> None:
    model = zoo.make_model("bamba")
    inputs = zoo.make_inputs("bamba", model)
    short, long = (gain._cache_sizes(model, inputs, count) for count in (2, 5))
    growing = [after - before for before, after in zip(short, long, strict=True) if after > before]
    kinds = model.config.layers_block_type
    assert len(growing) == 2 * kinds.count("full_attention") > 0
    assert len(short) > len(growing)  # the states of the other blocks


def test_a_front_has_what_nothing_beats() -> None:
    costs = [(1, 5), (2, 3), (2, 4), (3, 3), (4, 1), (4, 1)]
    assert on_front(costs) == [True, True, False, False, True, True]
    assert on_front([]) == []
