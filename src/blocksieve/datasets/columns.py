"""The source `columns`: a dataset of the hub, or files of one's own, whose columns are mapped to samples."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocksieve.datasets.pictures import check_picture, encoded
from blocksieve.datasets.prompts import LETTERS
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.errors import ConfigError, DataError

FIELD = re.compile(r"\{([^{}]+)\}")
Row = dict[str, Any]


def read(source: dict[str, Any], split: str) -> Iterator[Sample | Unusable]:
    """All samples of a split in its order; what config/schema.yaml says of `source` applies.

    DataError where nothing can be read at all; ConfigError where a column is not there.
    """
    checked: dict[bytes, str | None] = {}
    first = True
    for place, row in expanded(rows(source, split), source):
        if first:
            check_columns(source, row)
            first = False
        try:
            if any(
                value(row, column) != wanted for column, wanted in source.get("where", {}).items()
            ):
                continue
            yield to_sample(source, row, split, place, checked)
        except DataError as error:
            yield Unusable(split, place, str(error))


def rows(source: dict[str, Any], split: str) -> Iterator[Row]:
    """The rows of a split, one by one, pictures as they are encoded."""
    from datasets import load_dataset

    if split not in source.get("files", [split]):
        raise ConfigError(
            f"source columns: no files for split {split!r}; there are some for {', '.join(source['files'])}"
        )
    options = {"data_files": {split: source["files"][split]}} if "files" in source else {}
    try:
        table = load_dataset(
            source["path"],
            source.get("name"),
            revision=source.get("revision"),
            split=split,
            streaming=source.get("streaming", True),
            **options,
        )
        table = table if source.get("streaming", True) else table.to_iterable_dataset()
        yield from table.decode(False) if table.features else table
    except Exception as error:  # of the library, the hub's client, pyarrow and the network
        reason = " ".join(str(error).split())
        raise DataError(
            f"source columns: cannot read split {split!r} of {source['path']!r}: {reason}; correct path, name,"
            " revision, files or splits, or download the dataset and give its folder as path"
        ) from error


def expanded(found: Iterator[Row], source: dict[str, Any]) -> Iterator[tuple[str, Row]]:
    """Each row with its number, from 0; with `each`, once for every entry of that column, whose keys become columns."""
    for number, row in enumerate(found):
        if "each" not in source:
            yield str(number), row
        elif source["each"] not in row:
            raise ConfigError(
                f"source columns: no column {source['each']!r}; there are {', '.join(row)}"
            )
        else:
            entries = row[source["each"]] or []
            if isinstance(entries, dict):  # a list of structs may be stored as a struct of lists
                entries = [
                    dict(zip(entries, entry, strict=True))
                    for entry in zip(*entries.values(), strict=True)
                ]
            for position, entry in enumerate(entries):
                if not isinstance(entry, dict):
                    raise ConfigError(
                        f"source columns: column {source['each']!r} holds no structs; do without each"
                    )
                yield f"{number}.{position}", row | entry


def check_columns(source: dict[str, Any], row: Row) -> None:
    """ConfigError that names the first column which the source wants and the row has not."""
    paths = [
        *FIELD.findall(source["question"]),
        *listed(source.get("images", [])),
        *listed(source["references"]),
    ]
    paths += [
        *listed(source.get("choices", [])),
        *listed(source.get("cluster", [])),
        *source.get("where", {}),
    ]
    for path in paths:
        if path not in row and path.split(".")[0] not in row:
            raise ConfigError(f"source columns: no column {path!r}; there are {', '.join(row)}")


def to_sample(
    source: dict[str, Any], row: Row, split: str, place: str, checked: dict[bytes, str | None]
) -> Sample:
    """Map one row; `checked` remembers by hash what was wrong with pictures. DataError says what the row lacks."""
    question = FIELD.sub(lambda match: text_of(value(row, match[1])), source["question"]).strip()
    if not question:
        raise DataError("no question")
    choices = choices_of(source, row)
    references = references_of(value(row, source["references"]), choices)
    images = images_of(source, row)
    digests = [hashlib.sha256(image).digest() for image in images]
    for digest, image in zip(digests, images, strict=True):
        if digest not in checked:
            checked[digest] = fault_of(image)
        fault = checked[digest]
        if fault:
            raise DataError(fault)
    cluster = value(row, source["cluster"]) if "cluster" in source else None
    if cluster is None:
        cluster = hashlib.sha256(b"".join(digests) or question.encode()).hexdigest()[:16]
    return Sample(question, references, str(cluster), split, choices, images, place)


def images_of(source: dict[str, Any], row: Row) -> tuple[bytes, ...]:
    """Every picture of the image columns, which may hold one, a list, or nothing; at least one where there are any."""
    folder = Path(source.get("image_folder", source["path"]))
    found = [
        entry for path in listed(source.get("images", [])) for entry in listed(value(row, path))
    ]
    images = tuple(
        encoded(entry, folder if folder.is_dir() else None) for entry in found if entry is not None
    )
    if source.get("images") and not images:
        raise DataError("no picture")
    return images


def choices_of(source: dict[str, Any], row: Row) -> tuple[str, ...]:
    """The choices: a list, the values of a struct, the text of a Python list, or one from each of several columns."""
    if "choices" not in source:
        return ()
    named = source["choices"]
    found = [value(row, path) for path in named] if isinstance(named, list) else value(row, named)
    if isinstance(found, str):
        try:
            found = ast.literal_eval(found)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise DataError(f"choices that are no list: {found[:80]!r}") from error
    found = list(found.values()) if isinstance(found, dict) else listed(found)
    choices = tuple(text_of(choice) for choice in found if choice is not None)
    if not 2 <= len(choices) <= len(LETTERS):
        raise DataError(f"{len(choices)} choices; 2 to {len(LETTERS)} are possible")
    return choices


def references_of(found: Any, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The accepted answers as texts; a number is the index of a choice, where there are choices."""
    answers = [
        answer for answer in listed(found) if answer is not None and answer == answer
    ]  # NaN is not itself
    if choices and any(
        isinstance(answer, int) and not 0 <= answer < len(choices) for answer in answers
    ):
        raise DataError(f"answer {found} is not the index of one of {len(choices)} choices")
    references = tuple(
        LETTERS[answer] if choices and isinstance(answer, int) else text_of(answer)
        for answer in answers
    )
    if not any(reference.strip() for reference in references):
        raise DataError("no answer")
    return references


def fault_of(image: bytes) -> str | None:
    """Say what is wrong with a picture."""
    try:
        check_picture(image)
    except DataError as error:
        return str(error)
    return None


def value(found: Any, path: str) -> Any:
    """What stands at a dotted path of a row; within a list, what stands there in each entry."""
    if path in found:
        return found[path]
    for key in path.split("."):
        if found is None:
            return None
        try:
            found = [entry[key] for entry in found] if isinstance(found, list) else found[key]
        except (KeyError, TypeError) as error:
            raise DataError(f"no {path!r}") from error
    return found


def text_of(found: Any) -> str:
    """A value as text: nothing is empty, and a whole number has no decimals."""
    if found is None:
        return ""
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def listed(found: Any) -> list[Any]:
    """A list as it is, anything else as the only entry of one."""
    return found if isinstance(found, list) else [found]
