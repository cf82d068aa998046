"""A local dataset's files count by what they hold."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from blocksieve.datasets import local_files as module
from blocksieve.datasets.local_files import checksum_of_all, local_files

SPLITS = ["train"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with {braces} and spaces in its name, two splits, pictures and a hidden file."""
    place = tmp_path / "my {data}"
    (place / "photos/more").mkdir(parents=True)
    for name in ("train.jsonl", "test.jsonl", "photos/1.png", "photos/more/2.png", ".hidden"):
        (place / name).write_text(name)
    (place / "photos/loop").symlink_to("..")
    return place


def source_of(folder: Path, **keys: Any) -> Any:
    return {"kind": "columns", "path": str(folder), "question": "{q}", "references": "a"} | keys


def names(folder: Path, source: Any) -> list[str]:
    return [str(file.relative_to(folder)) for file in local_files(source, SPLITS)]


def test_what_is_read_and_nothing_else(folder: Path) -> None:
    files = {"train": "tr*.jsonl", "test": ["test.jsonl"]}
    pictures = ["photos/1.png", "photos/more/2.png"]
    assert names(folder, source_of(folder, files=files)) == ["train.jsonl"]
    with_pictures = source_of(folder, files=files, images="p")
    assert names(folder, with_pictures) == [*pictures, "train.jsonl"]
    elsewhere = source_of(folder, files=files, images="p", image_folder=str(folder / "photos/more"))
    assert names(folder, elsewhere) == ["photos/more/2.png", "train.jsonl"]
    assert names(folder, source_of(folder)) == [*pictures, "test.jsonl", "train.jsonl"]
    assert local_files(source_of(Path("owner/name")), SPLITS) == []
    assert local_files({"kind": "demo", "task": "vqa"}, SPLITS) == []


def test_the_checksum_is_that_of_the_contents(folder: Path, tmp_path: Path) -> None:
    """Not of times: also a file that is replaced by an older one of the same size counts."""
    files = local_files(source_of(folder), SPLITS)
    memory = tmp_path / "state/checksums.json"
    before = checksum_of_all(files, memory)
    os.utime(folder / "train.jsonl")
    assert checksum_of_all(files, memory) == before
    (tmp_path / "older").write_text("TRAIN.jsonl")
    os.utime(tmp_path / "older", (1, 1))
    shutil.move(tmp_path / "older", folder / "train.jsonl")
    after = checksum_of_all(files, memory)
    assert after != before
    assert checksum_of_all(files, tmp_path / "none") == after
    assert checksum_of_all(files[1:], memory) != after


def test_a_file_is_read_only_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = local_files(source_of(folder), SPLITS)
    memory = tmp_path / "checksums.json"
    before = checksum_of_all(files, memory)
    monkeypatch.setattr(module, "file_hash", lambda path: "read again")
    assert checksum_of_all(files, memory) == before
    memory.write_text("spoilt")
    assert checksum_of_all(files, memory) != before
