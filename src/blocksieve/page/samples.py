"""Samples with the answers of the whole model and without the blocks of recommended lists."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import polars as pl

from blocksieve.combination import NONE, Combination
from blocksieve.page.thumbnails import Pictures
from blocksieve.shards import answers

MAX_SAMPLES = 2400
"""Of all datasets together; those whose score some list changes come first."""
TEXT_BUDGET = 3_000_000
"""Characters of all samples together, as JSON."""
PICTURE_BUDGET = 2_500_000
"""Characters of all pictures together."""
MAX_REFERENCES = 3
TEXT_LIMIT = 600
"""Characters of a question or an answer that are shown."""


class ShownAnswer(TypedDict):
    """An answer and its score; `change`: of the score against the whole model's."""

    text: str
    score: float
    change: float


class ShownSample(TypedDict):
    """A sample; `pictures`: places in the page's pictures, None for one that was left out.

    `answers`: the whole model's first, then one per list, None where it was not measured.
    """

    question: str
    choices: list[str]
    references: list[str]
    pictures: list[int | None]
    answers: list[ShownAnswer | None]


class DatasetSamples(TypedDict):
    """The samples of a dataset that are shown, of `num_samples` holdout samples."""

    dataset: str
    num_samples: int
    samples: list[ShownSample]


class Samples(TypedDict):
    """What the page shows of samples; `lists`: the combinations whose answers are compared."""

    lists: list[str]
    datasets: list[DatasetSamples]
    pictures: list[str]
    pictures_left_out: int


class SampleFiles(TypedDict):
    """Where a dataset's samples and its shards lie."""

    samples: Path
    shards: list[Path]


def shown_samples(files: Mapping[str, SampleFiles], lists: Sequence[Combination]) -> Samples:
    """Return the holdout samples of every dataset, and what some lists answer to them."""
    shown: Samples = {
        "lists": [str(combination) for combination in lists],
        "datasets": [],
        "pictures": [],
        "pictures_left_out": 0,
    }
    num_rest, max_samples = len(files), MAX_SAMPLES
    budget = PICTURE_BUDGET
    for dataset, paths in files.items():
        # What a dataset leaves of its share goes to those after it.
        pictures = Pictures(budget // num_rest)
        of_dataset = _dataset_samples(
            dataset,
            paths,
            lists,
            max_samples // num_rest,
            pictures,
            TEXT_BUDGET // len(files),
        )
        _shift(of_dataset, len(shown["pictures"]))
        shown["datasets"].append(of_dataset)
        shown["pictures"] += pictures.uris
        shown["pictures_left_out"] += len(pictures.left_out)
        max_samples -= len(of_dataset["samples"])
        budget -= sum(map(len, pictures.uris))
        num_rest -= 1
    return shown


def _shift(of_dataset: DatasetSamples, offset: int) -> None:
    """Count the pictures of a dataset behind those of the datasets before it."""
    for sample in of_dataset["samples"]:
        places = sample["pictures"]
        sample["pictures"] = [None if place is None else place + offset for place in places]


def _dataset_samples(
    dataset: str,
    files: SampleFiles,
    lists: Sequence[Combination],
    max_samples: int,
    pictures: Pictures,
    text_budget: int,
) -> DatasetSamples:
    by_sample = _answers_by_sample(files["shards"], lists)
    drawn = pl.read_parquet(files["samples"]).filter(pl.col("role") == "holdout")
    answered = drawn.filter(pl.col("sample_id").is_in(list(by_sample)))
    changed = [_is_changed(by_sample[name]) for name in answered["sample_id"]]
    # In the order of the draw, behind those whose score a list changes.
    order = pl.Series("changed", changed, dtype=pl.Boolean)
    chosen = answered.with_columns(order).sort("changed", descending=True, maintain_order=True)
    samples: list[ShownSample] = []
    for row in chosen.head(max_samples).iter_rows(named=True):
        sample: ShownSample = {
            "question": _short(row["question"]),
            "choices": [_short(choice) for choice in row["choices"]],
            "references": _distinct(row["references"]),
            "pictures": [pictures.add(encoded) for encoded in row["images"]],
            "answers": by_sample[row["sample_id"]],
        }
        text_budget -= len(json.dumps(sample))
        if text_budget < 0:
            break
        samples.append(sample)
    return {"dataset": dataset, "num_samples": len(answered), "samples": samples}


def _answers_by_sample(
    shards: Sequence[Path], lists: Sequence[Combination]
) -> dict[str, list[ShownAnswer | None]]:
    """Return for each holdout sample the whole model's answer, and that of every list."""
    places = {str(combination): place for place, combination in enumerate([NONE, *lists])}
    by_sample: dict[str, list[ShownAnswer | None]] = {}
    for row in answers(shards, "holdout", [NONE, *lists]).iter_rows(named=True):
        of_sample = by_sample.setdefault(row["sample_id"], [None] * len(places))
        of_sample[places[row["combination"]]] = {
            "text": _short(row["prediction"] or ""),
            "score": row["score"],
            "change": 0.0,
        }
    complete = {}
    for name, of_sample in by_sample.items():
        baseline = of_sample[0]
        if baseline is None:
            continue
        for answer in of_sample:
            if answer is not None:
                answer["change"] = answer["score"] - baseline["score"]
        complete[name] = of_sample
    return complete


def _is_changed(of_sample: Sequence[ShownAnswer | None]) -> bool:
    return any(answer is not None and answer["change"] for answer in of_sample)


def _distinct(references: Sequence[str]) -> list[str]:
    distinct = list(dict.fromkeys(references))
    shown = [_short(reference) for reference in distinct[:MAX_REFERENCES]]
    if len(distinct) > MAX_REFERENCES:
        shown.append(f"{len(distinct) - MAX_REFERENCES} more")
    return shown


def _short(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]} …"
