"""Files are written whole with a checksum.

What is no longer as it was written is set aside, never read.
"""

import multiprocessing
import os
import random
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from blocksieve.errors import DataError
from blocksieve.files import checksum_file, is_whole, verify, whole_file, write_json
from blocksieve.jobs import job, print_faults


def table(folder: Path) -> Path:
    path = folder / "table.parquet"
    with whole_file(path) as temporary:
        pl.DataFrame({"number": range(500), "text": ["answer"] * 500}).write_parquet(temporary)
    return path


def test_any_flipped_bit_and_any_lost_end_is_noticed(tmp_path: Path, rng: random.Random) -> None:
    path = table(tmp_path)
    written = path.read_bytes()
    assert is_whole(path)
    for _ in range(200):
        content = bytearray(written)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        assert not is_whole(path)
        path.write_bytes(written[: rng.randrange(len(written))])
        assert not is_whole(path)


def test_corrupt_files_are_set_aside_and_named_in_one_line(tmp_path: Path) -> None:
    good, bad, own = table(tmp_path), tmp_path / "beam.json", tmp_path / "own.parquet"
    write_json(bad, {"beam": 4})
    bad.write_text(bad.read_text().replace("4", "5"))
    own.write_text("of the user, without a checksum")
    with pytest.raises(
        DataError, match=r"beam.json is corrupt \(set aside as beam.json.corrupt\); run"
    ) as told:
        verify([good, bad, own, tmp_path])
    assert "\n" not in str(told.value)
    assert (tmp_path / "beam.json.corrupt").exists()
    assert not bad.exists()
    write_json(bad, {"beam": 4})
    verify([good, bad, own])


def test_a_file_that_another_job_set_aside_is_named(tmp_path: Path) -> None:
    table(tmp_path).unlink()
    with pytest.raises(DataError, match=r"table.parquet is missing; run the same command again"):
        verify([tmp_path / "table.parquet"])


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    path = table(tmp_path)
    assert [file.name for file in tmp_path.iterdir() if file != path] == [".sha256"]
    command = ["sha256sum", "--check", checksum_file(path).relative_to(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "table.parquet: OK\n"


def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        raise RuntimeError(temporary.write_text("half"))
    assert is_whole(path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert sorted(files) == sorted([path, checksum_file(path)])


def rule(log: Path | str) -> SimpleNamespace:
    return SimpleNamespace(log=[str(log)], input=[])


def hold(log: str, entered: str, seconds: float) -> None:
    with job(rule(log)):
        Path(entered).touch()
        time.sleep(seconds)


def test_a_job_waits_for_the_same_job_of_a_killed_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, entered = tmp_path / "job.log", tmp_path / "entered"
    other = multiprocessing.get_context("spawn").Process(
        target=hold, args=(str(log), str(entered), 1.0)
    )
    other.start()
    while not entered.exists():
        time.sleep(0.01)
    with job(rule(log)):
        assert not other.is_alive() or other.join(5) is None
    assert "waiting for the same job of an earlier run" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "x"),
            "No space left on device: 'x'; free some space and run",
        ),
        (
            pl.exceptions.ComputeError("parquet: No space left on device (os error 28)"),
            "; free some space and run",
        ),
        (OSError(30, "Read-only file system", "x"), "make the results folder writable and run"),
        (DataError("x: column 'a' is missing"), "error: x: column 'a' is missing"),
    ],
)
def test_troubles_are_one_line_that_is_printed_once_when_the_run_ends(
    tmp_path: Path, error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left, job(rule(tmp_path / "job.log")):
        raise error
    assert left.value.code == 1
    assert message.removeprefix("error: ") in (tmp_path / "job.log").read_text()
    assert not capsys.readouterr().err
    print_faults(tmp_path, 0)
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert message in printed
    assert printed.count("\n") == 1


def test_only_the_last_error_of_a_log_of_this_run_is_printed_and_each_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, failed, twin, good = (tmp_path / f"{name}.log" for name in ("old", "a", "b", "good"))
    old.write_text("10:00:00 ERROR of an earlier run\n")
    os.utime(old, (1, 1))
    for log in (failed, twin):
        log.write_text("10:00:00 ERROR first\n10:00:01 ERROR then\nTraceback\n")
    good.write_text("10:00:00 WARNING no ERROR here\n")
    print_faults(tmp_path, 2)
    assert capsys.readouterr().err == f"error: then ({failed})\n"


def test_an_error_that_the_log_cannot_hold_is_printed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.FileHandler.emit", lambda handler, record: None)  # a full disk
    with pytest.raises(SystemExit) as left, job(rule(tmp_path / "job.log")):
        raise OSError(28, "No space left on device")
    assert str(left.value).startswith("error: [Errno 28] No space left on device; free some space")


def test_what_nobody_expected_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(KeyError), job(rule(tmp_path / "job.log")):
        raise KeyError("x")
    assert "Traceback" in (tmp_path / "job.log").read_text()
