"""The evaluation cache: no (combination, sample) pair is computed twice.

A context is a fingerprint of all that decides a prediction apart from the pair: model, dtype,
prompt, generation settings, versions. Each context is a folder of Parquet parts. Parts are only
added whole, or replaced by one that holds the same rows, so that jobs may read and write the same
folder at once. A part that is not as it was written is set aside and its pairs are computed again.
Deleting the folder is always safe.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from blocksieve.files import checksum_file, is_whole, set_aside, whole_file

logger = logging.getLogger("blocksieve")

SCHEMA: dict[str, pl.DataType] = {
    "combination": pl.String(),
    "sample_id": pl.String(),
    "prediction": pl.String(),
    "tokens": pl.List(pl.Int32),
    "near_tie": pl.Boolean(),
    "non_finite": pl.Boolean(),
    "refused": pl.String(),
}
PAIR = ["combination", "sample_id"]


class CacheRow(NamedTuple):
    """A pair's prediction, in the columns of SCHEMA; a refused pair has only its reason."""

    combination: str
    sample_id: str
    prediction: str | None
    tokens: list[int] | None
    near_tie: bool | None
    non_finite: bool | None
    refused: str | None

    @classmethod
    def refusal(cls, combination: str, sample_id: str, reason: str) -> "CacheRow":
        """Return the row of a combination that the model cannot run."""
        return cls(combination, sample_id, None, None, None, None, reason)


class Cache:
    """Predictions of one context; `append` adds a batch durably, `close` merges what was added."""

    def __init__(self, folder: Path, context: str) -> None:
        self.folder = folder / context
        self.added: list[Path] = []

    def look_up(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the cached rows of `pairs` (columns combination, sample_id), each pair once."""
        paths = sorted(self.folder.glob("*.parquet"))
        matching = [pl.DataFrame(schema=SCHEMA)]
        for part in self._read(paths):
            matching.append(part.join(pairs, on=PAIR, how="semi"))
        rows = pl.concat(matching)
        return rows.unique(PAIR, keep="first", maintain_order=True)

    def append(self, rows: Sequence[CacheRow]) -> None:
        """Add rows as a part of their own."""
        table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        self.added.append(self._write(table))

    def close(self) -> None:
        """Merge the parts added here into one, so that folders stay small."""
        if len(self.added) > 1:
            self._write(pl.concat(self._read(self.added)))
            for path in self.added:
                path.unlink(missing_ok=True)
                checksum_file(path).unlink(missing_ok=True)
        self.added = []

    def _read(self, paths: list[Path]) -> Iterator[pl.DataFrame]:
        for path in paths:
            try:
                if is_whole(path):
                    yield pl.read_parquet(path)
                    continue
                set_aside(path)
            except FileNotFoundError:
                # Merged by its job since the folder was listed: the merged part is read, too, or,
                # at worst, its pairs are computed again.
                continue
            logger.warning(
                "%s is corrupt; set aside as %s.corrupt, its pairs count as new", path, path.name
            )

    def _write(self, rows: pl.DataFrame) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.parquet"
        with whole_file(path) as temporary:
            rows.write_parquet(temporary)
        return path
