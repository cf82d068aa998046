"""The embedded model is a real checkpoint that really does the tasks."""

import itertools
from pathlib import Path

import polars as pl
import pytest
import torch

from blocksieve.combination import NONE, Combination
from blocksieve.engine.inputs import make_inputs
from blocksieve.models.blocks import find_blocks
from blocksieve.models.describe import describe_model
from blocksieve.models.view import without_blocks
from blocksieve.search.evaluate import evaluate
from blocksieve.search.task import Task
from blocksieve.specs import EvaluationSpec

FOLDER = Path(__file__).parents[2] / "models/demo-vlm"
DATASETS = ("vqa", "okvqa", "text_vqa", "st_qa", "doc_qa", "science_qa", "tally_qa", "caption")


def test_it_is_small_and_safe() -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15e6
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".jinja", ".md"}


def test_description(demo_model_config) -> None:
    description = describe_model(demo_model_config)
    assert description["architecture"] == "LlavaForConditionalGeneration"
    assert description["num_blocks"] == 16


def test_no_block_is_a_copy_or_the_identity(demo_model) -> None:
    blocks = find_blocks(demo_model.model).blocks
    for block in blocks:
        assert block.self_attn.o_proj.weight.abs().mean() > 1e-3
        assert block.mlp.down_proj.weight.abs().mean() > 1e-3
    for first, second in itertools.combinations(blocks, 2):
        assert (first.mlp.up_proj.weight - second.mlp.up_proj.weight).abs().mean() > 1e-3


def test_every_block_matters_to_the_logits(demo_model, demo_samples) -> None:
    samples, definition = demo_samples("demo_vqa", 8)
    inputs = make_inputs(demo_model, samples.to_dicts(), definition.prompt)
    with torch.inference_mode():
        unpruned = demo_model.model(**inputs).logits[:, -1]
        for block in range(16):
            pruned = without_blocks(demo_model.model, Combination.of((block,)))
            difference = pruned(**inputs).logits[:, -1] - unpruned
            assert difference.abs().max() > 0.05, f"block {block}"


@pytest.mark.parametrize("name", DATASETS)
def test_it_does_the_tasks(name: str, demo_samples, demo_model_config, tmp_path: Path) -> None:
    samples, definition = demo_samples(f"demo_{name}", 96)
    evaluation = EvaluationSpec("reference", 96, batch_timeout=3600)
    task = Task(f"demo_{name}", definition, demo_model_config, "fingerprint", evaluation)
    rows = evaluate(task, samples, samples, [NONE], tmp_path).rows
    scores = rows["score"].cast(pl.Float64)
    assert scores.mean() > (1.0 if name == "caption" else 0.75)
