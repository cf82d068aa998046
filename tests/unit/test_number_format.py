"""`dtype: auto` is the format that transformers itself takes a checkpoint in."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, LlamaConfig

from blocksieve.errors import ModelError
from blocksieve.model_description import as_described
from blocksieve.models.describe import describe_model
from blocksieve.models.loading import load_model, weights_bytes
from blocksieve.models.number_format import with_own_format
from blocksieve.search.evaluate import metadata_of
from blocksieve.search.task import Task
from blocksieve.shards import Metadata
from blocksieve.specs import DatasetSpec, EvaluationSpec, ModelSpec

FORMATS = ("float32", "bfloat16", "float16")


@pytest.fixture
def auto(demo_model_config: ModelSpec) -> ModelSpec:
    return replace(demo_model_config, dtype="auto")


def save(folder: Path, dtype: str, shard: str = "1GB") -> Path:
    config = LlamaConfig(
        vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=2,
        num_attention_heads=2,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size=shard)
    return folder


def edit_config(folder: Path, **changes: object) -> None:
    """Change keys of a config.json; None takes a key out."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    "changes", [{}, {"dtype": None}, {"dtype": None, "torch_dtype": "float16"}]
)
@pytest.mark.parametrize("shard", ["1GB", "1KB"])
def test_auto_is_what_transformers_takes(
    tmp_path: Path, auto: ModelSpec, dtype: str, changes: dict[str, str | None], shard: str
) -> None:
    folder = save(tmp_path, dtype, shard)
    edit_config(folder, **changes)
    expected = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype
    assert f"torch.{with_own_format(replace(auto, path=str(folder))).dtype}" == str(expected)


def test_a_part_that_names_a_format_does_not_decide(tmp_path: Path, auto: ModelSpec) -> None:
    model = AutoModelForImageTextToText.from_pretrained(auto.path, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    text_config = content["text_config"] | {"dtype": "float32"}
    edit_config(tmp_path, dtype=None, text_config=text_config)
    expected = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype="auto").dtype
    assert f"torch.{with_own_format(replace(auto, path=str(tmp_path))).dtype}" == str(expected)


def test_what_is_said_stays(auto: ModelSpec) -> None:
    for dtype in FORMATS:
        said = replace(auto, dtype=dtype, path="nowhere")
        assert with_own_format(said) is said
    assert with_own_format(replace(auto, path="nowhere", gguf_file="x.gguf")).dtype == "float32"


@pytest.mark.parametrize("dtype", ["float64", "float8_e4m3fn"])
def test_a_format_that_is_not_run_is_refused(tmp_path: Path, auto: ModelSpec, dtype: str) -> None:
    edit_config(save(tmp_path, "float32"), dtype=dtype)
    with pytest.raises(ModelError, match=f"model.dtype: auto finds {dtype} .* set it to one of"):
        with_own_format(replace(auto, path=str(tmp_path)))


def test_the_format_that_runs_is_in_description_fingerprint_and_metadata(
    tmp_path: Path, auto: ModelSpec
) -> None:
    folder = str(save(tmp_path, "bfloat16"))
    model = replace(auto, kind="text", path=folder)
    description = describe_model(model)
    assert description["dtype"] == "bfloat16"
    assert weights_bytes(model) == 2 * description["parameters"]
    tasks = {
        dtype: task(as_described(replace(model, dtype=dtype), description | {"dtype": dtype}))
        for dtype in FORMATS
    }
    own = task(as_described(model, description))
    assert own.context() == tasks["bfloat16"].context() != tasks["float32"].context()
    metadata: Metadata = metadata_of(own, {})
    assert metadata["dtype"] == "bfloat16"


def task(model: ModelSpec) -> Task:
    definition = DatasetSpec("VQA", {"kind": "demo"}, ["train"], "{question}", "vqa", 2)
    return Task("x", definition, model, "fingerprint", EvaluationSpec("shared", 1, 60))


def test_the_demo_loads_in_its_own_format(auto: ModelSpec) -> None:
    assert load_model(auto).model.dtype == torch.float32
