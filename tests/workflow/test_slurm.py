"""The reduced run through profiles/slurm on a real SLURM of one node.

Faults change neither its end nor its bytes.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from copies import ROOT, Workflow

# The profile as it is shipped; only looks for finished jobs more often.
SLURM = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")
TABLE = "results/reduced/evaluations.parquet"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A SLURM cluster that snakemake and the functions below find through the environment."""
    folder = tmp_path_factory.mktemp("slurm")
    messages = folder / "messages.log"
    with messages.open("w") as stderr, pytest.MonkeyPatch.context() as environment:
        script = subprocess.Popen(
            ["bash", ROOT / "tests/workflow/slurm.sh", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
        try:
            assert script.stdout is not None
            said = script.stdout.readline().strip()
            if said != "ready":
                assert script.wait() == 0, messages.read_text()
                pytest.skip(said)
            environment.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            environment.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
            yield
        finally:
            script.communicate("")


@pytest.fixture(scope="module")
def workflow(cluster: None, make_workflow: Callable[[], Workflow]) -> Workflow:
    return make_workflow()


def ask(*command: str, check: bool = True) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=check).stdout


def start_of(rule: str, step: str = "") -> str:
    """Wait until a job of a rule (and step) runs, and return its id.

    A signal can then reach its processes.
    """
    for _ in range(1800):
        for line in ask("squeue", "--noheader", "--states=running", "--format=%i %k").splitlines():
            job, comment = line.split()
            if comment.startswith(f"rule_{rule}_") and step in comment:
                time.sleep(1)
                return job
        time.sleep(0.1)
    raise AssertionError(f"no job of {rule} ran within three minutes\n" + ask("squeue"))


def tables(results: Path) -> dict[str, bytes]:
    """Return what a search gives.

    Of shards only the rows: their metadata says how much of a job was in the cache.
    """
    files = [
        results / "evaluations.parquet",
        results / "finalists.json",
        *(results / "beams").rglob("*.json"),
    ]
    shards = {
        path: pl.read_parquet(path).write_json() for path in (results / "shards").rglob("*.parquet")
    }
    whole = {path: path.read_bytes() for path in files} | {
        path: rows.encode() for path, rows in shards.items()
    }
    return {str(path.relative_to(results)): content for path, content in whole.items()}


def test_without_retries_a_cancelled_job_stops_the_run_with_its_state(workflow: Workflow) -> None:
    with ThreadPoolExecutor() as background:
        run = background.submit(workflow.call, *SLURM, "--retries", "0", TABLE)
        job = start_of("evaluate")
        assert "gres:gpu" in ask("scontrol", "show", "job", job)
        ask("scancel", job)
        done = run.result()
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"SLURM-job '{job}' failed, SLURM status is: 'CANCELLED'" in printed
    assert "Traceback" not in printed


@pytest.mark.long
def test_jobs_over_their_time_and_a_node_that_goes_down_change_no_byte(
    workflow: Workflow, finished: Workflow
) -> None:
    (node,) = set(ask("sinfo", "--noheader", "--Node", "--format=%N").split())
    with ThreadPoolExecutor() as background:
        run = background.submit(workflow.call, *SLURM, TABLE)
        late = start_of("evaluate", step="remove2")
        ask(
            "scancel", "--full", "--signal=STOP", late
        )  # it hangs: SLURM looks for late jobs twice a minute only
        ask("scontrol", "update", f"JobId={late}", "EndTime=now+10")
        lost = start_of("evaluate", step="finalists")
        ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        # It may have come back by itself, since it answers (ReturnToService).
        ask("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
        assert "Restarts=1" in ask("scontrol", "show", "job", lost)
        done = run.result()
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert f"SLURM-job '{late}' failed, SLURM status is: 'TIMEOUT'" in printed
    assert "mem_mb=32000" in printed
    assert "runtime=1440" in printed
    assert tables(workflow.results("")) == tables(finished.results(""))


@pytest.mark.long
def test_a_job_that_was_given_a_gpu_but_sees_none_says_so(workflow: Workflow) -> None:
    # A job that finds everything there loads no model.
    shutil.rmtree(workflow.results("cache"), ignore_errors=True)
    shard = "results/reduced/shards/demo_vqa/single.0.parquet"
    done = workflow.call(shard, *SLURM, "--retries", "0", "--config", "model={device: auto}")
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "error: this job was given a GPU (CUDA_VISIBLE_DEVICES=" in printed
    assert "Traceback" not in printed
