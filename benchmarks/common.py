"""What the benchmarks share of the demo: its model and its samples."""

from itertools import islice
from pathlib import Path

import polars as pl
import yaml

from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import SampleRow
from blocksieve.datasets.sources import read_samples
from blocksieve.datasets.table import SCHEMA, to_row, write_samples
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.specs import DatasetSpec, ModelSpec

ROOT = Path(__file__).parents[1]


def demo_model() -> LoadedModel:
    """Load the embedded model."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["model"]
    path = str(ROOT / config["path"])
    return load_model(ModelSpec(**config | {"path": path}))


def demo_definition(name: str) -> DatasetSpec:
    """Return the definition of a demo dataset."""
    file = ROOT / f"config/datasets/{name}.yaml"
    return DatasetSpec(**yaml.safe_load(file.read_text()))


def first_samples(name: str, num_samples: int) -> pl.DataFrame:
    """Return the first samples of a demo dataset's validation split."""
    samples = islice(read_samples(demo_definition(name).source, ["validation"]), num_samples)
    rows = [to_row("search", sample) for sample in samples]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def demo_samples(name: str, num_samples: int, folder: Path) -> tuple[list[SampleRow], DatasetSpec]:
    """Return the first search samples of a demo dataset, and the dataset's definition.

    Samples of an image stand together.
    """
    definition = demo_definition(name)
    samples = read_samples(definition.source, definition.splits)
    roles = {"search": num_samples, "holdout": 0}
    drawn = draw_samples(samples, roles, definition.splits, 0)
    table = folder / f"{name}.parquet"
    write_samples(table, drawn)
    rows = pl.read_parquet(table).sort("cluster", "sample_id").to_dicts()
    return rows, definition
