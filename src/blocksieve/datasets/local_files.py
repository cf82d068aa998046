"""The local files that a dataset is read from, and one checksum of what they hold."""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from blocksieve.errors import DataError
from blocksieve.files import file_hash, fingerprint, write_json
from blocksieve.specs import Source

TABLES = (".parquet", ".json", ".jsonl", ".ndjson", ".arrow", ".csv", ".tsv")

Memory = dict[str, list[int | str]]
"""Of each file its size, the time of its last change, its inode, and its checksum."""


def local_files(source: Source, splits: Sequence[str]) -> list[Path]:
    """Return the files that a source's splits are read from, sorted; none if it is not local.

    With `files` these are the splits' own, and all files in the folder of pictures that are no
    tables. Otherwise all files in the folders.
    """
    if source["kind"] != "columns" or not Path(source["path"]).exists():
        return []
    folder = Path(source["path"])
    files: set[Path] = set()
    if "files" not in source:
        files |= set(_files_below(folder))
    for split in splits:
        patterns = source.get("files", {}).get(split, [])
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            files |= set(_matches(folder, pattern))
    if "images" in source:
        for file in _files_below(Path(source.get("image_folder", folder))):
            if file.suffix.lower() not in TABLES:
                files.add(file)
    return sorted(files)


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files of a pattern below a folder; an absolute one stands for itself."""
    whole = str(Path(glob.escape(str(folder))) / pattern)
    for match in glob.iglob(whole, recursive=True):  # noqa: PTH207  it may be absolute
        if Path(match).is_file():
            yield Path(match)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, links followed, hidden ones left out."""
    if folder.is_file():
        yield folder
    visited = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        end = os.path.realpath(place)
        if end in visited:
            folders.clear()  # a link back to a folder above
            continue
        visited.add(end)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def checksum_of_all(files: list[Path], memory: Path) -> str:
    """Return one checksum of files' names and contents.

    A file is read only if its size or time differs from what `memory`, a file, remembers of it.
    Raises DataError if one cannot be read.
    """
    remembered = _read_memory(memory)
    entries: Memory = {}
    for file in files:
        try:
            status = file.stat()
            state = [status.st_size, status.st_mtime_ns, status.st_ino]
            entry = remembered.get(str(file), [])
            is_unchanged = entry[:-1] == state
            digest = entry[-1] if is_unchanged else file_hash(file)
        except OSError as error:
            raise DataError(
                f"cannot read {file} of a dataset: {error.strerror}; make it readable"
            ) from error
        entries[str(file)] = [*state, digest]
    merged = remembered | entries
    if merged != remembered:
        _write_memory(memory, merged)
    digests = {path: entry[-1] for path, entry in entries.items()}
    return fingerprint(digests)


def _read_memory(memory: Path) -> Memory:
    try:
        content: Memory = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_memory(memory: Path, content: Memory) -> None:
    try:
        write_json(memory, content)
    except OSError:
        return  # a folder that cannot be written to: every file is read again the next time
