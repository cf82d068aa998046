"""Healing: what is trained, that a kill changes nothing, and how it is judged."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from blocksieve import evaluations
from blocksieve.combination import NONE, Combination
from blocksieve.datasets.demo.source import read
from blocksieve.datasets.table import SCHEMA, to_row
from blocksieve.deployment import finetune as finetuning
from blocksieve.deployment import healing
from blocksieve.deployment.finetune import (
    IGNORED,
    Example,
    finetune,
    learning_rate,
    places_of_step,
    training_inputs,
)
from blocksieve.deployment.healing import Run, heal_lists, holdout_answers, lists_to_heal
from blocksieve.errors import ConfigError, ModelError
from blocksieve.models.checkpoint import identify
from blocksieve.models.export import check_weights, export
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.search.evaluate import evaluate
from blocksieve.specs import (
    AnalysisSpec,
    DatasetSpec,
    EvaluationSpec,
    HealSpec,
    ModelSpec,
)

ROOT = Path(__file__).parents[2]

# All but four blocks: a small model that answers badly.
LIST = Combination.of(range(2, 14))
SPEC = HealSpec(method="blocks", samples=12, steps=6, learning_rate=1e-3)
DATASETS = ("demo_vqa", "demo_tally_qa")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetuning, "BATCH_SIZE", 4)


@pytest.fixture(scope="module")
def definitions() -> dict[str, DatasetSpec]:
    files = {dataset: ROOT / f"config/datasets/{dataset}.yaml" for dataset in DATASETS}
    return {
        dataset: DatasetSpec(**yaml.safe_load(file.read_text())) for dataset, file in files.items()
    }


def table(definition: DatasetSpec, role: Any, split: str, count: int) -> pl.DataFrame:
    rows = [to_row(role, sample) for sample in islice(read(definition.source, split), count)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.fixture(scope="module")
def run(
    definitions: dict[str, DatasetSpec], demo_model_config: ModelSpec, tmp_path_factory: Any
) -> Run:
    return Run(
        model=demo_model_config,
        fingerprint=identify(demo_model_config),
        definitions=definitions,
        samples={
            name: table(each, "holdout", "validation", 8) for name, each in definitions.items()
        },
        train_samples={
            name: table(each, "train", "train", 12) for name, each in definitions.items()
        },
        train_reports={name: {"samples": 12, "left_out": None} for name in definitions},
        evaluation=EvaluationSpec("shared", "auto", batch_timeout=3600),
        evaluations=pl.DataFrame(schema=evaluations.SCHEMA),
        analysis=AnalysisSpec.of(
            "relative", {"conservative": 1, "balanced": 2, "aggressive": 3}, {}
        ),
        seed=0,
        cache=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture(scope="module")
def exported(demo_model_config: ModelSpec, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("exports") / str(LIST)
    export(demo_model_config, LIST, folder)
    return folder


@pytest.fixture
def student(demo_model_config: ModelSpec, exported: Path) -> LoadedModel:
    return load_model(replace(demo_model_config, path=str(exported)))


@pytest.fixture(scope="module")
def examples(run: Run) -> list[Example]:
    return healing.training_examples(run)


def weights_after(student: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in student.model.state_dict().items()}


def test_the_answers_to_learn_are_the_whole_models(run: Run, examples: list[Example]) -> None:
    assert len(examples) == 24
    answers = {}
    for dataset, samples in run.train_samples.items():
        rows = evaluate(run.task(dataset), samples, samples, [NONE], run.cache).rows
        answers |= dict(rows.select("sample_id", "tokens").iter_rows())
    for example in examples:
        assert example.answer == answers[example.row["sample_id"]]
        assert example.row["role"] == "train"


def test_a_training_batch_holds_prompts_as_they_are_asked(
    student: LoadedModel, examples: list[Example]
) -> None:
    chosen = [examples[0], examples[-1], examples[5]]
    inputs = training_inputs(student, chosen)
    for row, example in enumerate(chosen):
        alone = finetuning.make_inputs(student, [example.row], finetuning.PROMPT)
        prompt = alone["input_ids"][0].tolist()
        end = len(prompt) + len(example.answer)
        assert inputs["input_ids"][row, :end].tolist() == prompt + example.answer
        mask = inputs["attention_mask"][row].tolist()
        assert mask == [1] * end + [0] * (len(mask) - end)
        labels = inputs["labels"][row].tolist()
        assert labels[len(prompt) : end] == example.answer
        assert set(labels[: len(prompt)] + labels[end:]) <= {IGNORED}
    finetuning.check_layout(student, chosen)


def test_a_model_that_sees_the_answer_from_the_prompt_is_refused(
    student: LoadedModel, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attention without a mask: every token sees all others.
    monkeypatch.setattr(student.model.config.text_config, "is_causal", False, raising=False)
    for block in student.blocks.blocks:
        monkeypatch.setattr(block.self_attn, "is_causal", False)
    with pytest.raises(ModelError, match="cannot be healed"):
        finetuning.check_layout(student, examples[:2])


@pytest.mark.parametrize("method", ["lora", "blocks"])
def test_only_weights_of_blocks_change_and_the_loss_falls(
    method: Any,
    student: LoadedModel,
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finetuning, "BATCH_SIZE", len(examples))
    before = weights_after(student)
    spec = replace(SPEC, method=method, steps=5, learning_rate="auto")
    result = finetune(student, examples, spec, 0, tmp_path / "state.pt")
    after = weights_after(student)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    inside = f"{student.blocks.path}."
    in_blocks = {name for name in before if name.startswith(inside)}
    linear = {name for name in in_blocks if "proj" in name}
    assert changed == (linear if method == "lora" else in_blocks)
    assert result.losses == sorted(result.losses, reverse=True)
    assert len(set(result.losses)) == 5


@pytest.mark.parametrize("method", ["lora", "blocks"])
def test_a_killed_training_goes_on_to_the_same_bytes(
    method: Any,
    demo_model_config: ModelSpec,
    exported: Path,
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = replace(SPEC, method=method)
    model = replace(demo_model_config, path=str(exported))
    unkilled = load_model(model)
    expected = finetune(unkilled, examples, spec, 3, tmp_path / "unkilled.pt")
    monkeypatch.setattr(finetuning, "SECONDS_BETWEEN_SAVES", 0.0)
    kills = iter([2, 0, 3])

    class Killed(BaseException):
        """A kill, at which nothing of the job's own runs."""

    class Progress:
        def __init__(self, total: int, unit: str) -> None:
            self.left = next(kills, total)

        def add(self, count: int) -> None:
            if self.left == 0:
                raise Killed
            self.left -= count

    monkeypatch.setattr(finetuning, "Progress", Progress)
    for _ in range(3):
        try:
            killed = load_model(model)
            result = finetune(killed, examples, spec, 3, tmp_path / "killed.pt")
        except Killed:
            continue
    assert result.losses == expected.losses
    expected_weights, weights = weights_after(unkilled), weights_after(killed)
    assert expected_weights.keys() == weights.keys()
    assert all(torch.equal(weights[name], each) for name, each in expected_weights.items())


