"""The registry of dataset sources: each reads all samples that a dataset's definition can reach."""

import importlib
from collections.abc import Iterator
from typing import Any

from blocksieve.datasets.sample import Sample, Unusable

SOURCES = {
    "columns": "datasets.columns",
    "demo": "datasets.demo.source",
    "facts": "datasets.facts",
}


def read_samples(source: dict[str, Any], splits: list[str]) -> Iterator[Sample | Unusable]:
    """Yield the samples of a source's splits in fixed order; `source["kind"]` names it, its other keys are its own."""
    module = importlib.import_module(f"blocksieve.{SOURCES[source['kind']]}")
    for split in splits:
        yield from module.read(source, split)
