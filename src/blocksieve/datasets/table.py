"""The Parquet file of a dataset: one row per sample, images inside."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from blocksieve.datasets.sample import Sample, SampleRow
from blocksieve.files import whole_file
from blocksieve.specs import Role

SCHEMA: dict[str, pl.DataType] = {
    "sample_id": pl.String(),
    "question": pl.String(),
    "choices": pl.List(pl.String),
    "references": pl.List(pl.String),
    "images": pl.List(pl.Binary),
    "cluster": pl.String(),
    "split": pl.String(),
    "role": pl.String(),
}


def write_samples(path: Path, drawn: Iterable[tuple[Role, Sample]]) -> None:
    """Write drawn samples in their order."""
    rows = [to_row(role, sample) for role, sample in drawn]
    with whole_file(path) as temporary:
        table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        table.write_parquet(temporary)


def to_row(role: Role, sample: Sample) -> SampleRow:
    """Return the row of a drawn sample."""
    return {
        "sample_id": sample.sample_id,
        "question": sample.question,
        "choices": list(sample.choices),
        "references": list(sample.references),
        "images": list(sample.images),
        "cluster": sample.cluster,
        "split": sample.split,
        "role": role,
    }
