"""Training prompts come from a source's split `train`, and from nothing that the run drew."""

import io

import polars as pl
import pytest
from PIL import Image

from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.datasets.table import SCHEMA, to_row
from blocksieve.deployment import train_samples
from blocksieve.deployment.train_samples import FEWEST, Seen, draw_train_samples
from blocksieve.errors import ConfigError, DataError

SOURCE = {"kind": "demo"}


def picture(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (1, 1), value % 256).save(buffer, "PNG")
    return buffer.getvalue() + value.to_bytes(4, "big")


def sample(number: int, **changes: object) -> Sample:
    parts = {
        "question": f"question {number}",
        "references": ("yes",),
        "cluster": f"train-{number}",
        "split": "train",
        "images": (picture(number),),
    }
    return Sample(**parts | changes)


def seen_of(drawn: dict[str, list[Sample]], dataset: str) -> Seen:
    tables = {}
    for name, samples in drawn.items():
        roles = ("search", "holdout", "verify")
        rows = [to_row(roles[place % 3], each) for place, each in enumerate(samples)]
        tables[name] = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return Seen.of(tables, dataset)


def test_nothing_that_the_run_drew_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {"a": [sample(number) for number in range(6)], "b": [sample(100), sample(101)]}
    fresh = [sample(number) for number in range(1000, 1040)]
    same_picture = [sample(2000 + n, images=(picture(5), picture(9))) for n in range(3)]
    of_other_dataset = [sample(3000, images=(picture(101),)), sample(100)]
    same_cluster = [sample(4000, cluster="train-4")]
    # A cluster's name means nothing in another dataset.
    allowed = [sample(5000, cluster="train-100")]
    read = [*drawn["a"], *same_picture, *of_other_dataset, *same_cluster, *allowed, *fresh]
    read += [fresh[0], Unusable("train", "7", "broken")]
    monkeypatch.setattr(train_samples, "read_samples", lambda source, splits: iter(read))
    chosen, report = draw_train_samples(SOURCE, "exact_match", seen_of(drawn, "a"), 1000, seed=0)
    assert report == {"samples": 41, "left_out": None}
    assert sorted(each.question for each in chosen) == sorted(
        each.question for each in [*allowed, *fresh]
    )
    fewer, _ = draw_train_samples(SOURCE, "exact_match", seen_of(drawn, "a"), 34, seed=0)
    assert fewer == chosen[:34]
    other_seed, _ = draw_train_samples(SOURCE, "exact_match", seen_of(drawn, "a"), 34, seed=1)
    assert other_seed != fewer


def test_a_dataset_without_such_a_split_or_with_too_few_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = [sample(number) for number in range(FEWEST - 1)]
    monkeypatch.setattr(train_samples, "read_samples", lambda source, splits: iter(few))
    chosen, report = draw_train_samples(SOURCE, "exact_match", seen_of({"a": []}, "a"), 400, seed=0)
    assert chosen == []
    assert report["left_out"] == (
        "its split 'train' has 31 samples that the run has not seen, fewer than 32"
    )

    def without_split(source: object, splits: list[str]) -> list[Sample]:
        raise ConfigError(f"no split {splits[0]!r}")

    monkeypatch.setattr(train_samples, "read_samples", without_split)
    chosen, report = draw_train_samples(SOURCE, "exact_match", seen_of({"a": []}, "a"), 400, seed=0)
    assert (chosen, report["left_out"]) == ([], "no split 'train'")


def test_what_is_out_of_reach_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run tries again, in place of going on without the dataset for good."""

    def out_of_reach(source: object, splits: list[str]) -> list[Sample]:
        raise DataError("cannot read split 'train': timed out")

    monkeypatch.setattr(train_samples, "read_samples", out_of_reach)
    with pytest.raises(DataError, match="timed out"):
        draw_train_samples(SOURCE, "exact_match", seen_of({"a": []}, "a"), 400, seed=0)
