"""The evaluation cache: predictions by what decides them, so that no (combination, sample) pair is computed twice.

A context is a fingerprint of all that decides a prediction apart from the pair: model, dtype, prompt, generation
settings, versions. Each context is a folder of Parquet parts. Parts are only added whole, or replaced by one that holds
the same rows, so jobs may read and write the same folder at once. A part that is not as it was written is set aside and
its pairs are computed again. Deleting the folder is always safe.
"""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


class Cache:
    """Predictions of one context; `append` adds a batch durably, `close` merges what was added into one part."""

    def __init__(self, folder: Path, context: str) -> None:
        self.folder = folder / context
        self.added: list[Path] = []

    def look_up(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The rows known of `pairs` (columns combination, sample_id), each pair once."""
        parts = [
            part.join(pairs, on=PAIR, how="semi")
            for part in self._read(sorted(self.folder.glob("*.parquet")))
        ]
        known = pl.concat([pl.DataFrame(schema=SCHEMA), *parts])
        return known.unique(PAIR, keep="first", maintain_order=True)

    def append(self, rows: list[dict[str, Any]]) -> None:
        """Add rows as a part of their own."""
        self.added.append(self._write(pl.DataFrame(rows, schema=SCHEMA, orient="row")))

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
                else:
                    set_aside(path)
                    logger.warning(
                        "%s is corrupt; set aside as %s.corrupt, its pairs count as new",
                        path,
                        path.name,
                    )
            except (
                FileNotFoundError
            ):  # merged by its job since the folder was listed; the merged part is read too
                continue  # or, at worst, its pairs are computed again

    def _write(self, rows: pl.DataFrame) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.parquet"
        with whole_file(path) as temporary:
            rows.write_parquet(temporary)
        return path
