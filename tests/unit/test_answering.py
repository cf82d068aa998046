"""A job's loop: batches, memory that runs out, drafts, refusals, broken weights."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from planted import all_analyses, planted_evidence
from safetensors.torch import load_file, save_file

from blocksieve import shards
from blocksieve.combination import NONE, Combination
from blocksieve.engine import self_check
from blocksieve.engine.checked_ways import read_checked_ways
from blocksieve.engine.engines import Engine, exact_ways
from blocksieve.engine.ways import DRAFTS, PREFIXES, Way
from blocksieve.errors import ModelError
from blocksieve.job_times import read_job_times, write_job_times
from blocksieve.merging import merge_shards
from blocksieve.models.loading import load_model
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import as_text
from blocksieve.report.times import times_document
from blocksieve.search.answering import automatic_batch_size, cached_answers
from blocksieve.search.cache import Cache, CacheRow
from blocksieve.search.evaluate import Evaluation, evaluate, metadata_of
from blocksieve.search.plan import Plan
from blocksieve.search.step_part import Share, evaluate_shares
from blocksieve.search.task import Task
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec


def written(table: pl.DataFrame) -> str:
    """The report on a table of evaluations, in one line."""
    results = all_analyses(planted_evidence(table, "points"))
    text = as_text(TITLE, compose(table, results, RunFacts(scale="points")))
    return " ".join(text.split())


COMBINATIONS = [Combination.parse(text) for text in ("none", "0", "7", "3-4")]


def make_task(
    definition: DatasetSpec, model: ModelSpec, batch_size: Any, engine: Any = "shared"
) -> Task:
    evaluation = EvaluationSpec(engine, batch_size, batch_timeout=3600)
    return Task("demo_vqa", definition, model, "fingerprint", evaluation)


def write_shard(path: Path, task: Task, evaluation: Evaluation) -> None:
    metadata = metadata_of(task, evaluation.times.engine)
    shards.write(path, task.dataset, evaluation.rows, metadata)


def test_engines_and_batch_sizes_give_the_same_rows(
    demo_samples, demo_model_config, tmp_path: Path
) -> None:
    samples, definition = demo_samples("demo_vqa", 12)
    ways = [("reference", 5), ("shared", 5), ("shared", 1), ("shared", "auto")]
    tasks = [make_task(definition, demo_model_config, size, engine) for engine, size in ways]
    tables = [
        evaluate(task, samples, samples, COMBINATIONS, tmp_path / str(way)).rows
        for way, task in enumerate(tasks)
    ]
    assert all(table.equals(tables[0]) for table in tables)


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(
    demo_samples,
    demo_model_config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples, definition = demo_samples("demo_vqa", 12)
    task = make_task(definition, demo_model_config, 12)
    expected = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "enough").rows
    answer_batch = Engine.answer_batch

    def cramped(self: Engine, batch: Any, combinations: Any, drafts: Any) -> Any:
        for number, answered in enumerate(answer_batch(self, batch, combinations, drafts)):
            if batch.rows > 3 and number == 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield answered

    monkeypatch.setattr(Engine, "answer_batch", cramped)
    rows = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "cramped").rows
    assert rows.equals(expected)
    assert "out of memory with 12 samples at once; going on with 6" in caplog.text
    assert "out of memory with 6 samples at once; going on with 3" in caplog.text

    def hopeless(self: Engine, batch: Any, combinations: Any, drafts: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Engine, "answer_batch", hopeless)
    with pytest.raises(ModelError, match="not enough memory to answer a single sample"):
        evaluate(task, samples, samples, COMBINATIONS, tmp_path / "hopeless")


def test_a_cpu_without_memory_inside_the_model_halves_the_batch_too(
    demo_samples,
    demo_model_config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples, definition = demo_samples("demo_vqa", 12)
    task = make_task(definition, demo_model_config, 12)
    expected = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "enough").rows

    def no_room(module: Any, args: Any) -> None:
        if len(args[0]) > 3:
            torch.empty(10**15)

    def cramped(config: dict[str, Any]) -> Any:
        loaded = load_model(config)
        loaded.blocks.blocks[5].register_forward_pre_hook(no_room)
        return loaded

    monkeypatch.setattr("blocksieve.search.answering.load_model", cramped)
    rows = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "cramped").rows
    assert rows.equals(expected)
    assert "out of memory with 4 samples to check the engine with" in caplog.text
    assert "out of memory with 6 samples at once; going on with 3" in caplog.text


def test_what_a_check_found_is_kept_and_only_confirmed(
    demo_samples,
    demo_model_config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples, definition = demo_samples("demo_vqa", 6)
    task = make_task(definition, demo_model_config, 6)
    checks: list[str] = []

    def counted(*arguments: Any) -> Any:
        checks.append(arguments[0])
        return exact_ways(*arguments)

    monkeypatch.setattr("blocksieve.search.answering.exact_ways", counted)
    evaluate(task, samples, samples, [NONE], tmp_path)
    evaluate(task, samples, samples, COMBINATIONS, tmp_path)
    assert checks == ["shared"]  # the second job confirmed it
    (path,) = (tmp_path / task.context()).glob("*.json")
    checked = read_checked_ways(path)
    assert checked is not None
    assert checked.fastest.way == PREFIXES

    evaluate(task, samples[1:], samples[1:], COMBINATIONS[:1], tmp_path / "other")
    assert checks == ["shared"] * 2  # other samples are checked by themselves

    path.write_text("{")
    evaluate(task, samples, samples, [Combination.of((5,))], tmp_path)
    assert checks == ["shared"] * 3
    assert f"{path} is corrupt" in caplog.text
    assert read_checked_ways(path) == checked


def test_a_kept_check_that_no_longer_holds_is_made_anew(
    demo_samples,
    demo_model_config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples, definition = demo_samples("demo_vqa", 6)
    task = make_task(definition, demo_model_config, 6)
    expected = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "expected").rows
    evaluate(task, samples, samples, [NONE], tmp_path / "kept")
    answers_of_way = self_check.answer_batch_in

    def changed(way: Way, *arguments: Any) -> Any:
        """Another token of every first answer on the fastest way."""
        for combination, answers in answers_of_way(way, *arguments):
            if way == PREFIXES:
                answers = [replace(answers[0], tokens=[0], near_tie=False), *answers[1:]]
            yield combination, answers

    monkeypatch.setattr(self_check, "answer_batch_in", changed)
    rows = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "kept").rows
    assert (
        "does not hold, the engine is checked anew: without 1-8: row 0 answers [0]" in caplog.text
    )
    (path,) = (tmp_path / "kept" / task.context()).glob("*.json")
    checked = read_checked_ways(path)
    assert checked is not None
    assert checked.fastest.way == DRAFTS
    assert rows.drop("near_tie").equals(expected.drop("near_tie"))


def test_a_job_loads_the_model_once_for_all_datasets(
    demo_samples,
    demo_model_config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    shares = []
    for dataset in ("demo_vqa", "demo_caption"):
        samples, definition = demo_samples(dataset, 6)
        task = replace(make_task(definition, demo_model_config, 6), dataset=dataset)
        samples.write_parquet(tmp_path / f"{dataset}.parquet")
        plan = Plan("single", ())
        shares.append(Share(task, tmp_path / f"{dataset}.parquet", plan, COMBINATIONS))
    loads: list[ModelSpec] = []

    def counted(spec: ModelSpec) -> Any:
        loads.append(spec)
        return load_model(spec)

    monkeypatch.setattr("blocksieve.models.loading.load_model", counted)
    evaluations = list(evaluate_shares(shares, tmp_path / "cache"))
    assert loads == [demo_model_config]
    assert "48 of 48 pairs" in caplog.text  # of both datasets
    for share, (task, evaluation) in zip(shares, evaluations, strict=True):
        assert task == share.task
        samples = pl.read_parquet(share.table)
        alone = evaluate(task, samples, samples, COMBINATIONS, tmp_path / "alone")
        assert evaluation.rows.equals(alone.rows)
    list(evaluate_shares(shares, tmp_path / "cache"))
    assert loads == [demo_model_config]


def test_drafts_are_what_most_parents_said(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "context")
    answers = {"none": [1], "2": [5, 6], "9": [5, 6], "4": [7]}
    cache.append(
        [
            CacheRow(name, "a", "", tokens, near_tie=False, non_finite=False, refused=None)
            for name, tokens in answers.items()
        ]
    )
    samples = pl.DataFrame({"sample_id": ["a", "b"]})
    assert cached_answers([Combination.of((2, 9))], samples, cache) == {"a": [5, 6]}
    assert cached_answers([Combination.of((4,))], samples, cache) == {"a": [1]}


@pytest.mark.parametrize(("share", "size"), [(0, 256), (1 / 44.5, 44), (2, 1)])
def test_a_batch_fits_into_memory(demo_model, share: float, size: int) -> None:
    """`share`: what a sample takes of the room, an eighth of the machine's memory."""
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8
    engine = Engine.__new__(Engine)
    engine.bytes_per_row = int(share * room)
    assert automatic_batch_size(engine, demo_model) == size


