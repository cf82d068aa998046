"""Where a model goes: free GPUs, claims, models too large for one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from blocksieve.errors import ModelError
from blocksieve.models.loading import (
    ALLOTTED,
    allotted_gpus,
    choose_device,
    claim,
    gpus_with_room,
    weights_bytes,
)

CLAIM = """
import sys
from pathlib import Path
from blocksieve.models.loading import claim
print(claim({0: "a", 1: "b"}, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_the_gpu_with_the_most_free_memory_comes_first_and_too_small_ones_are_left_out() -> None:
    assert gpus_with_room({0: 10, 1: 40, 2: 20}, weights_bytes=10) == [1, 2]
    assert gpus_with_room({0: 10, 1: 40}, weights_bytes=30) == []


def test_jobs_at_the_same_time_take_different_gpus_and_give_them_back(tmp_path: Path) -> None:
    jobs = []
    for expected in ("0", "1", "0"):  # a third job shares the first one's
        job = subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        jobs.append(job)
        assert job.stdout is not None
        assert job.stdout.readline().strip() == expected
    for job in jobs:
        job.communicate("")
    assert claim({0: "a", 1: "b"}, tmp_path) == 0


def test_a_lock_that_cannot_be_taken_is_logged_and_the_next_gpu_is_claimed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "blocksieve-a.lock").mkdir()
    assert claim({0: "a", 1: "b"}, tmp_path) == 1
    assert "blocksieve-a.lock, so GPU 0 may be another job's: [Errno 21]" in caplog.text
    assert claim({0: "a", 1: "b"}, tmp_path) == 0  # this process has claimed 1 itself


def test_another_user_can_lock_the_same_file(tmp_path: Path) -> None:
    assert claim({0: "a"}, tmp_path) == 0
    assert (tmp_path / "blocksieve-a.lock").stat().st_mode & 0o777 == 0o666


def test_what_a_batch_system_says_of_gpus() -> None:
    assert (
        allotted_gpus({"CUDA_VISIBLE_DEVICES": "0,1", "HOME": "/root"})
        == "CUDA_VISIBLE_DEVICES=0,1"
    )
    assert (
        allotted_gpus({"SLURM_JOB_GPUS": "3", "SLURM_STEP_GPUS": "3"})
        == "SLURM_JOB_GPUS=3, SLURM_STEP_GPUS=3"
    )
    assert (
        allotted_gpus({"CUDA_VISIBLE_DEVICES": "-1"})
        == allotted_gpus({"CUDA_VISIBLE_DEVICES": ""})
        == ""
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_was_given_but_is_not_seen_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLURM_STEP_GPUS", "0")
    for wanted in ("auto", "cuda"):
        with pytest.raises(
            ModelError, match=r"was given a GPU \(SLURM_STEP_GPUS=0\) but torch .* sees none; check"
        ):
            choose_device(wanted)
    assert choose_device("cpu") == "cpu"
    assert "was given a GPU (SLURM_STEP_GPUS=0) but model.device is cpu" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_auto_means_cpu_and_cuda_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOTTED:
        monkeypatch.delenv(name, raising=False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(ModelError, match="cuda is wanted but this machine shows no GPU"):
        choose_device("cuda")


def test_the_memory_that_weights_take_is_known_before_they_are_loaded(
    demo_model, demo_model_config
) -> None:
    parameters = sum(weight.numel() for weight in demo_model.model.parameters())
    assert weights_bytes(demo_model_config) == 4 * parameters
    assert weights_bytes(replace(demo_model_config, dtype="bfloat16")) == 2 * parameters
