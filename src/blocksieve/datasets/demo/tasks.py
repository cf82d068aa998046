"""The eight demo tasks: each draws one picture and asks its questions about it.

A task is a function `(rng, level, holdout, most) -> Picture`. Level 0 is the smallest case, where
training starts, and TOP_LEVEL the hardest. The same functions serve training and the
datasets: `draw` keeps the two apart by the picture's hash.

The order of the draws from `rng` decides every picture: a change there changes the datasets.
"""

import random
import zlib

from blocksieve.datasets.demo.picture import TOP_LEVEL, Picture, Task
from blocksieve.datasets.demo.scene_tasks import SCENE_TASKS
from blocksieve.datasets.demo.text_tasks import TEXT_TASKS

TASKS: dict[str, Task] = {**SCENE_TASKS, **TEXT_TASKS}


def draw(task: Task, rng: random.Random, holdout: bool, level: int = TOP_LEVEL) -> Picture:
    """Draw one picture of a task for the datasets (`holdout`) or for training.

    One in eight pictures, by the hash of its pixels, is held out from training. Training and the
    datasets can therefore never share a picture, whatever their seeds.
    """
    while True:
        picture = task(rng, level, holdout)
        pixel_hash = zlib.crc32(picture.pixels.tobytes())
        if (pixel_hash % 8 == 0) == holdout:
            return picture
