"""Write files whole or not at all, each with its checksum, and check them before they are read."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blocksieve.errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there replaces `path` only if the block ends well.

    Its checksum is put beside it, where `verify` looks for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, sums = (
        path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("tmp", "sums")
    )
    try:
        yield temporary
        sums.write_text(f"{file_hash(temporary)}  {path.name}\n", encoding="utf-8")
        for written in (temporary, sums):
            with written.open("rb") as file:
                os.fsync(file.fileno())
        sums.replace(checksum_file(path))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        sums.unlink(missing_ok=True)


def checksum_file(path: Path) -> Path:
    """Where the checksum of a file lies, in the form that `sha256sum --check` reads."""
    return path.with_name(f".{path.name}.sha256")


def is_whole(path: Path) -> bool:
    """Whether a file is as `whole_file` wrote it; one without a checksum is not. FileNotFoundError if it is gone."""
    found = file_hash(path)
    try:
        return checksum_file(path).read_text(encoding="utf-8").split(" ")[0] == found
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def set_aside(path: Path) -> None:
    """Rename a file to `{name}.corrupt`, so that nobody reads it any more."""
    path.replace(path.with_name(f"{path.name}.corrupt"))
    checksum_file(path).unlink(missing_ok=True)


def verify(paths: Iterable[str | Path]) -> None:
    """DataError if any of the files is not as it was written; each such file is set aside.

    Files without a checksum, which the user gave, and folders are not checked.
    """
    sealed = [path for path in map(Path, paths) if checksum_file(path).exists()]
    missing = [path for path in sealed if not path.exists()]
    corrupt = [path for path in sealed if path.exists() and not is_whole(path)]
    for path in corrupt:
        set_aside(path)
    for path in [*corrupt, *missing]:
        fault = (
            f"is corrupt (set aside as {path.name}.corrupt)" if path in corrupt else "is missing"
        )
        others = (
            f", and {len(corrupt) + len(missing) - 1} more"
            if len(corrupt) + len(missing) > 1
            else ""
        )
        raise DataError(f"{path} {fault}{others}; run the same command again, it is then made anew")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, atomically; NaN and infinities are refused."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def fingerprint(content: Any) -> str:
    """A 16-digit hash of any JSON-able content; key order does not matter."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()[:16]


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