def test_a_step_learns_what_its_number_says() -> None:
    places = [place for step in range(5) for place in places_of_step(10, step, seed=1)]
    assert sorted(places[:10]) == sorted(places[10:20]) == list(range(10))
    assert places[:10] != places[10:20]
    assert places[:4] != places_of_step(10, 0, seed=2)
    spec = replace(SPEC, steps=100, learning_rate=1.0)
    rates = [learning_rate(spec, step) for step in range(100)]
    assert max(rates) == rates[9] == 1.0
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.01


@pytest.fixture(scope="module")
def healed(run: Run, tmp_path_factory: Any) -> Iterator[tuple[Any, Path]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetuning, "BATCH_SIZE", 4)
        folder = tmp_path_factory.mktemp("healed")
        yield heal_lists(run, SPEC, [LIST], folder), folder


def test_a_healed_checkpoint_loads_with_transformers_alone_and_says_how_it_was_made(
    healed: tuple[Any, Path], exported: Path
) -> None:
    document, folder = healed
    checkpoint = folder / str(LIST)
    _, info = AutoModelForImageTextToText.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(info.values())
    check_weights(checkpoint)
    record = json.loads((checkpoint / "blocksieve.json").read_text())
    assert record["healed"] == document["lists"][0]["training"]
    assert record["healed"]["samples"] == dict.fromkeys(DATASETS, 12)
    assert document["lists"][0]["proof"]["equal"] == 16
    names = {path.name for path in exported.iterdir()}
    assert {path.name for path in checkpoint.iterdir()} == {*names, "README.md"}
    assert "decoder blocks, healed" in (checkpoint / "README.md").read_text()
    for name in names - {"model.safetensors", "blocksieve.json"}:
        assert (checkpoint / name).read_bytes() == (exported / name).read_bytes()
    old, new = (load_file(each / "model.safetensors") for each in (exported, checkpoint))
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert same == {name for name in old if "language_model.model.layers" not in name}


