"""Datasets that do not suit the model or their metric are refused before any model is loaded."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from blocksieve.combination import NONE
from blocksieve.errors import DataError
from blocksieve.search import answering
from blocksieve.search.evaluate import evaluate
from blocksieve.search.suitability import refuse_unsuitable
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec, ModelSpec

EVALUATION = EvaluationSpec("shared", 4, batch_timeout=3600)
NO_PICTURES: pl.Expr = pl.lit([], dtype=pl.List(pl.Binary)).alias("images")


def load_no_model(_: ModelSpec) -> None:
    raise AssertionError("the model was loaded")


def test_a_text_model_is_refused_pictures_before_it_is_loaded(
    demo_model_config: ModelSpec,
    demo_samples: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answering, "load_model", load_no_model)
    samples, definition = demo_samples("demo_vqa", 4)
    spec = replace(demo_model_config, kind="text")
    task = Task("demo_vqa", definition, spec, "fingerprint", EVALUATION)
    with pytest.raises(DataError, match="dataset demo_vqa: its samples have pictures") as error:
        evaluate(task, samples, samples, [NONE], tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "metric", "message"),
    [
        ("demo_vqa", "cider", "metric cider compares captions by sequences of four words"),
        ("demo_caption", "multiple_choice", "needs choices, but none of the first samples"),
    ],
)
def test_a_metric_that_cannot_score_the_samples_is_refused(
    demo_model_config: ModelSpec, demo_samples: Any, dataset: str, metric: str, message: str
) -> None:
    samples, definition = demo_samples(dataset, 4)
    right = Task(dataset, definition, demo_model_config, "fingerprint", EVALUATION)
    refuse_unsuitable(right, samples)
    wrong = replace(right, definition=replace(definition, metric=metric))
    with pytest.raises(DataError, match=message) as error:
        refuse_unsuitable(wrong, samples)
    assert "\n" not in str(error.value)


def test_pictures_that_the_source_names_but_no_sample_has_are_refused(
    demo_model_config: ModelSpec, demo_samples: Any
) -> None:
    samples, definition = demo_samples("demo_vqa", 4)
    samples = samples.with_columns(NO_PICTURES)
    task = Task("demo_vqa", definition, demo_model_config, "fingerprint", EVALUATION)
    refuse_unsuitable(task, samples)  # a vision-language model may be asked without pictures
    source = {**definition.source, "images": "image"}
    task = replace(task, definition=replace(definition, source=source))
    with pytest.raises(DataError, match=r"source\.images names pictures, but none"):
        refuse_unsuitable(task, samples)
