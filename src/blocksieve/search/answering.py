"""Answer the pairs of combinations and samples that the cache lacks, batch by batch."""

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import torch

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answers import Answer, Refused
from blocksieve.engine.attempt import out_of_memory
from blocksieve.engine.checked_ways import CheckedWays, checked_ways_name, read_checked_ways
from blocksieve.engine.engines import Engine, exact_ways, start_engine
from blocksieve.engine.inputs import (
    Batch,
    check_length,
    make_batch,
    probe_rows,
    sample_rows,
    write_prompt,
)
from blocksieve.engine.residual import check_halves
from blocksieve.engine.self_check import confirm, effect_of_padding
from blocksieve.errors import ModelError
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.progress import Progress
from blocksieve.search.cache import SCHEMA, Cache, CacheRow
from blocksieve.search.suitability import refuse_unsuitable
from blocksieve.search.task import Task
from blocksieve.search.watchdog import blame_samples, with_time_limit
from blocksieve.shards import Computed

logger = logging.getLogger("blocksieve")

LARGEST_BATCH = 256
# How many samples an engine is checked with, fewer if memory runs out.
PROBE_ROWS = (4, 2, 1)
TOO_LITTLE_MEMORY = "not enough memory to answer a single sample; use a device with more"


@dataclass(frozen=True)
class Answered:
    """Rows as the cache holds them, how they were computed, and the seconds that answering took."""

    rows: pl.DataFrame
    computed: Computed
    seconds: float


@dataclass(frozen=True)
class Group:
    """Samples that lack the same combinations, one row each."""

    samples: pl.DataFrame
    combinations: list[Combination]

    def split(self, size: int) -> tuple["Group", "Group | None"]:
        """Return the first `size` samples, and the others if there are any."""
        if len(self.samples) <= size:
            return self, None
        first = replace(self, samples=self.samples[:size])
        others = replace(self, samples=self.samples[size:])
        return first, others


def answer(
    task: Task,
    samples: pl.DataFrame,
    missing: pl.DataFrame,
    cache: Cache,
    load: Callable[[], LoadedModel] | None = None,
    progress: Progress | None = None,
) -> Answered:
    """Answer the missing pairs (columns combination, sample_id).

    Each combination's answers to a batch are put into the cache at once. `load`, `progress`: as
    `evaluate` takes them.
    """
    refuse_unsuitable(task, samples)
    loaded = load() if load else load_model(task.model)
    check_prompts(task, loaded, samples)
    combinations = [
        Combination.parse(text) for text in missing["combination"].unique(maintain_order=True)
    ]
    halves = any(combination.halves for combination in combinations)
    engine = start_with_room(task, loaded, samples, cache.folder, halves)
    start = time.monotonic()
    progress = progress or Progress(len(missing), "pairs")
    answering = _Answering(task, loaded, engine, cache, progress)
    answering.drafts = cached_answers(combinations, samples, cache)
    waiting = deque(groups_of(samples, missing))
    while waiting:
        answering.answer_next(waiting)
    cache.close()
    seconds = time.monotonic() - start
    rows = pl.DataFrame(answering.rows, schema=SCHEMA, orient="row")
    return Answered(rows, how_computed(engine, len(rows), seconds), seconds)


