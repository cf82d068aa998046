"""What the benchmarks share: the demo's data and model, timing side by side, tables."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
import yaml

from blocksieve.combination import Combination
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sources import read_samples
from blocksieve.datasets.table import write_samples
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.specs import DatasetSpec, ModelSpec

ROOT = Path(__file__).parents[1]
Tokens = dict[Combination, list[list[int]]]


def demo_model() -> LoadedModel:
    """The embedded model."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())["model"]
    return load_model(ModelSpec(**config | {"path": str(ROOT / config["path"])}))


def demo_samples(name: str, samples: int, folder: Path) -> tuple[list[dict[str, Any]], DatasetSpec]:
    """The first search samples of a demo dataset, those of an image together, and the dataset's definition."""
    definition = DatasetSpec(**yaml.safe_load((ROOT / f"config/datasets/{name}.yaml").read_text()))
    drawn = draw_samples(
        read_samples(definition.source, definition.splits),
        {"search": samples, "holdout": 0},
        definition.splits,
        0,
    )
    write_samples(folder / f"{name}.parquet", drawn)
    return pl.read_parquet(folder / f"{name}.parquet").sort(
        "cluster", "sample_id"
    ).to_dicts(), definition


def side_by_side(
    ways: Mapping[str, Callable[[], Tokens]], repeats: int
) -> dict[str, dict[str, Any]]:
    """Seconds of each way, the least of all rounds, and whether it gave the first way's tokens.

    Every round runs all ways in turn. Without a GPU: processor time, which other work on the machine disturbs less.
    """
    gpu = torch.cuda.is_available()
    clock = time.perf_counter if gpu else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Tokens] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = clock()
            answers[name] = way()
            if gpu:
                torch.cuda.synchronize()
            seconds[name].append(clock() - start)
    first = next(iter(answers.values()))
    return {
        name: {"seconds": min(seconds[name]), "differing_rows": differing(first, answers[name])}
        for name in ways
    }


def differing(one: Tokens, other: Tokens) -> float:
    """The share of rows whose tokens differ."""
    rows = [
        (a, b)
        for combination in one
        for a, b in zip(one[combination], other[combination], strict=True)
    ]
    return sum(a != b for a, b in rows) / len(rows)


def report(results: dict[str, Any], rows: list[dict[str, Any]], out: Path) -> None:
    """Print a table of the rows, and write everything as JSON."""
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_hide_dataframe_shape=True,
        tbl_width_chars=150,
        float_precision=3,
    ):
        print(pl.DataFrame(rows))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results | {"rows": rows}, indent=1, sort_keys=True) + "\n")
    print(f"written to {out}")