def test_before_and_after_are_paired_drops_on_holdout_samples(
    healed: tuple[Any, Path], run: Run
) -> None:
    document, folder = healed
    assert document["role"] == "holdout"
    answers = holdout_answers(run, LIST, folder / str(LIST))
    rows = {row["dataset"]: row for row in document["rows"]}
    assert rows.keys() == {*DATASETS, None}
    for dataset in DATASETS:
        whole = answers[dataset].before.filter(pl.col("combination") == "none")["score"].mean()
        for when in ("before", "after"):
            part = getattr(answers[dataset], when)
            score = part.filter(pl.col("combination") == str(LIST))["score"].mean()
            row = rows[dataset]
            assert row[when] == pytest.approx(100 * (whole - score) / whole, abs=1e-4)
            assert row[f"{when}_low"] <= row[when] <= row[f"{when}_high"]
            assert (row["n"], row["size"]) == (8, 12)
    mean = sum(rows[dataset]["after"] for dataset in DATASETS) / 2
    assert rows[None]["after"] == pytest.approx(mean)
    assert not (run.cache / "healing").exists()


def test_what_cannot_be_healed_is_said_before_anything_is_trained(run: Run, tmp_path: Path) -> None:
    reports = {name: {"samples": 0, "left_out": "no split"} for name in DATASETS}
    with pytest.raises(ConfigError, match="no dataset has training prompts; demo_vqa: no split"):
        heal_lists(replace(run, train_reports=reports), SPEC, [LIST], tmp_path)  # type: ignore[arg-type]
    search = {name: each.with_columns(role=pl.lit("search")) for name, each in run.samples.items()}
    with pytest.raises(ConfigError, match=r"set samples\.holdout"):
        heal_lists(replace(run, samples=search), SPEC, [LIST], tmp_path)
    exports: list[Any] = [
        {"combination": "4-13", "checkpoint": "a folder", "strategies": [], "refused": None},
        {"combination": "8", "checkpoint": None, "strategies": [], "refused": "no such class"},
    ]
    balanced = {"balanced": {"combination": "4-13"}}
    recommended: Any = {"strategies": balanced, "scenarios": {"known_task": []}}
    with pytest.raises(ConfigError, match=r"name lists in deploy\.heal\.lists"):
        lists_to_heal(SPEC, recommended, exports[1:])
    assert lists_to_heal(SPEC, recommended, exports) == [Combination.of((4, 13))]
    spec = replace(SPEC, lists=["7", "balanced", "4-13"])
    named = [Combination.of((7,)), Combination.of((4, 13))]
    assert lists_to_heal(spec, recommended, []) == named
    with pytest.raises(ConfigError, match="4a removes halves of blocks, whose zeros training"):
        lists_to_heal(replace(SPEC, lists=["4a"]), recommended, [])