class _Answering:
    """The state of a job's loop: batch sizes shrink, rows and drafts grow."""

    def __init__(
        self, task: Task, loaded: LoadedModel, engine: Engine, cache: Cache, progress: Progress
    ) -> None:
        self.task = task
        self.loaded = loaded
        self.engine = engine
        self.cache = cache
        self.progress = progress
        self.drafts: dict[str, list[int]] = {}
        self.rows: list[CacheRow] = []
        batch_size = task.evaluation.batch_size
        if batch_size == "auto":
            self.size = automatic_batch_size(engine, loaded)
            self.most_rows = self.size
        else:
            self.size = batch_size
            self.most_rows = max(batch_size, Batch.most_rows)
        if engine.one_at_a_time:
            self.size = 1

    def answer_next(self, waiting: deque[Group]) -> None:
        """Answer the first batch of the first group, and take it off; half of it if memory ends."""
        batch, others = waiting.popleft().split(self.size)
        if others is not None:
            waiting.appendleft(others)
        unanswered = list(batch.combinations)
        try:
            self._answer_batch(batch, unanswered)
            return
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(batch.samples) == 1:
                raise ModelError(TOO_LITTLE_MEMORY) from error
        # Outside of the handler, since the exception holds what the batch had in memory.
        torch.cuda.empty_cache()
        self.size = self.most_rows = (len(batch.samples) + 1) // 2
        logger.warning(
            "out of memory with %d samples at once; going on with %d",
            len(batch.samples),
            self.size,
        )
        waiting.appendleft(replace(batch, combinations=unanswered))

    def _answer_batch(self, group: Group, unanswered: list[Combination]) -> None:
        """Answer a batch, taking each combination out of `unanswered` once it is in the cache."""
        prompt = self.task.definition.prompt
        sample_ids = group.samples["sample_id"].to_list()
        with blame_samples(self.loaded, group.samples, prompt):
            inputs = make_batch(self.loaded, sample_rows(group.samples), prompt)
        check_length(self.loaded, inputs.inputs, self.task.definition.max_new_tokens)
        batch = replace(inputs, most_rows=self.most_rows)
        drafts = self._drafts_of(sample_ids)
        answers = self.engine.answer_batch(batch, list(unanswered), drafts)
        seconds = self.task.evaluation.batch_timeout
        for combination, answered in with_time_limit(answers, seconds, sample_ids):
            rows = cache_rows(combination, sample_ids, answered)
            self.cache.append(rows)
            self.rows += rows
            unanswered.remove(combination)
            self.progress.add(len(rows))

    def _drafts_of(self, sample_ids: Sequence[str]) -> list[list[int]] | None:
        """Return a draft per row; None if any is unknown, so that the engine makes its own."""
        if any(sample_id not in self.drafts for sample_id in sample_ids):
            return None
        return [self.drafts[sample_id] for sample_id in sample_ids]


def groups_of(samples: pl.DataFrame, missing: pl.DataFrame) -> list[Group]:
    """Group samples by the combinations that they lack, in order of the combinations.

    In a group the samples of an image stand next to each other, so that a batch shares what their
    prompts begin with.
    """
    lacking: dict[str, list[Combination]] = {}
    for text, sample_id in missing.select("combination", "sample_id").iter_rows():
        lacking.setdefault(sample_id, []).append(Combination.parse(text))
    ordered = samples.filter(pl.col("sample_id").is_in(lacking)).sort("cluster", "sample_id")
    rows_by_combinations: dict[tuple[Combination, ...], list[int]] = {}
    for row, sample_id in enumerate(ordered["sample_id"]):
        combinations = tuple(lacking[sample_id])
        rows_by_combinations.setdefault(combinations, []).append(row)
    return [
        Group(ordered[rows], list(combinations))
        for combinations, rows in sorted(rows_by_combinations.items())
    ]


def check_prompts(task: Task, loaded: LoadedModel, samples: pl.DataFrame) -> None:
    """Write all prompts once, so that one that cannot be written stops the job at its start."""
    prompt = task.definition.prompt
    with blame_samples(loaded, samples, prompt):
        for row in sample_rows(samples):
            write_prompt(loaded.processor, loaded.prompt, row, prompt)


def start_with_room(
    task: Task, loaded: LoadedModel, samples: pl.DataFrame, folder: Path, halves: bool = False
) -> Engine:
    """Start the engine, checked with as many samples as memory has room for.

    It takes one sample at a time where the model answers otherwise in a batch, so that batches
    never decide an answer. The folder keeps what the check found.
    `halves`: whether combinations will remove halves of blocks, which are refused otherwise.
    """
    for size in PROBE_ROWS:
        try:
            return _start(task, loaded, samples, size, folder, halves)
        except Exception as error:
            if not out_of_memory(error):
                raise
        logger.warning("out of memory with %d samples to check the engine with", size)
        torch.cuda.empty_cache()
    raise ModelError(TOO_LITTLE_MEMORY)


def _start(
    task: Task,
    loaded: LoadedModel,
    samples: pl.DataFrame,
    size: int,
    folder: Path,
    halves: bool,
) -> Engine:
    """Start the engine, checked with a number of samples."""
    prompt = task.definition.prompt
    rows = probe_rows(sample_rows(samples), size)
    with blame_samples(loaded, samples, prompt):
        probe = make_batch(loaded, rows, prompt)
        shortest = make_batch(loaded, rows[-1:], prompt)
    if size < PROBE_ROWS[0]:
        probe = replace(probe, most_rows=size)
    sample_ids = [row["sample_id"] for row in rows]
    if halves:
        check_halves(loaded, probe)
    name = checked_ways_name(task.evaluation.engine, loaded, sample_ids, halves)
    checked = _checked_ways(task, loaded, probe, shortest, folder / f"{name}.json")
    ways = (checked.fastest, checked.long_way)
    max_new_tokens = task.definition.max_new_tokens
    engine = start_engine(task.evaluation.engine, loaded, probe, max_new_tokens, ways)
    if checked.padding is not None:
        logger.warning(
            "one sample at a time, since padding changes this model's answers: %s", checked.padding
        )
    engine.one_at_a_time = checked.padding is not None
    return engine


