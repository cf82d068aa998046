"""Logging of a job: to its log file and to the terminal, errors in one line."""

import errno
import fcntl
import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from blocksieve.errors import BlocksieveError
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


@contextmanager
def job_log(path: str | Path, inputs: Iterable[str] = ()) -> Iterator[logging.Logger]:
    """Log to `path`, check the inputs as `blocksieve.files.verify` does, and let no other job with this log run.

    A BlocksieveError, or a trouble of the machine such as a full disk, becomes one line and exit status 1; any other
    exception keeps its traceback.
    """
    try:
        lock = _only_job(Path(path))
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    except OSError as error:
        sys.exit(
            f"error: {error}; make the results folder writable, with space on it, and run the same command again"
        )
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    )
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logging.raiseExceptions = (
        False  # a log that cannot be written to must not hide what it was about
    )
    try:
        verify(inputs)
        yield logger
    except BlocksieveError as error:
        logger.error("%s", error)
        sys.exit(f"error: {error}")
    except Exception as error:
        advice = ADVICE.get(_errno(error))
        if advice is None:
            logger.exception("unexpected error")
            raise
        fault = f"{error}; {advice} and run the same command again: finished batches are kept"
        logger.error("%s", fault)
        sys.exit(f"error: {fault}")
    finally:
        logger.removeHandler(handler)
        handler.close()
        lock.close()


def _errno(error: Exception) -> int | None:
    """The operating system's number of an error; polars has it in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else None


def _only_job(log: Path) -> IO[str]:
    """Hold the lock of a job: one left over when its Snakemake was killed is waited for, and not done a second time."""
    lock = log.with_name(f".{log.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(
            f"waiting for the same job of an earlier run, which still writes {log}", file=sys.stderr
        )
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:  # a file system without locks
        pass
    return lock


class Progress:
    """Counts units of work and logs, at most every few seconds, how far it is, how fast, and how long it will take."""

    def __init__(self, total: int, unit: str, every: float = 5.0) -> None:
        self.total, self.unit, self.every = total, unit, every
        self.done = 0
        self.start = self.last = time.monotonic()

    def add(self, count: int) -> None:
        """Count `count` more units as done."""
        self.done += count
        now = time.monotonic()
        if now - self.last >= self.every or self.done == self.total:
            self.last = now
            rate = self.done / max(now - self.start, 1e-9)
            remaining = (self.total - self.done) / rate
            logger.info(
                "%d of %d %s, %.1f/s, %.0f s remaining",
                self.done,
                self.total,
                self.unit,
                rate,
                remaining,
            )
