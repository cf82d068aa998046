"""The proof of an export: transformers alone answers token for token what was measured."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file, save_file

from blocksieve import shards
from blocksieve.combination import NONE, Combination
from blocksieve.deployment import exports, stock_answers
from blocksieve.deployment.exports import RunFiles, export_proven
from blocksieve.deployment.proof import check, measured_answers, prove
from blocksieve.deployment.recommended import combination_of
from blocksieve.errors import ConfigError, ModelError
from blocksieve.files import file_hash
from blocksieve.merging import merge_shards
from blocksieve.models.export import check_weights, export
from blocksieve.search.evaluate import evaluate, metadata_of
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec, ModelSpec

LIST = Combination.of((4, 13))


@pytest.fixture(scope="module")
def run_files(demo_samples, demo_model_config: ModelSpec, tmp_path_factory: Any) -> RunFiles:
    """What a run on two datasets leaves."""
    folder = tmp_path_factory.mktemp("run")
    definitions, tables, paths = {}, {}, []
    for dataset in ("demo_vqa", "demo_caption"):
        table, definition = demo_samples(dataset, 6)
        tables[dataset] = folder / f"{dataset}.parquet"
        table.write_parquet(tables[dataset])
        evaluation_spec = EvaluationSpec("shared", "auto", batch_timeout=3600)
        task = Task(dataset, definition, demo_model_config, "fingerprint", evaluation_spec)
        evaluation = evaluate(task, table, table, [NONE, LIST], folder / "cache")
        paths.append(folder / f"{dataset}.shard.parquet")
        shards.write(
            paths[-1], dataset, evaluation.rows, metadata_of(task, evaluation.times.engine)
        )
        definitions[dataset] = definition
    gain = folder / "deployment.json"
    gain.write_text('{"models": [], "unit": "%"}')
    evaluations = folder / "evaluations.parquet"
    merge_shards(definitions, paths, 0).write_parquet(evaluations)
    return RunFiles("demo", definitions, tables, paths, evaluations, gain)


@pytest.fixture(scope="module")
def measured(run_files: RunFiles) -> Any:
    """Role and answers, as the run's shards hold them."""
    files = (run_files.definitions, run_files.tables, run_files.shards)
    assert measured_answers(Combination.of((7,)), *files) == (None, {})
    return measured_answers(LIST, *files)


@pytest.fixture(scope="module")
def exported(demo_model_config: ModelSpec, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("exports") / str(LIST)
    export(demo_model_config, LIST, folder)
    return folder


@pytest.fixture
def checkpoint(exported: Path, tmp_path: Path) -> Path:
    """A copy of an export that a test may spoil."""
    return Path(shutil.copytree(exported, tmp_path / "checkpoint"))


def tamper(checkpoint: Path, *, factor: float | None, record: bool) -> None:
    """Multiply a weight, or take it out; let the record say that this was written, or not."""
    file = checkpoint / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("layers.3.mlp.down_proj.weight"))
    tensor = weights.pop(name)
    if factor is not None:
        weights[name] = tensor * factor
    save_file(weights, file, metadata={"format": "pt"})
    if record:
        path = checkpoint / "blocksieve.json"
        content = json.loads(path.read_text())
        content["weights"][file.name] = file_hash(file)
        path.write_text(json.dumps(content))