def _checked_ways(
    task: Task, loaded: LoadedModel, probe: Batch, shortest: Batch, path: Path
) -> CheckedWays:
    """Return the ways that were kept if they still hold; else check the engine, and keep those."""
    max_new_tokens = task.definition.max_new_tokens
    kept = read_checked_ways(path)
    if kept is not None:
        problem = confirm(loaded, probe, max_new_tokens, kept.fastest.way)
        if problem is None:
            return kept
        logger.warning("%s does not hold, the engine is checked anew: %s", path, problem)
    fastest, long_way = exact_ways(task.evaluation.engine, loaded, probe, max_new_tokens)
    padding = effect_of_padding(loaded, probe, probe.rows - 1, shortest, max_new_tokens)
    checked = CheckedWays(fastest, long_way, padding)
    checked.write(path)
    return checked


def automatic_batch_size(engine: Engine, loaded: LoadedModel) -> int:
    """Return the largest number of samples for which memory has room.

    Half of a GPU's free memory, or an eighth of the machine's.
    """
    if loaded.device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(loaded.device)
        room = free_bytes // 2
    else:
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8
    num_fitting = int(room // max(1, engine.bytes_per_row))
    size = min(LARGEST_BATCH, max(1, num_fitting))
    logger.info(
        "batches of %d samples: %.1f MB each, %.0f MB of room",
        size,
        engine.bytes_per_row / 1e6,
        room / 1e6,
    )
    return size


def cached_answers(
    combinations: Iterable[Combination], samples: pl.DataFrame, cache: Cache
) -> dict[str, list[int]]:
    """Return for each sample the tokens that most parents of the combinations answered.

    Only samples for which the cache holds any; the whole model counts as a parent.
    """
    parents = {NONE}
    for combination in combinations:
        parents.update(combination.parents())
    names = [str(parent) for parent in sorted(parents)]
    sample_ids = samples.select("sample_id")
    pairs = pl.DataFrame({"combination": names}).join(sample_ids, how="cross")
    cached = cache.look_up(pairs).sort("sample_id", "combination")
    answered = cached.select("sample_id", "tokens").drop_nulls()
    votes: dict[str, Counter[tuple[int, ...]]] = {}
    for sample_id, tokens in answered.iter_rows():
        counter = votes.setdefault(sample_id, Counter())
        counter[tuple(tokens)] += 1
    drafts = {}
    for sample_id, counter in votes.items():
        ((tokens, _),) = counter.most_common(1)
        drafts[sample_id] = list(tokens)
    return drafts


def cache_rows(
    combination: Combination, sample_ids: Sequence[str], answers: list[Answer] | Refused
) -> list[CacheRow]:
    """Return a combination's answers to some samples as the cache keeps them."""
    text = str(combination)
    if isinstance(answers, Refused):
        return [CacheRow.refusal(text, sample_id, answers.reason) for sample_id in sample_ids]
    return [
        CacheRow(
            combination=text,
            sample_id=sample_id,
            prediction=answered.text,
            tokens=answered.tokens,
            near_tie=answered.near_tie,
            non_finite=answered.non_finite,
            refused=None,
        )
        for sample_id, answered in zip(sample_ids, answers, strict=True)
    ]


def how_computed(engine: Engine, pairs: int, seconds: float) -> Computed:
    """Return how the answers were computed, for the shard's metadata, and log it."""
    work = engine.work
    rate = pairs / max(seconds, 1e-9)
    logger.info("%d pairs in %.1f s, %.1f/s, on rung %s", pairs, seconds, rate, engine.rung)
    if work.done:
        logger.info(
            "%.1f GFLOPs done; a plain loop does %.1f (%.2f times as many),"
            " the distinct work is %.1f",
            work.done / 1e9,
            work.plain / 1e9,
            work.plain / work.done,
            work.bound / 1e9,
        )
    return {
        "rung": engine.rung,
        "reason": engine.reason,
        "ran_on": engine.loaded.device.type,
        "flops": {
            "done": round(work.done),
            "plain": round(work.plain),
            "bound": round(work.bound),
        },
    }
