"""Samples that stop a job are named and counted."""

import re
import subprocess
import sys

import polars as pl
import pytest

from blocksieve.combination import NONE
from blocksieve.errors import DataError
from blocksieve.search.evaluate import evaluate
from blocksieve.search.task import Task
from blocksieve.search.watchdog import with_time_limit
from blocksieve.specs import EvaluationSpec

HANGS = """
import time
from blocksieve.search.watchdog import with_time_limit
def answers():
    yield 1
    time.sleep(60)
for answer in with_time_limit(answers(), 0.2, ["first", "second"]):
    print(answer, flush=True)
"""


def test_samples_that_cannot_be_turned_into_inputs_are_named(
    demo_samples, demo_model_config, tmp_path
) -> None:
    samples, definition = demo_samples("demo_vqa", 4)
    broken_id = samples["sample_id"][2]
    is_broken = pl.col("sample_id") == broken_id
    images = pl.when(is_broken).then(pl.lit([b"no picture"])).otherwise(pl.col("images"))
    samples = samples.with_columns(images=images)
    evaluation = EvaluationSpec("shared", 4, batch_timeout=3600)
    task = Task("demo_vqa", definition, demo_model_config, "fingerprint", evaluation)
    message = (
        "1 of 4 samples cannot be turned into the model's inputs, "
        f"first sample {broken_id}: not a picture of a format that Pillow reads; take them out"
    )
    with pytest.raises(DataError, match=re.escape(message)) as error:
        evaluate(task, samples, samples, [NONE], tmp_path)
    assert "\n" not in str(error.value)


def test_answers_in_time_pass() -> None:
    assert list(with_time_limit(iter([1, 2, 3]), 5, ["a"])) == [1, 2, 3]


def test_a_job_that_hangs_ends_and_names_the_samples() -> None:
    command = [sys.executable, "-c", HANGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=45, check=False)
    assert done.returncode == 1
    assert done.stdout == "1\n"
    message = (
        "error: no answer within 0.2 s (evaluation.batch_timeout) "
        "for sample first and 1 more in its batch"
    )
    assert done.stderr.splitlines()[-1].startswith(message)
