"""What some analyses need beside the evidence: how each need is read from its files."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl

from blocksieve.analysis import ANALYSES
from blocksieve.proxies import mean_proxies
from blocksieve.routing import Router
from blocksieve.shards import paired


class Files(Protocol):
    """A rule's named inputs."""

    def __getitem__(self, name: str) -> Sequence[str]:
        """Return the paths of one input."""


def _read_json(paths: Sequence[Path]) -> object:
    return json.loads(paths[0].read_text(encoding="utf-8"))


READERS: Mapping[str, Callable[[Sequence[Path]], object]] = {
    "router": lambda paths: Router.load(paths[0]),
    "detections": lambda paths: pl.read_parquet(paths[0]),
    "finalist_samples": paired,
    "proxies": mean_proxies,
    "routing": _read_json,
    "stability": _read_json,
    "recommendations": _read_json,
}


def read_needs(analysis: str, files: Files) -> dict[str, object]:
    """Read what an analysis needs, by the name of its argument.

    A need without files is left out: a run from a given table has neither prompts nor samples.
    """
    paths = {need: [Path(path) for path in files[need]] for need in ANALYSES[analysis].needs}
    return {need: READERS[need](of_need) for need, of_need in paths.items() if of_need}
