import functools
import random
from pathlib import Path

import polars as pl
import pytest
import yaml

from blocksieve.datasets.demo.source import read
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import Sample
from blocksieve.datasets.table import write_samples
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.specs import DatasetSpec, ModelSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def demo_model_config() -> ModelSpec:
    """The config's `model` of the demo run, with an absolute path."""
    model = yaml.safe_load((ROOT / "config/config.yaml").read_text())["model"]
    return ModelSpec(**model | {"path": str(ROOT / model["path"])})


@pytest.fixture(scope="session")
def demo_model(demo_model_config: ModelSpec) -> LoadedModel:
    """The embedded model, loaded as any checkpoint is."""
    return load_model(demo_model_config)


@pytest.fixture(scope="session")
def demo_samples(tmp_path_factory: pytest.TempPathFactory):
    """Draw so many search samples of a demo dataset; with them comes its definition."""

    @functools.cache  # a dataset's pictures take seconds to make
    def read_all(dataset: str) -> tuple[DatasetSpec, list[Sample]]:
        path = ROOT / f"config/datasets/{dataset}.yaml"
        definition = DatasetSpec(**yaml.safe_load(path.read_text()))
        samples: list[Sample] = []
        for split in definition.splits:
            samples += read(definition.source, split)
        return definition, samples

    def draw(dataset: str, search: int) -> tuple[pl.DataFrame, DatasetSpec]:
        definition, samples = read_all(dataset)
        counts = {"search": search, "holdout": 0}
        path = tmp_path_factory.mktemp("datasets") / f"{dataset}.parquet"
        write_samples(path, draw_samples(samples, counts, definition.splits, seed=0))
        return pl.read_parquet(path), definition

    return draw


@pytest.fixture
def rng() -> random.Random:
    """A seeded generator."""
    return random.Random(0)
