"""What the benchmarks share: the demo's data and model, timing side by side, tables."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import polars as pl
import torch
import yaml

from blocksieve.combination import Combination
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import SampleRow
from blocksieve.datasets.sources import read_samples
from blocksieve.datasets.table import SCHEMA, to_row, write_samples
from blocksieve.engine.engines import Engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.ways import Way
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.specs import DatasetSpec, ModelSpec

ROOT = Path(__file__).parents[1]
Drafts = list[list[int]]
"""A likely answer per row."""
Tokens = dict[Combination, list[list[int]]]
"""The tokens of each combination's answers, one list per row."""


@dataclass(frozen=True)
class Timing:
    """Seconds of a way, and the share of rows in which its tokens differ from the first way's."""

    seconds: float
    differing_rows: float


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


def tokens_in_way(
    engine: Engine, way: Way, batch: Batch, combinations: list[Combination], drafts: Drafts | None
) -> Tokens:
    """Return the tokens of all answers in one way."""
    engine.way = way
    tokens = {}
    for combination, answers in engine.answer_batch(batch, combinations, drafts):
        tokens[combination] = [answer.tokens for answer in answers]
    return tokens


def side_by_side(ways: Mapping[str, Callable[[], Tokens]], repeats: int) -> dict[str, Timing]:
    """Return the least time of each way over all rounds; every round runs all ways in turn.

    Without a GPU it is processor time, which other work on the machine disturbs less.
    """
    has_gpu = torch.cuda.is_available()
    clock = time.perf_counter if has_gpu else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Tokens] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = clock()
            answers[name] = way()
            if has_gpu:
                torch.cuda.synchronize()
            seconds[name].append(clock() - start)
    first = next(iter(answers.values()))
    return {
        name: Timing(min(seconds[name]), share_differing(first, answers[name])) for name in ways
    }


def share_differing(expected: Tokens, actual: Tokens) -> float:
    """Return the share of rows whose tokens differ."""
    num_rows = 0
    num_differing = 0
    for combination, rows in expected.items():
        for expected_row, actual_row in zip(rows, actual[combination], strict=True):
            num_rows += 1
            num_differing += expected_row != actual_row
    return num_differing / num_rows


def report(results: Mapping[str, object], rows: list[dict[str, object]], out: Path) -> None:
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
    content = {**results, "rows": rows}
    out.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(f"written to {out}")
