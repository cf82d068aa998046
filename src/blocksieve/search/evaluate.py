"""Evaluate combinations on a dataset's samples, but for what the cache holds."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.combination import Combination
from blocksieve.job_times import ShareTimes
from blocksieve.metrics import Target, above_chance, load_metric
from blocksieve.progress import Progress
from blocksieve.search.cache import PAIR, Cache
from blocksieve.search.task import Task
from blocksieve.shards import Computed, Metadata

if TYPE_CHECKING:
    from blocksieve.models.loading import LoadedModel

logger = logging.getLogger("blocksieve")


@dataclass(frozen=True)
class Evaluation:
    """What a job evaluated: one row per combination and sample, in the order of the arguments."""

    rows: pl.DataFrame
    times: ShareTimes = field(default_factory=ShareTimes)


def evaluate(
    task: Task,
    table: pl.DataFrame,
    samples: pl.DataFrame,
    combinations: Sequence[Combination],
    cache_folder: Path,
    load: "Callable[[], LoadedModel] | None" = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate combinations on samples, computing only what the cache lacks.

    `table` is the dataset's whole table, `samples` those of its rows that are answered: all
    references of the table count for the scores (CIDEr's document frequencies). A combination that
    the model cannot run has its reason in `refused`, and neither prediction nor score. If all pairs
    are in the cache, no model is loaded. `load` gives the task's model where jobs share one, and
    `progress` counts pairs of more than this call.
    """
    start = time.monotonic()
    pairs = _pairs(combinations, samples)
    cache = Cache(cache_folder, task.context())
    predictions = cache.look_up(pairs)
    missing = pairs.join(predictions, on=PAIR, how="anti", maintain_order="left")
    logger.info(
        "%s: %d pairs: %d cached, %d to evaluate",
        task.dataset,
        len(pairs),
        len(predictions),
        len(missing),
    )
    times = ShareTimes(pairs=len(pairs))
    if len(missing):
        from blocksieve.search.answering import answer  # torch: only if something is to compute

        answered = answer(task, samples, missing, cache, load, progress)
        predictions = pl.concat([predictions, answered.rows])
        start_seconds = time.monotonic() - start - answered.seconds
        times = ShareTimes(
            pairs=len(pairs),
            computed=len(missing),
            start_seconds=round(start_seconds, 3),
            answer_seconds=round(answered.seconds, 3),
            engine=answered.computed,
        )
    rows = pairs.join(predictions, on=PAIR, how="left", maintain_order="left")
    about_samples = samples.select("sample_id", "cluster", "split", "role")
    rows = rows.join(about_samples, on="sample_id", maintain_order="left")
    log_faults(task.dataset, rows)
    return Evaluation(with_scores(task, table, rows), times)


def count_missing(
    task: Task, samples: pl.DataFrame, combinations: Sequence[Combination], cache_folder: Path
) -> int:
    """Return how many pairs `evaluate` would compute."""
    pairs = _pairs(combinations, samples)
    cached = Cache(cache_folder, task.context()).look_up(pairs)
    return len(pairs) - len(cached)


def _pairs(combinations: Sequence[Combination], samples: pl.DataFrame) -> pl.DataFrame:
    """Return all pairs (columns combination, sample_id), in the order of the arguments."""
    names = pl.DataFrame({"combination": map(str, combinations)}, {"combination": pl.String})
    return names.join(samples.select("sample_id"), how="cross", maintain_order="left_right")


def log_faults(dataset: str, rows: pl.DataFrame) -> None:
    """Log the combinations that the model cannot run, and those with logits that are no numbers."""
    refused = rows.filter(pl.col("refused").is_not_null()).unique(
        "combination", maintain_order=True
    )
    for combination, reason in refused.select("combination", "refused").iter_rows():
        logger.warning("%s: combination %s is not evaluable: %s", dataset, combination, reason)
    non_finite = rows.filter("non_finite").group_by("combination", maintain_order=True).len()
    for combination, count in non_finite.iter_rows():
        logger.warning(
            "%s: combination %s gives NaN or infinite logits on %d samples",
            dataset,
            combination,
            count,
        )


def with_scores(task: Task, table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add each row's score, float32, and whether the metric could not read the answer.

    Both are null where the combination was refused.
    """
    columns = table.select("sample_id", "references", "choices").iter_rows()
    targets = {
        sample_id: Target(tuple(references), tuple(choices))
        for sample_id, references, choices in columns
    }
    metric = load_metric(task.definition.metric)
    score = metric.prepare(list(targets.values()))
    if task.definition.above_chance:
        score = above_chance(score)
    unparsable: list[bool | None] = []
    scores: list[float | None] = []
    for prediction, sample_id in rows.select("prediction", "sample_id").iter_rows():
        target = targets[sample_id]
        refused = prediction is None
        unparsable.append(None if refused else not metric.parses(prediction, target))
        scores.append(None if refused else score(prediction, target))
    return rows.with_columns(
        pl.Series("unparsable", unparsable, dtype=pl.Boolean),
        pl.Series("score", scores, dtype=pl.Float32),
    )


def metadata_of(task: Task, computed: Computed) -> Metadata:
    """Return what a shard's metadata says of a job."""
    return {
        "fingerprint": task.context(),
        "device": task.model.device,
        "dtype": task.model.dtype,
        "engine": task.evaluation.engine,
        **computed,
    }
