"""The source `columns`: a dataset of the hub, or local files; columns are mapped to samples."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocksieve.datasets.pictures import check_picture, picture_bytes
from blocksieve.datasets.prompts import LETTERS
from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.errors import ConfigError, DataError
from blocksieve.specs import Source

FIELD = re.compile(r"\{([^{}]+)\}")
"""A column's place in the template of questions."""

Cell = Any
"""What a column holds in a row: text, a number, bytes, a list or a struct (a dict)."""
Row = dict[str, Cell]
PictureFaults = dict[bytes, str | None]
"""What is wrong with pictures, by their hash; None for a good one."""


def read(source: Source, split: str) -> Iterator[Sample | Unusable]:
    """Yield all samples of a split in its order, as config/schema.yaml says of `source`.

    Raises DataError if nothing can be read at all, ConfigError if a column is missing.
    """
    picture_faults: PictureFaults = {}
    where = source.get("where", {})
    checked_columns = False
    for place, row in expand_rows(read_rows(source, split), source):
        if not checked_columns:
            check_columns(source, row)
            checked_columns = True
        try:
            if all(cell_at(row, path) == wanted for path, wanted in where.items()):
                yield to_sample(source, row, split, place, picture_faults)
        except DataError as error:
            yield Unusable(split, place, str(error))


def read_rows(source: Source, split: str) -> Iterator[Row]:
    """Yield the rows of a split one by one, pictures as they are encoded."""
    from datasets import load_dataset

    if "files" in source and split not in source["files"]:
        raise ConfigError(
            f"source columns: no files for split {split!r}; there are some for"
            f" {', '.join(source['files'])}"
        )
    data_files = {split: source["files"][split]} if "files" in source else None
    streaming = source.get("streaming", True)
    try:
        table = load_dataset(
            source["path"],
            source.get("name"),
            data_files=data_files,
            revision=source.get("revision"),
            split=split,
            streaming=streaming,
        )
        if not streaming:
            table = table.to_iterable_dataset()
        # Columns of unknown types are not decoded in any case.
        if table.features:
            table = table.decode(False)
        yield from table
    except Exception as error:  # of the library, the hub's client, pyarrow and the network
        reason = " ".join(str(error).split())
        raise DataError(
            f"source columns: cannot read split {split!r} of {source['path']!r}: {reason};"
            " correct path, name, revision, files or splits, or download the dataset and give"
            " its folder as path"
        ) from error


def expand_rows(rows: Iterator[Row], source: Source) -> Iterator[tuple[str, Row]]:
    """Yield each row with its place, its number from 0.

    If the source has `each`, yield a row once for every struct in that column, whose keys become
    columns; the place is then such as "3.0".
    """
    column = source.get("each")
    for number, row in enumerate(rows):
        if column is None:
            yield str(number), row
            continue
        if column not in row:
            raise missing_column(column, row)
        for position, struct in enumerate(structs_of(row[column])):
            if not isinstance(struct, dict):
                raise ConfigError(
                    f"source columns: column {column!r} holds no structs; do without each"
                )
            yield f"{number}.{position}", row | struct


def structs_of(cell: Cell) -> list[Cell]:
    """Return the entries of a list of structs, which may be stored as a struct of lists."""
    if not isinstance(cell, dict):
        return cell or []
    structs = []
    for values in zip(*cell.values(), strict=True):
        struct = dict(zip(cell, values, strict=True))
        structs.append(struct)
    return structs


def check_columns(source: Source, row: Row) -> None:
    """Raise ConfigError that names the first column which the source wants and the row lacks."""
    paths = FIELD.findall(source["question"])
    for key in ("images", "references", "choices", "cluster"):
        paths += as_list(source.get(key, []))
    paths += source.get("where", {})
    for path in paths:
        column = path.split(".")[0]
        if path in row or column in row:
            continue
        raise missing_column(path, row)


def missing_column(path: str, row: Row) -> ConfigError:
    """Return the error that names a missing column and those that are there."""
    columns = ", ".join(row)
    return ConfigError(f"source columns: no column {path!r}; there are {columns}")