@pytest.fixture
def broken_model(demo_model_config, tmp_path: Path) -> ModelSpec:
    """The embedded model with a number that is none in block 3."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for file in Path(demo_model_config.path).iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(Path(demo_model_config.path) / "model.safetensors")
    name = next(
        name for name in weights if "layers.3.mlp.down_proj" in name and "vision" not in name
    )
    weights[name][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return replace(demo_model_config, path=str(folder))


def test_logits_that_are_no_numbers_are_counted_and_named(
    broken_model, demo_samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples, definition = demo_samples("demo_vqa", 6)
    task = make_task(definition, broken_model, "auto")
    combinations = [NONE, Combination.of((3,)), Combination.of((5,))]
    evaluation = evaluate(task, samples, samples, combinations, tmp_path / "cache")
    assert "demo_vqa: combination 5 gives NaN or infinite logits on 6 samples" in caplog.text
    assert "combination 3 gives" not in caplog.text
    write_shard(tmp_path / "shard.parquet", task, evaluation)
    table = merge_shards({"demo_vqa": definition}, [tmp_path / "shard.parquet"], 0)
    assert dict(table.select("combination", "non_finite").iter_rows()) == {
        "none": 6,
        "3": 0,
        "5": 6,
    }
    report = written(table)
    assert (
        "Combination 5 gave NaN or infinite logits on 6 of 6 samples of demo_vqa (search)" in report
    )


def test_a_combination_that_cannot_run_is_recorded_with_its_reason(
    demo_samples, demo_model_config, tmp_path: Path
) -> None:
    samples, definition = demo_samples("demo_vqa", 6)
    task = make_task(definition, demo_model_config, "auto")
    combinations = [NONE, Combination.of((2,)), Combination.of((16,))]
    evaluation = evaluate(task, samples, samples, combinations, tmp_path / "cache")
    again = evaluate(task, samples, samples, combinations, tmp_path / "cache")
    assert again.rows.equals(evaluation.rows)
    assert again.times.engine == {}
    write_shard(tmp_path / "shard.parquet", task, evaluation)
    table = merge_shards({"demo_vqa": definition}, [tmp_path / "shard.parquet"], 0)
    refused = table.row(by_predicate=pl.col("combination") == "16", named=True)
    assert refused["not_evaluable"] == "the model has blocks 0 to 15 only"
    assert (refused["n"], refused["score"], refused["drop"]) == (0, None, None)
    assert all_analyses(planted_evidence(table, "points"))["rankings_by_num_removed"][
        "combination"
    ].to_list() == ["2"]
    report = written(table)
    assert "Combination 16 cannot be evaluated: the model has blocks 0 to 15 only." in report
    write_job_times(tmp_path / "times/single.0.json", {"demo_vqa": evaluation.times})
    times = times_document([read_job_times(tmp_path / "times/single.0.json")])
    assert "1 of 1 had anything to compute" in times
    assert "% of the plain loop's work" in times
