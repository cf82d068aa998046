"""Heal exported lists: finetune them on the whole model's answers, export, and measure again."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import polars as pl
import torch

from blocksieve import shards
from blocksieve.analysis.pruning_recommendations import RecommendationsDocument
from blocksieve.combination import NONE, Combination
from blocksieve.datasets.prompts import render_prompt
from blocksieve.deployment.card import source_licence
from blocksieve.deployment.exports import Export
from blocksieve.deployment.finetune import (
    Example,
    Finetuned,
    finetune,
    largest_rate,
)
from blocksieve.deployment.healed_card import HealedFacts, HealedRow, healed_card
from blocksieve.deployment.proof import Measured, Proof, check, prove
from blocksieve.deployment.recommended import combination_of
from blocksieve.deployment.train_samples import TrainReport
from blocksieve.engine.inputs import sample_rows
from blocksieve.errors import ConfigError
from blocksieve.evaluations import with_derived
from blocksieve.evidence import Evidence, MeanDrop
from blocksieve.files import fingerprint
from blocksieve.merging import merge_shards
from blocksieve.models.checkpoint import MODEL_CARD, as_written, fetch, identify
from blocksieve.models.export import (
    RECORD,
    ExportRecord,
    HealedRecord,
    export,
    export_healed,
)
from blocksieve.models.loading import load_model
from blocksieve.search.evaluate import evaluate, metadata_of
from blocksieve.search.task import Task
from blocksieve.shards import Computed
from blocksieve.specs import AnalysisSpec, DatasetSpec, EvaluationSpec, HealSpec, ModelSpec, Role
from blocksieve.units import UNITS, Scale

logger = logging.getLogger("blocksieve")

ROLE: Role = "holdout"

Drop = tuple[float | None, float | None, float | None]
"""A drop with the ends of its interval; None where a number is not known."""


class HealedList(TypedDict):
    """A healed list, where it lies, and how training went.

    `left_out` says of each dataset without training prompts why. `first_loss` and `last_loss` are
    means over the first and the last tenth of the steps.
    """

    combination: str
    checkpoint: str
    training: HealedRecord
    left_out: dict[str, str]
    first_loss: float
    last_loss: float
    proof: Proof


class HealingDocument(TypedDict):
    """Content of deployment/healing.json; drops in `unit`, as the run's means over datasets."""

    across_datasets: Scale
    unit: str
    role: str
    lists: list[HealedList]
    rows: list[HealedRow]


@dataclass(frozen=True)
class Run:
    """What healing needs to know of a run; each dataset's samples and training samples as tables.

    `evaluations` are the run's own, whose search samples say which datasets count in means.
    """

    model: ModelSpec
    fingerprint: str
    definitions: Mapping[str, DatasetSpec]
    samples: Mapping[str, pl.DataFrame]
    train_samples: Mapping[str, pl.DataFrame]
    train_reports: Mapping[str, TrainReport]
    evaluation: EvaluationSpec
    evaluations: pl.DataFrame
    analysis: AnalysisSpec
    seed: int
    cache: Path

    def task(self, dataset: str) -> Task:
        """Return the task of a dataset under the whole model."""
        definition = self.definitions[dataset]
        return Task(dataset, definition, self.model, self.fingerprint, self.evaluation)


def lists_to_heal(
    spec: HealSpec, recommendations: RecommendationsDocument, exports: Sequence[Export]
) -> list[Combination]:
    """Return the lists that the config names, each once; all exported ones if it names none."""
    if spec.lists:
        combinations = [combination_of(name, recommendations) for name in spec.lists]
    else:
        exported = [each for each in exports if each["checkpoint"] is not None]
        combinations = [Combination.parse(each["combination"]) for each in exported]
    if not combinations:
        raise ConfigError(
            "config: deploy.heal: the run exports no list; name lists in deploy.heal.lists"
        )
    for combination in combinations:
        if combination.halves:
            raise ConfigError(
                f"config: deploy.heal: {combination} removes halves of blocks, whose zeros training"
                " would fill; name lists of whole blocks in deploy.heal.lists"
            )
    return list(dict.fromkeys(combinations))


