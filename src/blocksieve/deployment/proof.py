"""Prove that an exported checkpoint answers as the search measured: in transformers alone."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import polars as pl
import torch

from blocksieve.combination import Combination
from blocksieve.datasets.pictures import open_picture
from blocksieve.deployment import stock_answers
from blocksieve.deployment.stock_answers import Group, Job, Question
from blocksieve.engine.inputs import sample_rows, write_prompt
from blocksieve.errors import ModelError
from blocksieve.models.chat import has_special_tokens
from blocksieve.models.checkpoint import as_written
from blocksieve.models.export import check_weights
from blocksieve.models.loading import OUTPUTS, SEARCHES, auto_class, read_config
from blocksieve.models.number_format import with_own_format
from blocksieve.models.processor import load_processor
from blocksieve.specs import DatasetSpec, ModelSpec, Role

logger = logging.getLogger("blocksieve")

BATCH_SIZE = 32
# Lines of a failed process that say why it failed.
LAST_LINES = 3


class DatasetProof(TypedDict):
    """How many samples of a dataset were answered, and how many of them as measured."""

    samples: int
    equal: int
    near_ties: int


class Difference(TypedDict):
    """A sample that the exported checkpoint answers otherwise; both answers as tokens."""

    dataset: str
    sample_id: str
    measured: list[int]
    exported: list[int]


class Proof(TypedDict):
    """What became of comparing an exported checkpoint's answers with the measured ones.

    `near_ties` differ where rounding decides in a 16-bit format; they count as equal, no others do.
    """

    combination: str
    role: Role | None
    samples: int
    equal: int
    near_ties: int
    datasets: dict[str, DatasetProof]
    first_difference: Difference | None


@dataclass(frozen=True)
class Measured:
    """A dataset's answers of one combination: `rows` are its samples with `tokens`, `near_tie`."""

    definition: DatasetSpec
    rows: pl.DataFrame


def measured_answers(
    combination: Combination,
    definitions: Mapping[str, DatasetSpec],
    tables: Mapping[str, Path],
    shards: Sequence[Path],
) -> tuple[Role | None, dict[str, Measured]]:
    """Return which samples a run's shards have answers for, and these: holdout's if it has any.

    `tables` are the datasets' own files. Role None and no answers if the combination was never
    evaluated.
    """
    answers = (
        pl.scan_parquet(list(shards))
        .filter(pl.col("combination") == str(combination), pl.col("tokens").is_not_null())
        .select("dataset", "sample_id", "role", "tokens", "near_tie")
        .unique(["dataset", "sample_id"], maintain_order=True)
        .collect()
    )
    roles: tuple[Role, Role] = ("holdout", "search")
    for role in roles:
        chosen = answers.filter(pl.col("role") == role).drop("role")
        if len(chosen):
            break
    else:
        return None, {}
    measured = {}
    for dataset, definition in definitions.items():
        of_dataset = chosen.filter(pl.col("dataset") == dataset).drop("dataset")
        rows = pl.read_parquet(tables[dataset]).join(of_dataset, on="sample_id")
        if len(rows):
            measured[dataset] = Measured(definition, rows)
    return role, measured


def prove(
    checkpoint: Path,
    model: ModelSpec,
    combination: Combination,
    role: Role | None,
    measured: Mapping[str, Measured],
) -> Proof:
    """Ask an exported checkpoint, in a process with transformers alone, what was measured.

    `model` is the whole model. Samples that a batch answers otherwise are asked alone, since
    padding may change a model's answers. ModelError if the checkpoint is not as it was written, or
    does not load, or its weights are not just those of its class.
    """
    check_weights(checkpoint)
    spec = as_written(with_own_format(model), checkpoint)
    answers = _ask(checkpoint, spec, measured, BATCH_SIZE)
    differing = {}
    for dataset, part in measured.items():
        rows = part.rows.filter(~_is_equal(dataset, part.rows, answers))
        if len(rows):
            differing[dataset] = Measured(part.definition, rows)
    if differing:
        answers |= _ask(checkpoint, spec, differing, batch_size=1)
    return _compared(combination, role, measured, answers)


def check(proof: Proof, checkpoint: Path) -> None:
    """Raise a ModelError with the first difference, if there is any."""
    first = proof["first_difference"]
    num_different = proof["samples"] - proof["equal"] - proof["near_ties"]
    if first is not None:
        raise ModelError(
            f"{checkpoint} does not answer as combination {proof['combination']} was measured: "
            f"{num_different} of {proof['samples']} answers differ, first in dataset "
            f"{first['dataset']}, sample {first['sample_id']}: tokens {first['exported']} "
            f"in place of {first['measured']}; nothing is written"
        )
    logger.info(
        "%s: %d of %d answers are token for token those measured, %d differ in near ties",
        checkpoint,
        proof["equal"],
        proof["samples"],
        proof["near_ties"],
    )