def to_sample(
    source: Source, row: Row, split: str, place: str, picture_faults: PictureFaults
) -> Sample:
    """Map one row to a sample; `picture_faults` is looked up and added to.

    Raises DataError that says what the row lacks.
    """
    question = question_of(source, row)
    choices = choices_of(source, row)
    references = references_of(cell_at(row, source["references"]), choices)
    images = images_of(source, row)
    digests = [hashlib.sha256(image).digest() for image in images]
    for digest, image in zip(digests, images, strict=True):
        if digest not in picture_faults:
            picture_faults[digest] = fault_of(image)
        fault = picture_faults[digest]
        if fault is not None:
            raise DataError(fault)
    cluster = cell_at(row, source["cluster"]) if "cluster" in source else None
    if cluster is None:
        content = b"".join(digests) or question.encode()
        cluster = hashlib.sha256(content).hexdigest()[:16]
    return Sample(
        question=question,
        references=references,
        cluster=str(cluster),
        split=split,
        choices=choices,
        images=images,
        row=place,
    )


def question_of(source: Source, row: Row) -> str:
    """Fill the columns into the template of questions."""
    template = source["question"]
    filled_in = FIELD.sub(lambda field: as_text(cell_at(row, field[1])), template)
    question = filled_in.strip()
    if not question:
        raise DataError("no question")
    return question


def images_of(source: Source, row: Row) -> tuple[bytes, ...]:
    """Return every picture of the image columns, which may hold one, a list, or nothing.

    Raises DataError if there are image columns, but no picture.
    """
    cells: list[Cell] = []
    paths = as_list(source.get("images", []))
    for path in paths:
        cells += as_list(cell_at(row, path))
    image_folder = Path(source.get("image_folder", source["path"]))
    folder = image_folder if image_folder.is_dir() else None
    images = [picture_bytes(cell, folder) for cell in cells if cell is not None]
    if paths and not images:
        raise DataError("no picture")
    return tuple(images)


def choices_of(source: Source, row: Row) -> tuple[str, ...]:
    """Return a row's choices.

    They are one from each of a list of columns; or what one column holds: a list, the values of a
    struct, or the text of a Python list.
    """
    if "choices" not in source:
        return ()
    paths = source["choices"]
    cell: Cell
    if isinstance(paths, list):
        cell = [cell_at(row, path) for path in paths]
    else:
        cell = cell_at(row, paths)
    if isinstance(cell, str):
        cell = parse_list(cell)
    if isinstance(cell, dict):
        cell = list(cell.values())
    choices = [as_text(choice) for choice in as_list(cell) if choice is not None]
    if not 2 <= len(choices) <= len(LETTERS):
        raise DataError(f"{len(choices)} choices; 2 to {len(LETTERS)} are possible")
    return tuple(choices)


def parse_list(text: str) -> Cell:
    """Read the text of a Python literal."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"choices that are no list: {text[:80]!r}") from error


def references_of(cell: Cell, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the accepted answers as texts; with choices, a number is a choice's index."""
    # NaN, a missing number, does not equal itself.
    answers = [answer for answer in as_list(cell) if answer is not None and answer == answer]
    num_choices = len(choices)
    references = []
    for answer in answers:
        if num_choices == 0 or not isinstance(answer, int):
            references.append(as_text(answer))
            continue
        if not 0 <= answer < num_choices:
            raise DataError(f"answer {cell} is not the index of one of {num_choices} choices")
        references.append(LETTERS[answer])
    if not any(reference.strip() for reference in references):
        raise DataError("no answer")
    return tuple(references)


def fault_of(image: bytes) -> str | None:
    """Return what is wrong with a picture, None if nothing is."""
    try:
        check_picture(image)
    except DataError as error:
        return str(error)
    return None


def cell_at(row: Row, path: str) -> Cell:
    """Return what stands at a dotted path of a row; within a list, what stands there in each."""
    if path in row:
        return row[path]
    cell: Cell = row
    for key in path.split("."):
        if cell is None:
            return None
        try:
            cell = [entry[key] for entry in cell] if isinstance(cell, list) else cell[key]
        except (KeyError, TypeError) as error:
            raise DataError(f"no {path!r}") from error
    return cell


def as_text(cell: Cell) -> str:
    """Return a cell as text: nothing is empty, and a whole number has no decimals."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def as_list(cell: Cell) -> list[Cell]:
    """Return a list as it is, anything else as its only entry."""
    return cell if isinstance(cell, list) else [cell]
