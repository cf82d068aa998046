"""A job's work on the embedded model: engine, cache, scores, shard."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from blocksieve import shards
from blocksieve.combination import NONE, Combination
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import make_batch, make_inputs, probe_rows
from blocksieve.engine.reference import generate
from blocksieve.search.evaluate import evaluate, metadata_of, with_scores
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec

COMBINATIONS = [Combination.parse(text) for text in ("none", "0", "7", "15", "3-4")]


@pytest.fixture
def task(demo_samples, demo_model_config) -> Task:
    _, definition = demo_samples("demo_vqa", 2)
    evaluation = EvaluationSpec("reference", 4, 3600)
    return Task("demo_vqa", definition, demo_model_config, "fingerprint", evaluation)


def cached(folder: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(path) for path in sorted(folder.rglob("*.parquet")))


@pytest.mark.parametrize("name", ["shared", "reference"])
@pytest.mark.parametrize("dataset", ["demo_vqa", "demo_science_qa", "demo_caption"])
def test_a_ragged_batch_answers_as_its_rows_alone(
    demo_model, demo_samples, dataset: str, name: str
) -> None:
    samples, definition = demo_samples(dataset, 6)
    rows, prompt = samples.to_dicts(), definition.prompt
    probe = make_batch(demo_model, probe_rows(rows), prompt)
    engine = start_engine(name, demo_model, probe, definition.max_new_tokens)
    batch = make_batch(demo_model, rows, prompt)
    together = dict(engine.answer_batch(batch, COMBINATIONS, None))
    for place, row in enumerate(rows):
        single = make_batch(demo_model, [row], prompt)
        alone = dict(engine.answer_batch(single, COMBINATIONS, None))
        for combination in COMBINATIONS:
            assert alone[combination][0].tokens == together[combination][place].tokens


def test_answers_are_those_of_the_models_own_generate(demo_model, demo_samples) -> None:
    samples, definition = demo_samples("demo_caption", 4)
    inputs = make_inputs(demo_model, samples.to_dicts(), definition.prompt)
    width = inputs["input_ids"].shape[1]
    output = demo_model.model.generate(**inputs, max_new_tokens=24, do_sample=False)
    answers = generate(demo_model, demo_model.model, inputs, 24)
    for answer, generated in zip(answers, output[:, width:].tolist(), strict=True):
        assert answer.tokens == generated[: len(answer.tokens)]
        assert set(generated[len(answer.tokens) :]) <= {demo_model.tokenizer.pad_token_id}
        text = demo_model.processor.decode(generated, skip_special_tokens=True)
        assert answer.text == text.strip()


def test_pairs_are_computed_once_and_a_full_cache_needs_no_model(
    task: Task, demo_samples, tmp_path: Path
) -> None:
    samples, _ = demo_samples("demo_vqa", 6)
    evaluation = evaluate(task, samples, samples, COMBINATIONS[:3], tmp_path)
    first = evaluation.rows
    assert evaluation.times.engine["rung"] == "reference"
    assert evaluation.times.computed == 3 * 6
    assert len(first) == len(cached(tmp_path)) == 3 * 6
    wider = evaluate(task, samples, samples, COMBINATIONS, tmp_path).rows
    assert len(cached(tmp_path)) == 5 * 6
    assert wider.head(len(first)).equals(first)
    without_model = replace(task, model=replace(task.model, path="nowhere"))
    again = evaluate(without_model, samples, samples, COMBINATIONS, tmp_path)
    assert again.rows.equals(wider)
    assert again.times.engine == {}
    assert again.times.computed == 0


def test_more_samples_and_lost_batches_cost_only_what_is_missing(
    task: Task, demo_samples, tmp_path: Path
) -> None:
    few, _ = demo_samples("demo_vqa", 4)
    many, _ = demo_samples("demo_vqa", 10)
    evaluate(task, few, few, COMBINATIONS[:2], tmp_path)
    expected = evaluate(task, many, many, COMBINATIONS[:2], tmp_path).rows
    assert len(cached(tmp_path)) == 2 * 10
    parts = sorted(tmp_path.rglob("*.parquet"), key=lambda path: pl.read_parquet(path).height)
    parts[0].unlink()
    assert evaluate(task, many, many, COMBINATIONS[:2], tmp_path).rows.equals(expected)
    assert len(cached(tmp_path)) == 2 * 10


def test_another_prompt_is_another_context(task: Task) -> None:
    other = replace(task, definition=replace(task.definition, prompt="answer: {question}"))
    same = replace(task, evaluation=EvaluationSpec("shared", 9, 1))
    assert other.context() != task.context()
    assert same.context() == task.context()


@pytest.mark.parametrize("change", [{"blocks": "model.layers"}, {"trust_remote_code": True}])
def test_what_is_loaded_otherwise_is_another_context(task: Task, change: dict[str, Any]) -> None:
    """The checkpoint's fingerprint does not tell which of its lists of blocks is searched."""
    other = replace(task, model=replace(task.model, **change))
    assert other.context() != task.context()


def test_a_shard_holds_what_the_design_promises(task: Task, demo_samples, tmp_path: Path) -> None:
    samples, _ = demo_samples("demo_vqa", 4)
    combinations = [NONE, Combination.of((2, 10))]
    evaluation = evaluate(task, samples, samples, combinations, tmp_path / "cache")
    metadata = metadata_of(task, evaluation.times.engine)
    shards.write(tmp_path / "shard.parquet", task.dataset, evaluation.rows, metadata)
    table = pq.read_table(tmp_path / "shard.parquet")
    assert table.column_names == [
        "dataset", "combination", "removed", "size", "sample_id", "cluster", "split", "role",
        "prediction", "tokens", "near_tie", "non_finite", "refused", "unparsable", "score",
    ]  # fmt: skip
    assert table["removed"].to_pylist() == [[]] * 4 + [[2, 10]] * 4
    assert table["size"].to_pylist() == [0] * 4 + [2] * 4
    about = json.loads(table.schema.metadata[b"blocksieve"])
    assert about["fingerprint"] == task.context()
    known = {"schema_version", "blocksieve_version", "fingerprint", "device", "dtype", "engine"}
    assert set(about) == known | {"rung", "reason", "ran_on", "flops"}


def test_an_empty_part_makes_an_empty_shard(task: Task, demo_samples, tmp_path: Path) -> None:
    samples, _ = demo_samples("demo_vqa", 4)
    evaluation = evaluate(task, samples, samples, [], tmp_path / "cache")
    metadata = metadata_of(task, evaluation.times.engine)
    shards.write(tmp_path / "shard.parquet", task.dataset, evaluation.rows, metadata)
    assert pq.read_table(tmp_path / "shard.parquet").num_rows == 0
    assert not (tmp_path / "cache").exists()


def test_answers_that_name_no_choice_are_counted_and_score_nothing(
    task: Task, demo_samples
) -> None:
    samples, definition = demo_samples("demo_science_qa", 4)
    task = replace(task, definition=definition)
    right = [references[0] for references in samples["references"]]
    rows = samples.select("sample_id").with_columns(
        prediction=pl.Series([right[0], "A or B", "no idea", None])
    )
    scored = with_scores(task, samples, rows)
    assert scored["unparsable"].to_list() == [False, True, True, None]
    assert scored["score"].to_list() == [1, 0, 0, None]
    # Of four choices; an answer that cannot be read is as wrong as any.
    above = with_scores(
        replace(task, definition=replace(definition, above_chance=True)), samples, rows
    )
    assert above["score"].to_list() == pytest.approx([1, -1 / 3, -1 / 3, None])
