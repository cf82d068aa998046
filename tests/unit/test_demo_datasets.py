import itertools
import random
import zlib

import numpy as np
import pytest

from blocksieve.datasets.demo.canvas import FIRST_HELD_OUT_DIGIT, digit_images
from blocksieve.datasets.demo.picture import TOP_LEVEL
from blocksieve.datasets.demo.source import read
from blocksieve.datasets.demo.tasks import TASKS, draw
from blocksieve.metrics import Target, load_metric
from blocksieve.specs import Source

METRICS = {
    "vqa": "vqa",
    "okvqa": "vqa",
    "text_vqa": "vqa",
    "st_qa": "anls",
    "doc_qa": "anls",
    "science_qa": "multiple_choice",
    "tally_qa": "exact_match",
    "caption": "cider",
}


def source(task: str) -> Source:
    return {"kind": "demo", "task": task, "level": TOP_LEVEL}


@pytest.mark.parametrize("task", TASKS)
def test_the_plainest_reference_scores_best(task: str) -> None:
    samples = itertools.islice(read(source(task), "validation"), 100)
    targets = [Target(sample.references, sample.choices) for sample in samples]
    scorer = load_metric(METRICS[task]).prepare(targets)
    scores = [scorer(target.references[0], target) for target in targets]
    assert min(scores) > 1.5 if task == "caption" else min(scores) == 1


@pytest.mark.parametrize("task", TASKS)
def test_reading_twice_gives_the_same_samples(task: str) -> None:
    first = list(itertools.islice(read(source(task), "train"), 30))
    second = list(itertools.islice(read(source(task), "train"), 30))
    assert first == second


@pytest.mark.parametrize("task", TASKS)
def test_no_picture_of_the_datasets_can_be_a_training_picture(task: str) -> None:
    rng = random.Random(5)
    trained = {zlib.crc32(draw(TASKS[task], rng, False).pixels.tobytes()) for _ in range(200)}
    holdout = {zlib.crc32(draw(TASKS[task], rng, True).pixels.tobytes()) for _ in range(50)}
    assert all(value % 8 != 0 for value in trained)
    assert all(value % 8 == 0 for value in holdout)


def encoded_digits(holdout: bool) -> set[bytes]:
    images = itertools.chain.from_iterable(digit_images(holdout).values())
    return {image.tobytes() for image in images}


def test_no_digit_image_is_in_both_parts() -> None:
    trained = encoded_digits(holdout=False)
    holdout = encoded_digits(holdout=True)
    assert len(trained) + len(holdout) >= 1790
    assert len(trained) <= FIRST_HELD_OUT_DIGIT
    assert not trained & holdout


def test_splits_share_no_picture() -> None:
    images = {}
    for split in ("train", "validation"):
        samples = itertools.islice(read(source("vqa"), split), 200)
        images[split] = {sample.images for sample in samples}
    assert not images["train"] & images["validation"]


def test_pictures_are_64_pixels_of_three_colours() -> None:
    picture = draw(TASKS["caption"], random.Random(0), True)
    assert picture.pixels.shape == (64, 64, 3)
    assert picture.pixels.dtype == np.uint8
