"""Whatever ends a run or spoils a file, the same command run again ends with the same bytes.

`make chaos N=100` goes through N random faults of all kinds; `SEED=1` draws others, and `FIRST=50`
goes on with the 50th round of an earlier sitting.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from copies import Workflow

from blocksieve.files import checksum_file
from blocksieve.shards import metadata

# All that `tables` compares: Snakemake leaves out what a failed job deleted and nothing needs.
TARGETS = (
    "evaluation",
    "results/reduced/evaluations.parquet",
    "results/reduced/clusters/demo_vqa.parquet",
)
BATCHES = ("--config", "evaluation={batch_size: 4}")
TABLES = ("evaluations.parquet", "clusters/*", "datasets/*", "beams/**/*.json", "finalists.json")
DISK = "64m"


def tables(workflow: Workflow) -> dict[str, bytes]:
    """What must not depend on how a run came to its end."""
    found = [
        path
        for pattern in TABLES
        for path in workflow.results(".").glob(pattern)
        if path.suffix != ".corrupt"
    ]
    return {
        str(path.relative_to(workflow.folder)): path.read_bytes()
        for path in sorted(found)
        if path.is_file()
    }


def start(workflow: Workflow) -> subprocess.Popen[str]:
    """Snakemake in a process group of its own."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *TARGETS,
        "--cores",
        "2",
        "--configfile",
        "tests/workflow/reduced.yaml",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(
        [*command, *BATCHES], cwd=workflow.folder, text=True, start_new_session=True, **pipes
    )


def finish(workflow: Workflow, *config: str) -> list[str]:
    """Run again, as the errors say, until it ends well; what each attempt printed."""
    printed: list[str] = []
    while len(printed) < 6:
        done = workflow.call(*TARGETS, *config)
        printed.append(done.stdout + done.stderr)
        if done.returncode == 0:
            return printed
        if "--unlock" in printed[-1]:
            workflow.run("--unlock")
    raise AssertionError("\n".join(printed))