def heal_lists(
    run: Run, spec: HealSpec, combinations: list[Combination], folder: Path
) -> HealingDocument:
    """Heal lists into a folder each, named by its blocks; prove and measure them on holdout.

    ConfigError if no dataset has training prompts, or none has holdout samples.
    """
    left_out = _left_out(run.train_reports)
    _check_holdout(run.samples)
    examples = training_examples(run)
    healed_lists: list[HealedList] = []
    rows: list[HealedRow] = []
    folder.mkdir(parents=True, exist_ok=True)
    for combination in combinations:
        checkpoint = folder / str(combination)
        training, result = _heal(run, spec, combination, examples, checkpoint)
        answers = holdout_answers(run, combination, checkpoint)
        proof = _proven(run, combination, checkpoint, answers)
        rows_of_list = _rows(run, combination, answers)
        rows += rows_of_list
        _write_card(run, checkpoint, proof, rows_of_list)
        tenth = max(1, spec.steps // 10)
        healed_lists.append(
            {
                "combination": str(combination),
                "checkpoint": str(checkpoint),
                "training": training,
                "left_out": left_out,
                "first_loss": result.mean_loss(slice(tenth)),
                "last_loss": result.mean_loss(slice(-tenth, None)),
                "proof": proof,
            }
        )
    shutil.rmtree(_work_folder(run), ignore_errors=True)
    scale = run.analysis.across_datasets
    return {
        "across_datasets": scale,
        "unit": UNITS[scale],
        "role": ROLE,
        "lists": healed_lists,
        "rows": rows,
    }


def _left_out(reports: Mapping[str, TrainReport]) -> dict[str, str]:
    """Return why each dataset without training prompts has none; ConfigError if none has any."""
    left_out = {}
    for dataset, report in reports.items():
        if report["left_out"] is not None:
            left_out[dataset] = report["left_out"]
            logger.warning("no training prompts of %s: %s", dataset, report["left_out"])
    if len(left_out) == len(reports):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ConfigError(f"config: deploy.heal: no dataset has training prompts; {reasons}")
    return left_out


def _check_holdout(samples: Mapping[str, pl.DataFrame]) -> None:
    if all((table["role"] != ROLE).all() for table in samples.values()):
        raise ConfigError(
            "config: deploy.heal: what was healed is judged by holdout samples, of which this "
            "run has none; set samples.holdout"
        )


def training_examples(run: Run) -> list[Example]:
    """Return the training prompts with the whole model's answers, which the cache may hold."""
    examples = []
    for dataset, table in run.train_samples.items():
        if table.is_empty():
            continue
        task = run.task(dataset)
        answers = evaluate(task, table, table, [NONE], run.cache).rows
        tokens = dict(answers.select("sample_id", "tokens").iter_rows())
        for row in sample_rows(table):
            question = render_prompt(task.definition.prompt, row["question"], row["choices"])
            prompt = {**row, "question": question, "choices": []}
            examples.append(Example(prompt, tokens[row["sample_id"]]))  # type: ignore[arg-type]
    return examples


def _heal(
    run: Run, spec: HealSpec, combination: Combination, examples: list[Example], checkpoint: Path
) -> tuple[HealedRecord, Finetuned]:
    """Finetune a list and export it; a killed job's state lies in the run's cache."""
    work = _work_folder(run) / _key(run, spec, combination, examples)
    pruned = work / "pruned"
    if not pruned.exists():
        export(run.model, combination, pruned)
    student = load_model(replace(as_written(run.model, pruned), dtype="float32"))
    with _deterministic():
        result = finetune(student, examples, spec, run.seed, work / "state.pt")
    training: HealedRecord = {
        "method": spec.method,
        "steps": spec.steps,
        "learning_rate": largest_rate(spec),
        "samples": {name: len(table) for name, table in run.train_samples.items() if len(table)},
        "seed": run.seed,
        "trained_parameters": result.num_trained,
    }
    inside = f"{student.blocks.path}."
    weights = student.model.state_dict()
    healed = {name: weight for name, weight in weights.items() if name.startswith(inside)}
    export_healed(run.model, pruned, healed, training, checkpoint)
    return training, result


def _work_folder(run: Run) -> Path:
    return run.cache / "healing"


def _key(run: Run, spec: HealSpec, combination: Combination, examples: list[Example]) -> str:
    """Return a fingerprint of all that decides the trained weights, so that none are mixed up."""
    prompts = [(example.row["sample_id"], example.answer) for example in examples]
    return fingerprint(
        {
            "model": run.fingerprint,
            "combination": str(combination),
            "heal": {**asdict(spec), "lists": None, "learning_rate": largest_rate(spec)},
            "prompts": prompts,
            "seed": run.seed,
            "threads": torch.get_num_threads(),
            "versions": [version(name) for name in ("torch", "transformers")],
        }
    )


@contextmanager
def _deterministic() -> Iterator[None]:
    """Let torch choose operations that give the same sums every time, where it has them."""
    before = torch.are_deterministic_algorithms_enabled()
    # CUDA's matrix products ask for a fixed workspace, which is read when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@dataclass(frozen=True)
class HoldoutAnswers:
    """A dataset's answers on holdout samples: of the whole and the pruned model, of the healed."""

    before: pl.DataFrame
    after: pl.DataFrame


def holdout_answers(
    run: Run, combination: Combination, checkpoint: Path
) -> dict[str, HoldoutAnswers]:
    """Return the answers by dataset, scored; those of the run itself lie in its cache mostly.

    `after` has those of the whole model, too, and gives the combination's name to the healed one.
    """
    healed = as_written(run.model, checkpoint)
    healed_fingerprint = identify(healed)
    answers = {}
    for dataset, table in run.samples.items():
        holdout = table.filter(pl.col("role") == ROLE)
        if holdout.is_empty():
            continue
        task = run.task(dataset)
        before = evaluate(task, table, holdout, [NONE, combination], run.cache).rows
        healed_task = replace(task, model=healed, model_fingerprint=healed_fingerprint)
        after = evaluate(healed_task, table, holdout, [NONE], run.cache).rows
        whole = before.filter(pl.col("combination") == str(NONE))
        renamed = after.with_columns(combination=pl.lit(str(combination)))
        answers[dataset] = HoldoutAnswers(before, pl.concat([whole, renamed]))
    return answers


def _proven(
    run: Run,
    combination: Combination,
    checkpoint: Path,
    answers: Mapping[str, HoldoutAnswers],
) -> Proof:
    """Let transformers alone answer with the healed checkpoint; ModelError if it differs."""
    measured = {}
    for dataset, of_dataset in answers.items():
        of_healed = of_dataset.after.filter(pl.col("combination") == str(combination))
        tokens = of_healed.select("sample_id", "tokens", "near_tie")
        rows = run.samples[dataset].join(tokens, on="sample_id")
        measured[dataset] = Measured(run.definitions[dataset], rows)
    proof = prove(checkpoint, run.model, combination, ROLE, measured)
    check(proof, checkpoint)
    return proof


def _rows(
    run: Run, combination: Combination, answers: Mapping[str, HoldoutAnswers]
) -> list[HealedRow]:
    """Return one row per dataset that has a drop on the run's scale, and one for their mean."""
    before = _evidence(run, {name: part.before for name, part in answers.items()})
    after = _evidence(run, {name: part.after for name, part in answers.items()})
    drops_after = {row["dataset"]: row for row in after.table.to_dicts()}
    rows: list[HealedRow] = []
    for row in before.table.to_dicts():
        healed = drops_after[row["dataset"]]
        rows.append(_row(combination, row["dataset"], row["n"], _drop(row), _drop(healed)))
    (mean_before,) = before.average([{combination: 1.0}])
    (mean_after,) = after.average([{combination: 1.0}])
    logger.info(
        "%s: mean drop %s before healing, %s after it",
        combination,
        _described(mean_before, before.unit),
        _described(mean_after, after.unit),
    )
    num_samples = sum(before.samples[name] for name in before.counted(before.datasets))
    drop_before = (mean_before.mean, mean_before.low, mean_before.high)
    drop_after = (mean_after.mean, mean_after.low, mean_after.high)
    return [*rows, _row(combination, None, num_samples, drop_before, drop_after)]


def _row(
    combination: Combination, dataset: str | None, n: int, before: Drop, after: Drop
) -> HealedRow:
    drop_before, before_low, before_high = before
    drop_after, after_low, after_high = after
    return {
        "combination": str(combination),
        "size": combination.size,
        "dataset": dataset,
        "n": n,
        "before": drop_before,
        "before_low": before_low,
        "before_high": before_high,
        "after": drop_after,
        "after_low": after_low,
        "after_high": after_high,
    }


def _drop(row: Mapping[str, Any]) -> Drop:
    return row["drop"], row["low"], row["high"]


def _write_card(run: Run, checkpoint: Path, proof: Proof, rows: list[HealedRow]) -> None:
    record: ExportRecord = json.loads((checkpoint / RECORD).read_text(encoding="utf-8"))
    facts = HealedFacts(
        model=run.model,
        record=record,
        licence=source_licence(fetch(run.model)),
        proof=proof,
        rows=rows,
        unit=UNITS[run.analysis.across_datasets],
    )
    (checkpoint / MODEL_CARD).write_text(healed_card(facts), encoding="utf-8")


def _described(drop: MeanDrop, unit: str) -> str:
    """Return a drop with its interval for the log."""
    if drop.mean is None or drop.low is None or drop.high is None:
        return "not known"
    return f"{drop.mean:.1f} {unit} [{drop.low:.1f}, {drop.high:.1f}]"


def _evidence(run: Run, rows: Mapping[str, pl.DataFrame]) -> Evidence:
    """Return the evidence of some answers, as the run's own is made of its shards."""
    sums = {}
    paths = []
    with tempfile.TemporaryDirectory() as folder:
        for dataset, table in rows.items():
            path = Path(folder, f"{dataset}.parquet")
            metadata = metadata_of(run.task(dataset), Computed())
            shards.write(path, dataset, table, metadata)
            sums[dataset] = shards.by_cluster([path]).lazy()
            paths.append(path)
        definitions = {dataset: run.definitions[dataset] for dataset in rows}
        merged = merge_shards(definitions, paths, run.seed)
    of_search = run.evaluations.filter(pl.col("role") == "search")
    return Evidence(
        evaluations=pl.concat([with_derived(of_search), with_derived(merged)]),
        scale=run.analysis.across_datasets,
        sums=sums,
        role=ROLE,
        weights=run.analysis.weights,
    )
