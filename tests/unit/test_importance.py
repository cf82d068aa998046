"""Importance scores: what was planted comes back, and files can be read again."""

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence

from blocksieve.errors import DataError
from blocksieve.importance import blocks_to_remove, importance_scores, load_scores

DROPS = {
    "a": {(0,): 0.4, (1,): 0.1, (2,): 0.0, (10,): 0.1, (1, 2): 0.0},
    "b": {(0,): 0.2, (1,): 0.3, (2,): 0.1, (10,): -0.1},
    "c": {(0,): 0.6, (1,): 0.0, (2,): 0.0},
}
EVALUATIONS = planted_evaluations(DROPS, dict.fromkeys("abc", 1.0)).with_columns(
    task_type=pl.col("dataset").replace_strict({"a": "Document QA", "b": "Document QA", "c": "VQA"})
)
SCORES = dict(importance_scores(planted_evidence(EVALUATIONS)))


def test_every_dataset_task_type_and_all_together_have_scores():
    assert list(SCORES) == ["a", "b", "c", "task_document_qa", "task_vqa", "generic"]
    assert SCORES["task_document_qa"].datasets == ("a", "b")
    assert SCORES["task_document_qa"].samples == 200


def test_order_is_by_drop_then_block():
    assert SCORES["a"].removal_order == (2, 1, 10, 0)
    assert SCORES["task_document_qa"].removal_order == (10, 2, 1, 0)
    assert SCORES["generic"].removal_order == (2, 1, 0)  # block 10 was not removed on all datasets


def test_scores_are_the_mean_drops_with_their_interval():
    block = SCORES["task_document_qa"].blocks[1]
    assert (block.block, block.drop) == (1, pytest.approx(20))
    assert block.low < 20 < block.high


def test_files_can_be_read_again(tmp_path: Path):
    for name, scores in SCORES.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(asdict(scores)))
        assert load_scores(tmp_path / f"{name}.json") == scores


def test_least_important_blocks_in_order_of_their_numbers():
    assert blocks_to_remove(SCORES["a"], 0) == ()
    assert blocks_to_remove(SCORES["a"], 3) == (1, 2, 10)
    with pytest.raises(DataError, match="leave at least one"):
        blocks_to_remove(SCORES["a"], 4)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", json.dumps(asdict(SCORES["a"]) | {"removal_order": [1, 2]})]
)
def test_other_files_are_refused(tmp_path: Path, content: str):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DataError, match=r"scores\.json: "):
        load_scores(tmp_path / "scores.json")
    with pytest.raises(DataError, match=r"none\.json: "):
        load_scores(tmp_path / "none.json")
