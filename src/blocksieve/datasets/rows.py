"""The rows of a split as the files show them: no value becomes another text on its way."""

import csv
import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blocksieve.errors import ConfigError, DataError
from blocksieve.specs import Source

if TYPE_CHECKING:
    from datasets import DatasetBuilder

Cell = Any
"""What a column holds in a row: text, a number, bytes, a list or a struct (a dict)."""
Row = dict[str, Cell]

ROWS_FOR_COLUMNS = 256
"""Rows of JSON may lack keys: the columns are those of the first so many rows."""
LONGEST_REASON = 300


def read_rows(source: Source, split: str) -> Iterator[Row]:
    """Yield the rows of a split one by one, pictures as they are encoded.

    Labels are names, missing numbers are None. JSON and CSV files are read here and not by the
    library, which makes dates, numbers and nulls of texts that look like them.
    """
    if "files" in source and split not in source["files"]:
        raise ConfigError(
            f"source columns: no files for split {split!r}; there are some for"
            f" {', '.join(source['files'])}"
        )
    try:
        yield from _rows(source, split)
    except ConfigError:
        raise
    except DataError as error:
        raise DataError(f"source columns: split {split!r}: {error}") from error
    except Exception as error:  # of the library, the hub's client, pyarrow and the network
        reason = " ".join(str(error).split())
        if len(reason) > LONGEST_REASON:
            reason = f"{reason[:LONGEST_REASON]}..."
        raise DataError(
            f"source columns: cannot read split {split!r} of {source['path']!r}: {reason};"
            " correct path, name, revision, files or splits, or download the dataset and give"
            " its folder as path"
        ) from error


def _rows(source: Source, split: str) -> Iterator[Row]:
    from datasets import load_dataset, load_dataset_builder
    from datasets.packaged_modules.csv.csv import CsvConfig
    from datasets.packaged_modules.json.json import JsonConfig

    data_files = {split: source["files"][split]} if "files" in source else None
    place: dict[str, Any] = {
        "path": source["path"],
        "name": source.get("name"),
        "data_files": data_files,
        "revision": source.get("revision"),
    }
    builder = load_dataset_builder(**place)
    files = _files_of(builder, split)
    _check_folder(builder, files, split)
    features = builder.info.features
    if isinstance(builder.config, JsonConfig | CsvConfig):
        separator = builder.config.sep if isinstance(builder.config, CsvConfig) else None
        for row in _with_all_columns(_text_rows(files, separator)):
            yield {name: decode(_feature(features, name), row[name]) for name in row}
        return
    streaming = source.get("streaming", True)
    table = load_dataset(**place, split=split, streaming=streaming)
    if not streaming:
        table = table.to_iterable_dataset()
    features = table.features
    # Columns of unknown types are not decoded in any case.
    if features:
        table = table.decode(False)
    for row in table:
        yield {name: decode(_feature(features, name), row[name], packed=True) for name in row}


def _files_of(builder: "DatasetBuilder", split: str) -> list[str]:
    """Return the files of a split, none where the builder has no files; ConfigError for others."""
    files = builder.config.data_files
    if files is None:
        return []
    # Where it does not stream, the library also reads a part of a split, such as `train[:100]`.
    name = split.partition("[")[0]
    if name not in files:
        raise ConfigError(
            f"source columns: no split {split!r}, only {', '.join(map(str, files))};"
            " correct files or splits"
        )
    return list(files[name])


def _check_folder(builder: "DatasetBuilder", files: Iterable[str], split: str) -> None:
    """Refuse the tables of a folder of pictures, whose texts the library would read as numbers."""
    from datasets.packaged_modules.folder_based_builder.folder_based_builder import (
        FolderBasedBuilder,
    )

    if not isinstance(builder, FolderBasedBuilder):
        return
    for file in files:
        table = Path(file)
        if table.name in ("metadata.csv", "metadata.jsonl"):
            raise ConfigError(
                f"source columns: {file} would be read with types that are guessed, so that 007"
                f" becomes 7; in a local copy set path: {table.parent}, files: {{{split}:"
                f" {table.name}}} and images: file_name"
            )


