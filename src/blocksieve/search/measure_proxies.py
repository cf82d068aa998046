"""Measure the proxies of all blocks on a dataset: `engine/proxies.py` says what they mean."""

import logging
import math
from typing import Literal

import polars as pl

from blocksieve.engine.attempt import attempt
from blocksieve.engine.inputs import sample_rows
from blocksieve.engine.proxies import block_proxies
from blocksieve.errors import name_and_first_line
from blocksieve.models.loading import LoadedModel
from blocksieve.proxies import SCHEMA

logger = logging.getLogger("blocksieve")

AUTOMATIC_BATCH = 32


def measure_proxies(
    loaded: LoadedModel,
    dataset: str,
    samples: pl.DataFrame,
    tokens: pl.DataFrame,
    prompt: str,
    batch_size: int | Literal["auto"],
) -> pl.DataFrame:
    """Return the proxies of all blocks on some samples of a dataset, in the columns of SCHEMA.

    `tokens`: of `shards.baseline_tokens`. Without rows where the model's blocks cannot be read so:
    the log says why.
    """
    answered = samples.join(tokens, on="sample_id", maintain_order="left")
    answered = answered.filter(pl.col("tokens").list.len() > 0)
    rows = sample_rows(answered.drop("tokens"))
    answers = answered["tokens"].to_list()
    largest_batch = AUTOMATIC_BATCH if batch_size == "auto" else batch_size
    measured = attempt(block_proxies, loaded, rows, prompt, answers, largest_batch)
    if isinstance(measured, Exception):
        reason = name_and_first_line(measured)
        logger.warning("%s: no proxies, since the pass fails: %s", dataset, reason)
        return pl.DataFrame(schema=SCHEMA)
    table = []
    for row, proxies in zip(rows, measured, strict=True):
        for block, (cosine, kl) in enumerate(zip(proxies.cosine, proxies.kl, strict=True)):
            key = (dataset, str(block), row["sample_id"], row["cluster"])
            table.append((*key, _finite(cosine), _finite(kl)))
    return pl.DataFrame(table, schema=SCHEMA, orient="row")


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
