"""Write files whole or not at all, each with its checksum, and check them before they are read."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blocksieve.errors import DataError

FINGERPRINT_DIGITS = 16


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what was written there replaces `path` if the block ends well.

    Its checksum is put into the folder `.sha256` beside it, where `verify` looks for it.
    """
    final_checksum = checksum_file(path)
    final_checksum.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    checksum = final_checksum.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        checksum.write_text(f"{file_hash(temporary)}  {path.name}\n", encoding="utf-8")
        for written in (temporary, checksum):
            with written.open("rb") as file:
                os.fsync(file.fileno())
        # The checksum first: a file without its checksum would count as the user's own.
        checksum.replace(final_checksum)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        checksum.unlink(missing_ok=True)


def checksum_file(path: Path) -> Path:
    """Return where a file's checksum lies, in the form that `sha256sum --check` reads."""
    return path.parent / ".sha256" / f"{path.name}.sha256"


def is_whole(path: Path) -> bool:
    """Return whether a file is as `whole_file` wrote it; one without a checksum is not.

    FileNotFoundError if it is gone.
    """
    digest = file_hash(path)
    try:
        written_digest, _, _ = checksum_file(path).read_text(encoding="utf-8").partition(" ")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return digest == written_digest


def set_aside(path: Path) -> None:
    """Rename a file to `{name}.corrupt`, so that nobody reads it any more."""
    path.replace(path.with_name(f"{path.name}.corrupt"))
    checksum_file(path).unlink(missing_ok=True)


def verify(paths: Iterable[str | Path]) -> None:
    """DataError if any of the files is not as it was written; each such file is set aside.

    Files without a checksum, which the user gave, and folders are not checked.
    """
    faults = []
    with_checksum = [path for path in map(Path, paths) if checksum_file(path).exists()]
    missing = [path for path in with_checksum if not path.exists()]
    for path in with_checksum:
        if path.exists() and not is_whole(path):
            set_aside(path)
            faults.append(f"{path} is corrupt (set aside as {path.name}.corrupt)")
    faults += [f"{path} is missing" for path in missing]
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise DataError(f"{faults[0]}{more}; run the same command again, it is then made anew")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, atomically; NaN and infinities are refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n")


def fingerprint(content: object) -> str:
    """Return a 16-digit hash of any JSON-able content; key order does not matter."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
