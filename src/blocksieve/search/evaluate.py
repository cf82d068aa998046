"""Evaluate combinations on a dataset's samples: what a GPU job does."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from blocksieve.combination import Combination
from blocksieve.files import fingerprint, whole_file
from blocksieve.metrics import Target, load_metric
from blocksieve.search.cache import PAIR, Cache
from blocksieve.specs import DatasetSpec, ModelSpec
from blocksieve.version import VERSION

logger = logging.getLogger("blocksieve")

# Raise these whenever the same model would answer differently, or the shard's columns change.
PREDICTION_VERSION = 3
SHARD_VERSION = 3

SHARD = pa.schema(
    [
        ("dataset", pa.string()),
        ("combination", pa.string()),
        ("removed", pa.list_(pa.uint8())),
        ("size", pa.uint8()),
        ("sample_id", pa.string()),
        ("cluster", pa.string()),
        ("split", pa.string()),
        ("role", pa.string()),
        ("prediction", pa.string()),
        ("tokens", pa.list_(pa.int32())),
        ("near_tie", pa.bool_()),
        ("non_finite", pa.bool_()),
        ("refused", pa.string()),
        ("unparsable", pa.bool_()),
        ("score", pa.float32()),
    ]
)


@dataclass(frozen=True)
class Task:
    """One dataset under one model: names, definitions, the model's fingerprint, a batch's size and limit in seconds."""

    dataset: str
    definition: DatasetSpec
    model: ModelSpec
    model_fingerprint: str
    engine: str
    batch_size: int | Literal["auto"]
    batch_timeout: float = 3600

    def context(self) -> str:
        """A fingerprint of all that decides a prediction, apart from the sample and the combination."""
        return fingerprint(
            {
                "prediction_version": PREDICTION_VERSION,
                "model": self.model_fingerprint,
                "dtype": self.model.dtype,
                "prompt": self.definition.prompt,
                "prompt_template": self.model.prompt,
                "max_new_tokens": self.definition.max_new_tokens,
                "torch": version("torch"),
                "transformers": version("transformers"),
                "pictures": "torchvision" if find_spec("torchvision") else "pillow",
            }
        )


def evaluate(
    task: Task,
    samples: pl.DataFrame,
    combinations: list[Combination],
    cache_folder: Path,
    roles: Sequence[str] = ("search",),
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """A row a combination and sample, in the order of the arguments, and how those not in the cache were computed.

    `samples` are the rows of the dataset's table: those of the given roles are answered; all their references count
    for the scores (CIDEr's document frequencies). A combination that the model cannot run has its reason in `refused`,
    and neither prediction nor score. Pairs in the cache are not computed; if all are, no model is loaded.
    """
    wanted = samples.filter(pl.col("role").is_in(roles))
    order = pl.DataFrame(
        {"combination": [str(c) for c in combinations]}, schema={"combination": pl.String}
    )
    pairs = order.join(wanted.select("sample_id"), how="cross", maintain_order="left_right")
    cache = Cache(cache_folder, task.context())
    known = cache.look_up(pairs)
    missing = pairs.join(known, on=PAIR, how="anti", maintain_order="left")
    logger.info(
        "%s: %d pairs: %d cached, %d to evaluate",
        task.dataset,
        len(pairs),
        len(known),
        len(missing),
    )
    computed: dict[str, Any] = {}
    if len(missing):
        from blocksieve.search.answering import (
            answer,
        )  # torch: only if something is left to compute

        answered, computed = answer(task, wanted, missing, cache)
        known = pl.concat([known, answered])
    rows = pairs.join(known, on=PAIR, how="left", maintain_order="left")
    rows = rows.join(
        wanted.select("sample_id", "cluster", "split", "role"),
        on="sample_id",
        maintain_order="left",
    )
    name_troubles(task.dataset, rows)
    return judge(task, samples, rows), computed


def name_troubles(dataset: str, rows: pl.DataFrame) -> None:
    """Log the combinations that the model cannot run, and those whose scores of tokens were no numbers."""
    refused = rows.filter(pl.col("refused").is_not_null()).unique(
        "combination", maintain_order=True
    )
    for combination, reason in refused.select("combination", "refused").iter_rows():
        logger.warning("%s: combination %s is not evaluable: %s", dataset, combination, reason)
    broken = rows.filter("non_finite").group_by("combination", maintain_order=True).len()
    for combination, count in broken.iter_rows():
        logger.warning(
            "%s: combination %s gives NaN or infinite logits on %d samples",
            dataset,
            combination,
            count,
        )


def judge(task: Task, samples: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a score, float32, and whether the metric could not read the answer; null where it was refused."""
    targets = {
        sample_id: Target(tuple(references), tuple(choices))
        for sample_id, references, choices in samples.select(
            "sample_id", "references", "choices"
        ).iter_rows()
    }
    metric = load_metric(task.definition.metric)
    scorer = metric.prepare(list(targets.values()))
    answers = [
        None if text is None else (text, targets[sample])
        for text, sample in rows.select("prediction", "sample_id").iter_rows()
    ]
    return rows.with_columns(
        pl.Series("unparsable", [a and not metric.parses(*a) for a in answers], dtype=pl.Boolean),
        pl.Series("score", [a and scorer(*a) for a in answers], dtype=pl.Float32),
    )


def write_shard(path: Path, task: Task, rows: pl.DataFrame, computed: dict[str, Any]) -> None:
    """Write a shard with the metadata that says how its rows came about.

    `computed`: rung, reason, device and FLOPs of the job, as `evaluate` gives them; empty if all came from the cache.
    """
    removed = [list(Combination.parse(text).blocks) for text in rows["combination"]]
    columns = {
        "dataset": [task.dataset] * len(rows),
        "removed": removed,
        "size": [len(blocks) for blocks in removed],
        **{name: rows[name].to_list() for name in rows.columns},
    }
    metadata = {
        "blocksieve": json.dumps(
            {
                "schema_version": SHARD_VERSION,
                "blocksieve_version": VERSION,
                "fingerprint": task.context(),
                "device": task.model.device,
                "dtype": task.model.dtype,
                "engine": task.engine,
                **computed,
            },
            sort_keys=True,
        )
    }
    table = pa.Table.from_pydict(columns, schema=SHARD.with_metadata(metadata))
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)