def _compared(
    combination: Combination,
    role: Role | None,
    measured: Mapping[str, Measured],
    answers: Mapping[str, list[int]],
) -> Proof:
    datasets: dict[str, DatasetProof] = {}
    first: Difference | None = None
    for dataset, part in measured.items():
        is_equal = _is_equal(dataset, part.rows, answers)
        is_near_tie = ~is_equal & part.rows["near_tie"]
        different = part.rows.filter(~is_equal & ~is_near_tie)
        if len(different) and first is None:
            sample_id, tokens = different.select("sample_id", "tokens").row(0)
            exported = answers[_key(dataset, sample_id)]
            first = {
                "dataset": dataset,
                "sample_id": sample_id,
                "measured": tokens,
                "exported": exported,
            }
        datasets[dataset] = {
            "samples": len(part.rows),
            "equal": int(is_equal.sum()),
            "near_ties": int(is_near_tie.sum()),
        }
    return {
        "combination": str(combination),
        "role": role,
        "samples": sum(counts["samples"] for counts in datasets.values()),
        "equal": sum(counts["equal"] for counts in datasets.values()),
        "near_ties": sum(counts["near_ties"] for counts in datasets.values()),
        "datasets": datasets,
        "first_difference": first,
    }


def _is_equal(dataset: str, rows: pl.DataFrame, answers: Mapping[str, list[int]]) -> pl.Series:
    equal = []
    for sample_id, tokens in rows.select("sample_id", "tokens").iter_rows():
        equal.append(answers[_key(dataset, sample_id)] == tokens)
    return pl.Series(equal, dtype=pl.Boolean)


def _key(dataset: str, sample_id: str) -> str:
    return f"{dataset}/{sample_id}"


def _ask(
    checkpoint: Path, spec: ModelSpec, measured: Mapping[str, Measured], batch_size: int
) -> dict[str, list[int]]:
    """Return the checkpoint's answers by `_key`, from a process with transformers alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_questions(folder, checkpoint, spec, measured, batch_size)
        # Neither PYTHONPATH nor the current folder leads to the package: -I.
        command = [sys.executable, "-I", str(stock_answers.__file__), str(folder)]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()[-LAST_LINES:]
            raise ModelError(f"transformers alone cannot use {checkpoint}: {' '.join(lines)}")
        document = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    faults = {kind: names for kind, names in document["loading_info"].items() if names}
    if faults:
        raise ModelError(f"transformers alone does not load all weights of {checkpoint}: {faults}")
    if document["foreign_modules"]:
        raise ModelError(f"the proof was not by transformers alone: {document['foreign_modules']}")
    answers: dict[str, list[int]] = document["answers"]
    return answers


def _write_questions(
    folder: Path,
    checkpoint: Path,
    spec: ModelSpec,
    measured: Mapping[str, Measured],
    batch_size: int,
) -> None:
    """Write what to ask: prompts as the evaluation wrote them, and its pictures."""
    config = read_config(spec, str(checkpoint))
    has_gpu = spec.device != "cpu" and torch.cuda.is_available()
    groups = []
    for dataset, part in measured.items():
        groups.append(_group_of(folder, checkpoint, spec, dataset, part))
    document: Job = {
        "checkpoint": str(checkpoint.resolve()),
        "auto_class": auto_class(spec, config).__name__,
        "auto_processor": "AutoProcessor" if spec.kind == "vlm" else "AutoTokenizer",
        "trust_remote_code": spec.trust_remote_code,
        "dtype": spec.dtype,
        "device": "cuda" if has_gpu else "cpu",
        "usual_settings": [*OUTPUTS, *SEARCHES],
        "batch_size": batch_size,
        "groups": groups,
    }
    (folder / "questions.json").write_text(json.dumps(document), encoding="utf-8")


def _group_of(
    folder: Path, checkpoint: Path, spec: ModelSpec, dataset: str, part: Measured
) -> Group:
    processor = load_processor(spec.kind, str(checkpoint), trust_remote_code=spec.trust_remote_code)
    rows = sample_rows(part.rows)
    texts = [write_prompt(processor, spec.prompt, row, part.definition.prompt) for row in rows]
    holds_special_tokens = has_special_tokens(processor, spec.prompt, texts)
    questions: list[Question] = []
    for text, row in zip(texts, rows, strict=True):
        names = []
        for number, data in enumerate(row["images"]):
            name = f"{dataset}.{row['sample_id']}.{number}.png"
            open_picture(data).save(folder / name)
            names.append(name)
        questions.append(
            {
                "id": _key(dataset, row["sample_id"]),
                "text": text,
                "pictures": names,
            }
        )
    return {
        "add_special_tokens": not holds_special_tokens,
        "max_new_tokens": part.definition.max_new_tokens,
        "questions": questions,
    }
