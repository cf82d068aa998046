"""The registry of dataset sources: each reads all samples that a dataset's definition can reach."""

import importlib
from collections.abc import Iterator

from blocksieve.datasets.sample import Sample, Unusable
from blocksieve.specs import Source

SOURCES = {
    "columns": "datasets.columns",
    "demo": "datasets.demo.source",
    "facts": "datasets.facts",
}
"""The module of each kind of source; its `read(source, split)` yields the samples of a split."""


def read_samples(source: Source, splits: list[str]) -> Iterator[Sample | Unusable]:
    """Yield the samples of a source's splits in a fixed order.

    `source["kind"]` names the source; its `read` knows the remaining keys.
    """
    name = SOURCES[source["kind"]]
    module = importlib.import_module(f"blocksieve.{name}")
    for split in splits:
        yield from module.read(source, split)