def jobs(main: subprocess.Popen[str]) -> list[int]:
    """The processes of the run's jobs: Python running a script of Snakemake's."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == main.pid:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if b"python" in command[0] and b"/.snakemake/scripts/" in command[1]:
                    found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return sorted(found)


def repeated(workflow: Workflow) -> int:
    """Count the pairs that the cache holds more than once.

    They were evaluated again, or being merged when the job was killed.
    """
    for _ in range(20):
        try:
            rows = workflow.cached()
            return len(rows) - rows.n_unique()
        except (
            FileNotFoundError,
            ValueError,
            pl.exceptions.PolarsError,
        ):  # being merged, or there is none yet
            time.sleep(0.05)
    return 0


def wait_for_a_batch(workflow: Workflow, main: subprocess.Popen[str]) -> None:
    """Until something new lies in the cache."""
    cache = workflow.results("cache")
    before = set(cache.rglob("*.parquet"))
    while main.poll() is None and set(cache.rglob("*.parquet")) <= before:
        time.sleep(0.02)


def sealed(workflow: Workflow, folder: str) -> list[Path]:
    """Files of the results that have a checksum."""
    return sorted(
        path for path in workflow.results(folder).rglob("*.[pj]*") if checksum_file(path).exists()
    )


def spoil(path: Path, rng: random.Random) -> None:
    """Flip a bit or cut the end off, and leave the date as it was."""
    content, date = bytearray(path.read_bytes()), path.stat()
    place = rng.randrange(len(content))
    content[place] ^= 1 << rng.randrange(8)
    path.write_bytes(content if rng.random() < 0.5 else content[:place])
    os.utime(path, ns=(date.st_atime_ns, date.st_mtime_ns))


def remount(workflow: Workflow, options: str) -> None:
    """Change the small disk, once no job has a file open to write, its log for instance."""
    for _ in range(2000):
        if not subprocess.run(
            ["mount", "-o", f"remount,{options}", workflow.folder / "results"],
            capture_output=True,
            check=False,
        ).returncode:
            return
        time.sleep(0.05)
    raise AssertionError(f"no remount as {options}")


def fill(workflow: Workflow) -> None:
    """Leave no space on the small disk, whatever lies on it."""
    with contextlib.suppress(OSError), (workflow.folder / "results/filler").open("wb") as filler:
        while True:
            filler.write(bytes(1 << 16))
            filler.flush()


@pytest.fixture
def on_a_small_disk(make_workflow: Callable[[], Workflow]) -> Iterator[Workflow]:
    """A copy whose results lie on a disk that can be full or read-only even for root."""
    workflow = make_workflow()
    folder = workflow.folder / "results"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=False
    )
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield workflow
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_killed_filled_read_only_and_doubled_runs_finish_with_the_same_bytes(
    finished: Workflow, on_a_small_disk: Workflow
) -> None:
    workflow = on_a_small_disk
    main = start(workflow)
    wait_for_a_batch(workflow, main)
    second = workflow.call(*TARGETS, *BATCHES)
    assert second.returncode != 0
    assert "Error: Directory cannot be locked." in second.stdout + second.stderr
    assert "--unlock" in second.stdout + second.stderr
    orphans = jobs(main)
    main.kill()
    main.communicate()
    assert orphans

    workflow.run("--unlock")
    main = start(workflow)
    wait_for_a_batch(workflow, main)
    os.kill(jobs(main)[0], signal.SIGKILL)
    assert main.communicate()[0]
    assert main.returncode != 0

    fill(workflow)
    done = workflow.call(*TARGETS, *BATCHES)
    assert done.returncode != 0
    assert "No space left on device" in done.stdout + done.stderr
    (workflow.folder / "results/filler").unlink()

    remount(workflow, "ro")
    done = workflow.call(*TARGETS, *BATCHES)
    assert done.returncode != 0
    assert "Read-only file system" in done.stdout + done.stderr
    remount(workflow, "rw")

    finish(workflow, *BATCHES)
    assert repeated(workflow) == 0
    expected = tables(finished)
    assert tables(workflow) == {path: expected[path] for path in tables(workflow)}


@pytest.mark.long
def test_spoiled_files_are_named_and_made_anew(finished: Workflow) -> None:
    rng, before = random.Random(0), tables(finished)
    lost = finished.results("shards/demo_caption/single.0.parquet")
    part = sealed(finished, f"cache/{metadata(lost)['fingerprint']}")[0]
    samples = finished.results("datasets/demo_caption.parquet")
    spoil(part, rng)
    spoil(samples, rng)
    lost.unlink()
    finished.results("evaluations.parquet").unlink()
    printed = finish(finished)
    # Later: jobs make the shards of all datasets anew where one's samples are.
    shard = finished.results("shards/demo_vqa/remove2.0.parquet")
    spoil(shard, rng)
    finished.results("evaluations.parquet").unlink()
    printed += finish(finished)
    assert len(printed) > 2
    logs = [path.read_text() for path in finished.results("logs/evaluate").rglob("*.log")]
    told = "".join([*printed, *logs])
    for path in (part, shard, samples):
        assert f"{path.relative_to(finished.folder)} is corrupt" in told
        assert path.with_name(f"{path.name}.corrupt").exists()
    assert "Traceback" not in "".join(printed)
    assert tables(finished) == before


def interrupt(
    workflow: Workflow, rng: random.Random, duration: float, number: signal.Signals, whom: str
) -> None:
    main = start(workflow)
    time.sleep(rng.uniform(0, duration))
    running = jobs(main)
    if main.poll() is None and (whom == "main" or running):
        os.kill(main.pid if whom == "main" else rng.choice(running), number)
    main.communicate()


FAULTS = (
    "kill",
    "kill a job",
    "terminate",
    "interrupt",
    "full",
    "read-only",
    "cache",
    "output",
)


def begin_round(workflow: Workflow, rng: random.Random) -> str:
    """Take away the table and some of what it is made from, whatever earlier rounds left.

    Every round then has something to evaluate or to merge. Return what was taken.
    """
    folder = rng.choice(["shards/demo_vqa", "."])
    shutil.rmtree(workflow.results(folder), ignore_errors=True)
    assert not workflow.results(folder).exists()
    workflow.results("evaluations.parquet").unlink(missing_ok=True)
    return folder


def do(fault: str, workflow: Workflow, rng: random.Random, duration: float) -> None:
    """Let a fault happen to a run of about `duration` seconds, or to its files."""
    if fault in ("cache", "output"):
        finish(workflow, *BATCHES)
        path = rng.choice(sealed(workflow, "cache" if fault == "cache" else "."))
        print(f"  spoils {path.relative_to(workflow.folder)}", flush=True)
        spoil(path, rng)
        # Whatever the file is, something then reads it or makes it anew.
        shutil.rmtree(workflow.results("clusters" if "shards" in path.parts else "shards"))
        workflow.results("evaluations.parquet").unlink(missing_ok=True)
    elif fault in ("full", "read-only"):
        main = start(workflow)
        time.sleep(rng.uniform(0, duration))
        if fault == "full":
            fill(workflow)
        else:
            remount(workflow, "ro")
        main.communicate()
        remount(workflow, "rw")
        (workflow.folder / "results/filler").unlink(missing_ok=True)
    else:
        signals = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
        number = signals.get(fault, signal.SIGKILL)
        interrupt(workflow, rng, duration, number, "job" if fault == "kill a job" else "main")


def test_a_round_of_chaos_begins_whatever_the_one_before_left(tmp_path: Path) -> None:
    workflow = Workflow(tmp_path, parts=())
    for seed in range(8):  # nothing there, an empty folder, a folder with shards
        for name in ("shards/demo_vqa", "shards/demo_vqa/x"):
            begin_round(workflow, random.Random(seed))
            workflow.results(name).mkdir(parents=True)
        workflow.results("evaluations.parquet").touch()
        begin_round(workflow, random.Random(seed))
        assert not workflow.results("evaluations.parquet").exists()


@pytest.mark.long
def test_chaos(on_a_small_disk: Workflow) -> None:
    seed, workflow = int(os.environ.get("SEED", "0")), on_a_small_disk
    begin = time.monotonic()
    finish(workflow, *BATCHES)
    duration, expected = time.monotonic() - begin, tables(workflow)
    first, end = int(os.environ.get("FIRST", "0")), int(os.environ.get("CHAOS", "12"))
    for number in range(first, end):
        # Each round has a seed of its own: what one draws does not move the next.
        rng = random.Random(f"{seed} {number}")
        fault = rng.choice(FAULTS)
        taken = begin_round(workflow, rng)
        print(f"seed {seed}, round {number}: {fault}, without {taken}", flush=True)
        do(fault, workflow, rng, duration)
        before = repeated(workflow)
        attempts = len(finish(workflow, *BATCHES))
        after = repeated(workflow)
        print(f"  {attempts} attempts, {after} repeated pairs", flush=True)
        assert after <= before, fault
        assert tables(workflow) == expected, fault
