"""What every job of the workflow does around its work: lock, log, check its inputs, say errors."""

import errno
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from filelock import FileLock, Timeout

from blocksieve.errors import BlocksieveError, name_and_first_line
from blocksieve.files import verify

logger = logging.getLogger("blocksieve")

# Troubles of the machine, which no traceback explains better than a line.
ADVICE: dict[int | None, str] = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EROFS: "make the results folder writable",
    errno.EACCES: "make the file or folder readable and writable",
    errno.ENOMEM: "give the job more memory",
}
# A line of a log with an error, as `_logging_to` formats it.
FAULT = re.compile(r"\d\d:\d\d:\d\d ERROR (.*)")


class Rule(Protocol):
    """What a job needs of the `snakemake` object of its script."""

    @property
    def log(self) -> Sequence[str]:
        """The rule's log file, alone."""

    @property
    def input(self) -> Iterable[str]:
        """All files that the job reads; its code is a param."""


@contextmanager
def job(snakemake: Rule) -> Iterator[logging.Logger]:
    """Log to the rule's log, check its inputs, and let no other job with this log run.

    Inputs are checked as `blocksieve.files.verify` does. A BlocksieveError, or a trouble of the
    machine such as a full disk, becomes one line of the log and exit status 1; any other exception
    keeps its traceback. `print_faults` shows the line when the run ends.
    """
    path = Path(snakemake.log[0])
    with _only_job(path), _logging_to(path):
        try:
            verify(snakemake.input)
            yield logger
        except BlocksieveError as error:
            _stop(path, str(error))
        except Exception as error:
            advice = ADVICE.get(_error_number(error))
            if advice is None:
                logger.exception("unexpected %s", name_and_first_line(error))
                raise
            _stop(
                path,
                f"{error}; {advice} and run the same command again: finished batches are kept",
            )


def _stop(log: Path, fault: str) -> NoReturn:
    """End the job; print the fault now only if the log, from which it is printed later, is full."""
    logger.error("%s", fault)
    is_logged = fault in log.read_text(encoding="utf-8", errors="replace")
    sys.exit(1 if is_logged else f"error: {fault}")


def print_faults(logs: Path, start: float) -> None:
    """Print the last error of each log in a folder that was written to since a time, each once."""
    faults: dict[str, Path] = {}
    for log in sorted(logs.rglob("*.log")):
        if log.stat().st_mtime >= start:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            errors = [match[1] for line in lines if (match := FAULT.fullmatch(line))]
            if errors:
                faults.setdefault(errors[-1], log)
    for fault, log in faults.items():
        print(f"error: {fault} ({log})", file=sys.stderr)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    try:
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        sys.exit(
            f"error: {error}; make the results folder writable, with space on it,"
            " and run the same command again"
        )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # A log that cannot be written to must not hide what it was about.
    logging.raiseExceptions = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def _only_job(log: Path) -> Iterator[None]:
    """Hold the lock of a job.

    An orphaned job of a killed run may still hold it: wait for that instead of running twice.
    """
    lock_file = log.parent / ".locks" / f"{log.name}.lock"
    lock = FileLock(lock_file)
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            print(
                f"waiting for the same job of an earlier run, which still writes {log}",
                file=sys.stderr,
            )
            lock.acquire()
    except OSError as error:
        # Some file systems have no locks. A job then runs without; a folder that cannot be
        # written to is told by the log itself.
        print(f"no lock beside {log}: {error}", file=sys.stderr)
    try:
        yield
    finally:
        lock.release()


def _error_number(error: Exception) -> int | None:
    """Return the operating system's number of an error; polars has it in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else None
