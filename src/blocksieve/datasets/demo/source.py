"""The source `demo`: generated pictures of one task, drawn until no more are needed."""

import io
import random
from collections.abc import Iterator

import numpy as np
from PIL import Image

from blocksieve.datasets.demo.tasks import TASKS, draw
from blocksieve.datasets.sample import Sample
from blocksieve.specs import Source

PICTURES_PER_SPLIT = 600


def read(source: Source, split: str) -> Iterator[Sample]:
    """Yield all questions of a split's pictures; `source` names the task and its level.

    Splits differ in their seed.
    """
    task = source["task"]
    for number in range(PICTURES_PER_SPLIT):
        rng = random.Random(f"{task} {split} {number}")
        picture = draw(TASKS[task], rng, holdout=True, level=source["level"])
        png = encode_png(picture.pixels)
        for question in picture.questions:
            yield Sample(
                question=question.question,
                references=question.references,
                choices=question.choices,
                images=(png,),
                cluster=f"{split}-{number}",
                split=split,
            )


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode uint8 pixels [height, width, 3] as PNG."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(buffer, format="PNG")
    return buffer.getvalue()