def test_an_export_answers_as_measured(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    role, answers = measured
    proof = prove(checkpoint, demo_model_config, LIST, role, answers)
    assert proof == {
        "combination": "4-13",
        "role": "search",  # there are no holdout samples
        "samples": 12,
        "equal": 12,
        "near_ties": 0,
        "datasets": {name: {"samples": 6, "equal": 6, "near_ties": 0} for name in answers},
        "first_difference": None,
    }
    check(proof, checkpoint)
    record = json.loads((checkpoint / "blocksieve.json").read_text())
    stored = load_file(checkpoint / "model.safetensors")  # tied weights once
    assert record["parameters"] == sum(tensor.numel() for tensor in stored.values())


def test_what_was_written_from_a_gguf_file_is_asked_like_any_other(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    source = replace(demo_model_config, path="elsewhere", gguf_file="weights.gguf")
    role, answers = measured
    (dataset, *_) = answers
    proof = prove(checkpoint, source, LIST, role, {dataset: answers[dataset]})
    assert proof["equal"] == proof["samples"] == 6


def test_any_change_of_a_weight_fails(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    tamper(checkpoint, factor=1.001, record=False)
    with pytest.raises(ModelError, match=r"model\.safetensors is not as it was exported"):
        prove(checkpoint, demo_model_config, LIST, *measured)


def test_weights_that_answer_otherwise_fail_with_the_first_difference(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    tamper(checkpoint, factor=-30, record=True)
    role, answers = measured
    proof = prove(checkpoint, demo_model_config, LIST, role, answers)
    assert proof["equal"] < proof["samples"]
    first = proof["first_difference"]
    assert first is not None
    assert first["exported"] != first["measured"]
    with pytest.raises(ModelError, match=f"first in dataset {first['dataset']}, sample "):
        check(proof, checkpoint)


def test_a_missing_weight_fails_whatever_is_answered(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    tamper(checkpoint, factor=None, record=True)
    with pytest.raises(ModelError, match=r"does not load all weights .*missing_keys.*layers\.3"):
        prove(checkpoint, demo_model_config, LIST, *measured)


def test_a_near_tie_that_differs_is_counted_and_does_not_fail(
    demo_model_config: ModelSpec, checkpoint: Path, measured: Any
) -> None:
    role, answers = measured
    changed = {}
    for dataset, part in answers.items():
        # The first sample's answer was another, by a near tie.
        rows = part.rows.with_row_index()
        is_first = pl.col("index") == 0
        rows = rows.with_columns(
            tokens=pl.when(is_first).then(pl.lit([99], pl.List(pl.Int32))).otherwise("tokens"),
            near_tie=is_first,
        )
        changed[dataset] = type(part)(part.definition, rows.drop("index"))
    proof = prove(checkpoint, demo_model_config, LIST, role, changed)
    assert (proof["equal"], proof["near_ties"], proof["first_difference"]) == (10, 2, None)
    check(proof, checkpoint)


def test_an_export_has_its_name_once_it_is_proven_and_has_its_card(
    demo_model_config: ModelSpec,
    run_files: RunFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / str(LIST)

    def prove_tampered(checkpoint: Path, *_: Any) -> Any:
        assert not folder.exists()
        tamper(checkpoint, factor=-30, record=False)
        return check_weights(checkpoint)

    with monkeypatch.context() as patch:
        patch.setattr(exports, "prove", prove_tampered)
        with pytest.raises(ModelError, match="is not as it was exported"):
            export_proven(demo_model_config, LIST, folder, run_files)
    assert list(tmp_path.iterdir()) == []
    proof = export_proven(demo_model_config, LIST, folder, run_files)
    assert proof is not None
    assert json.loads((folder / "blocksieve-proof.json").read_text()) == proof
    card = (folder / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "12 token for token as the search measured" in card
    assert "blocksieve export demo --list 4-13 --out FOLDER" in card
    assert "Not measured on samples that were never used to choose." in card  # no holdout
    assert [path.name for path in tmp_path.iterdir()] == ["4-13"]


def test_the_judge_imports_transformers_and_nothing_of_the_package(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='judge'); "
        "print([name for name in sys.modules if name.startswith('blocksieve')])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, stock_answers.__file__],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def recommendations() -> Any:
    # On search samples, which chose the lists, all keep the limit.
    known_task = [
        task_type_list("Visual QA", 1, "2", high_on_holdout=1.0),
        task_type_list("Visual QA", 2, "2-3", high_on_holdout=2.9),
        task_type_list("Visual QA", 3, "2-3-4", high_on_holdout=3.1),
        task_type_list("Visual QA", 4, "2-3-4-5", high_on_holdout=2.0),
        task_type_list("Captioning", 1, "2", high_on_holdout=3.1),
    ]
    return {
        "strategies": {
            "conservative": {"combination": "none", "size": 0, "max_drop": 1.5},
            "balanced": {"combination": "4-13", "size": 2, "max_drop": 3.0},
            "aggressive": {"combination": "4-9-13", "size": 3, "max_drop": 10.0},
        },
        "scenarios": {"known_task": known_task},
    }


def task_type_list(name: str, size: int, blocks: str, high_on_holdout: float) -> Any:
    holdout = {"drop": 0.0, "low": -1.0, "high": high_on_holdout}
    return {"name": name, "size": size, "combination": blocks, "high": 0.5, "holdout": holdout}


@pytest.mark.parametrize(
    ("name", "combination"),
    [("balanced", "4-13"), ("aggressive", "4-9-13"), ("Visual QA", "2-3"), ("1-7", "1-7")],
)
def test_a_list_is_named_by_strategy_task_type_or_blocks(name: str, combination: str) -> None:
    assert str(combination_of(name, recommendations())) == combination


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("conservative", "no list of blocks is shown to keep the conservative limit"),
        ("Captioning", "no list of Captioning is shown to keep the balanced limit"),
        ("best", "'best' is no list of this run; name blocks, or one of conservative, balanced"),
        ("none", "a list must name a block"),
    ],
)
def test_what_is_no_list_is_said(name: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        combination_of(name, recommendations())