def _text_rows(files: Iterable[str], separator: str | None) -> Iterator[Row]:
    """Yield the rows of CSV files, or of JSON files if there is no separator."""
    import fsspec  # type: ignore[import-untyped]

    for file in files:
        with fsspec.open(
            file, "rt", encoding="utf-8-sig", newline="", compression="infer"
        ) as lines:
            if separator is None:
                rows = _json_rows(lines, file)
            else:
                rows = _csv_rows(lines, file, separator)
            try:
                yield from _checked(rows, file)
            except UnicodeDecodeError as error:
                raise DataError(f"{file}: not UTF-8 text ({error}); save it as that") from error


def _checked(rows: Iterable[Row], file: str) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{file}: row {number} is no object with columns as keys; correct the file"
            )
        yield row


def _json_rows(lines: Iterable[str], file: str) -> Iterator[Row]:
    """Yield the objects of JSON Lines, of one list of objects, or one object over several lines."""
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if not line.strip():
            continue
        # The first line of an object over several lines has no value yet.
        is_whole_file = line.lstrip().startswith("[") or line.strip() == "{"
        following = [text for _, text in numbered] if is_whole_file else []
        try:
            content = _from_json("".join([line, *following]))
        except ValueError as error:
            raise DataError(
                f"{file}: no plain JSON from line {number} on: {error}; correct the file"
            ) from error
        yield from content if isinstance(content, list) else [content]


def _from_json(text: str) -> Any:
    """Parse JSON; ValueError if an object names a value twice, of which one would be lost."""
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON from its names and values."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        repeated = _first_repeated(name for name, _ in pairs)
        raise ValueError(f"an object has two values for {repeated!r}")
    return fields


def _csv_rows(lines: Iterable[str], file: str, separator: str) -> Iterator[Row]:
    """Yield the rows of a CSV file, every cell as its text; None for cells that a row lacks.

    DataError for what would put a text into another column or row in silence: names that are there
    twice, rows with more cells than the header, quotes that do not end where their cell ends.
    """
    csv.field_size_limit(sys.maxsize)  # a cell may hold a picture
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows = filter(None, reader)  # empty lines are no rows
    try:
        header = next(rows, [])
        repeated = _first_repeated(filter(None, header))
        if repeated is not None:
            raise DataError(f"{file}: two columns are named {repeated!r}; rename one")
        for cells in rows:
            if any(cells[len(header) :]):
                raise DataError(
                    f"{file}: the row that ends in line {reader.line_num} has {len(cells)} cells,"
                    f" the header {len(header)}; put a cell that holds {separator!r} in quotes"
                )
            yield dict(itertools.zip_longest(header, cells[: len(header)]))
    except csv.Error as error:
        raise DataError(f"{file}: line {reader.line_num}: {error}; correct its quotes") from error


def _first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that is there twice; None if each is there once."""
    for name, count in Counter(names).items():
        if count > 1:
            return name
    return None


def _with_all_columns(rows: Iterator[Row]) -> Iterator[Row]:
    """Give each row the columns of the first rows, with None where it lacks one."""
    first = list(itertools.islice(rows, ROWS_FOR_COLUMNS))
    empty: Row = {}
    for row in first:
        empty |= dict.fromkeys(row)
    for row in itertools.chain(first, rows):
        yield {**empty, **row}


def _feature(features: Any, name: str) -> Any:
    return features.get(name) if features else None


def decode(feature: Any, cell: Cell, packed: bool = False) -> Cell:
    """Return a cell as its file shows it, by the column's feature (its type); None if missing.

    A label is its name. A float32 is the shortest number that stands for it. If `packed`, a column
    of JSON holds the text of JSON.
    """
    from datasets import ClassLabel, Json, LargeList, List, Value

    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(feature, Json) and packed:
        return decode(None, json.loads(cell))
    if isinstance(feature, ClassLabel) and isinstance(cell, int):
        return feature.names[cell] if cell >= 0 else None  # -1 stands for no label
    if isinstance(feature, Value) and feature.dtype in ("float32", "float16"):
        return float(str(np.dtype(feature.dtype).type(cell)))
    if isinstance(cell, list):
        inner = feature.feature if isinstance(feature, List | LargeList) else None
        return [decode(inner, entry, packed) for entry in cell]
    if isinstance(cell, dict):
        features = feature if isinstance(feature, dict) else None
        return {name: decode(_feature(features, name), cell[name], packed) for name in cell}
    return cell
