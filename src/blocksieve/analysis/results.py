"""Write and read what an analysis gives: a table as Parquet, a document as JSON."""

import json
from pathlib import Path

import polars as pl

from blocksieve.files import whole_file, write_json

Document = dict[str, object]


def write_result(path: Path, result: pl.DataFrame | Document) -> None:
    """Write a table or a document, whichever it is."""
    if isinstance(result, pl.DataFrame):
        with whole_file(path) as temporary:
            result.write_parquet(temporary)
    else:
        write_json(path, result)


def read_result(path: Path) -> pl.DataFrame | Document:
    """Read a table or a document, by the file's ending."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    return document
