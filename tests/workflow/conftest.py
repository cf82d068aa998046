"""Workflow tests run the real Snakefile on the embedded model, in copies of the repository."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import Workflow


@pytest.fixture(scope="session")
def make_workflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workflow]:
    """Make a fresh copy of the repository."""
    return lambda: Workflow(tmp_path_factory.mktemp("workflow"))


@pytest.fixture(scope="session")
def as_finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished reduced run for all processes of the tests, which nobody changes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "as_finished"
    with (shared / "as_finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            Workflow(folder).run()
            (folder / "done").touch()
    return folder


@pytest.fixture
def finished(as_finished: Path, tmp_path: Path) -> Workflow:
    """A copy of a finished reduced run, with which a test may do what it likes."""
    return Workflow(tmp_path / "finished", as_finished, (".",))
