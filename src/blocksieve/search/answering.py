"""Answer the pairs of combinations and samples that the cache lacks, batch by batch."""

import logging
import os
import time
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answers import Refused
from blocksieve.engine.attempt import out_of_memory
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch, make_batch, probe_rows
from blocksieve.engine.self_check import effect_of_padding
from blocksieve.errors import ModelError
from blocksieve.logs import Progress
from blocksieve.models.loading import LoadedModel, load_model
from blocksieve.search.cache import SCHEMA, Cache
from blocksieve.search.watchdog import blame_samples, with_time_limit

if TYPE_CHECKING:
    from blocksieve.search.evaluate import Task

logger = logging.getLogger("blocksieve")

LARGEST_BATCH = {"cpu": 128, "cuda": 256}
# How many samples an engine is checked with, fewer if memory runs out.
PROBE_ROWS = (4, 2, 1)
TOO_LITTLE_MEMORY = "not enough memory to answer a single sample; use a device with more"


def answer(
    task: "Task", samples: pl.DataFrame, missing: pl.DataFrame, cache: Cache
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Rows of the missing pairs, each batch of a combination put into the cache at once, and how they were computed."""
    loaded = load_model(task.model)
    prompt = task.definition.prompt
    engine = started(task, loaded, samples)
    size = automatic_batch_size(engine, loaded) if task.batch_size == "auto" else task.batch_size
    most_rows = size if task.batch_size == "auto" else max(size, Batch.most_rows)
    size = 1 if engine.one_at_a_time else size
    lacking = missing.group_by("sample_id", maintain_order=True).agg(
        pl.col("combination").str.join(" ")
    )
    groups = samples.join(lacking, on="sample_id", how="inner").sort(
        "combination", "cluster", "sample_id"
    )
    combinations = [
        Combination.parse(text) for text in missing["combination"].unique(maintain_order=True)
    ]
    drafts = known_answers(combinations, samples, cache)
    progress, rows, start = Progress(len(missing), "pairs"), [], time.monotonic()
    waiting = deque(
        (group.drop("combination"), [Combination.parse(text) for text in together.split(" ")])
        for (together,), group in groups.group_by("combination", maintain_order=True)
    )
    while waiting:
        batch, wanted = waiting.popleft()
        if len(batch) > size:
            waiting.appendleft((batch[size:], wanted))
            batch = batch[:size]
        try:
            with blame_samples(loaded, batch, prompt):
                made = replace(make_batch(loaded, batch.to_dicts(), prompt), most_rows=most_rows)
            given = engine.answer_batch(made, wanted, drafts_of(batch, drafts))
            for combination, answers in with_time_limit(
                given, task.batch_timeout, batch["sample_id"].to_list()
            ):
                answered = cache_rows(combination, batch["sample_id"].to_list(), answers)
                cache.append(answered)
                rows += answered
                wanted = [other for other in wanted if other != combination]
                progress.add(len(answered))
            continue
        except Exception as error:
            if not out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(TOO_LITTLE_MEMORY) from error
        size = most_rows = (len(batch) + 1) // 2
        logger.warning("out of memory with %d samples at once; going on with %d", len(batch), size)
        waiting.appendleft((batch, wanted))
        torch.cuda.empty_cache()  # here, since the exception held what the batch had in memory
    cache.close()
    return pl.DataFrame(rows, schema=SCHEMA, orient="row"), performed(
        engine, len(rows), time.monotonic() - start
    )


def started(task: "Task", loaded: LoadedModel, samples: pl.DataFrame) -> Engine:
    """The engine, checked with as many samples as memory has room for.

    It takes one sample at a time where the model answers otherwise in a batch, so that batches never decide an answer.
    """
    prompt, length = task.definition.prompt, task.definition.max_new_tokens
    for size in PROBE_ROWS:
        try:
            rows = probe_rows(samples.to_dicts(), size)
            with blame_samples(loaded, samples, prompt):
                probe, shortest = (
                    make_batch(loaded, rows, prompt),
                    make_batch(loaded, rows[-1:], prompt),
                )
            probe = probe if size == PROBE_ROWS[0] else replace(probe, most_rows=size)
            engine = start_engine(task.engine, loaded, probe, length)
            changed = effect_of_padding(loaded, probe, size - 1, shortest, length)
        except Exception as error:
            if not out_of_memory(error):
                raise
        else:
            if changed is not None:
                logger.warning(
                    "one sample at a time, since padding changes this model's answers: %s", changed
                )
            engine.one_at_a_time = changed is not None
            return engine
        logger.warning("out of memory with %d samples to check the engine with", size)
        torch.cuda.empty_cache()
    raise ModelError(TOO_LITTLE_MEMORY)


def automatic_batch_size(engine: Engine, loaded: LoadedModel) -> int:
    """The largest power of two of samples that fits into half of a GPU's free memory, or an eighth of all memory."""
    kind = loaded.device.type
    if kind == "cuda":
        room = torch.cuda.mem_get_info(loaded.device)[0] // 2
    else:
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8
    rows = min(LARGEST_BATCH[kind], room // max(1, engine.bytes_per_row))
    size: int = 1 << max(0, int(rows).bit_length() - 1)
    logger.info(
        "batches of %d samples: %.1f MB each, %.0f MB of room",
        size,
        engine.bytes_per_row / 1e6,
        room / 1e6,
    )
    return size


def known_answers(
    combinations: list[Combination], samples: pl.DataFrame, cache: Cache
) -> dict[str, list[int]]:
    """For each sample the answer that most parents of the combinations gave, as far as the cache knows any."""
    parents = {NONE} | {
        Combination.of(block for block in combination.blocks if block != left)
        for combination in combinations
        for left in combination.blocks
    }
    names = pl.DataFrame({"combination": [str(parent) for parent in sorted(parents)]})
    known = cache.look_up(names.join(samples.select("sample_id"), how="cross")).sort(
        "sample_id", "combination"
    )
    votes: dict[str, Counter[tuple[int, ...]]] = {}
    for sample, tokens in (
        known.filter(pl.col("tokens").is_not_null()).select("sample_id", "tokens").iter_rows()
    ):
        votes.setdefault(sample, Counter())[tuple(tokens)] += 1
    return {sample: list(counter.most_common(1)[0][0]) for sample, counter in votes.items()}


def drafts_of(batch: pl.DataFrame, known: dict[str, list[int]]) -> list[list[int]] | None:
    """A draft a row; None if any is unknown, so that the first combination's answers take their place."""
    samples = batch["sample_id"].to_list()
    return (
        [known[sample] for sample in samples]
        if all(sample in known for sample in samples)
        else None
    )


def cache_rows(
    combination: Combination, samples: list[str], answers: list[Any] | Refused
) -> list[dict[str, Any]]:
    """Rows as the cache keeps them."""
    if isinstance(answers, Refused):
        known = [{"refused": answers.reason}] * len(samples)
    else:
        known = [
            {
                "prediction": a.text,
                "tokens": a.tokens,
                "near_tie": a.near_tie,
                "non_finite": a.non_finite,
            }
            for a in answers
        ]
    return [
        dict.fromkeys(SCHEMA) | {"combination": str(combination), "sample_id": sample} | row
        for sample, row in zip(samples, known, strict=True)
    ]


def performed(engine: Engine, pairs: int, seconds: float) -> dict[str, Any]:
    """How the answers were computed, for the log and the shard's metadata."""
    work = engine.work
    flops = {"done": round(work.done), "plain": round(work.plain), "bound": round(work.bound)}
    logger.info(
        "%d pairs in %.1f s, %.1f/s, on rung %s",
        pairs,
        seconds,
        pairs / max(seconds, 1e-9),
        engine.rung,
    )
    if work.done:
        logger.info(
            "%.1f GFLOPs done; a plain loop does %.1f (%.2f times as many), the distinct work is %.1f",
            *(work.done / 1e9, work.plain / 1e9, work.plain / work.done, work.bound / 1e9),
        )
    return {
        "rung": engine.rung,
        "reason": engine.reason,
        "ran_on": engine.loaded.device.type,
        "flops": flops,
    }
