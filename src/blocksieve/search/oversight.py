"""Name the samples that stop a job: those that the processor cannot take, and those whose answers never come."""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import polars as pl

from blocksieve.engine.attempt import attempt, out_of_memory
from blocksieve.engine.engines import describe
from blocksieve.engine.inputs import make_inputs
from blocksieve.errors import DataError
from blocksieve.models.loading import LoadedModel

T = TypeVar("T")
logger = logging.getLogger("blocksieve")


@contextmanager
def culprits_named(loaded: LoadedModel, samples: pl.DataFrame, prompt: str) -> Iterator[None]:
    """Turn what goes wrong with inputs into a DataError that counts and names the samples at fault, if any are."""
    try:
        yield
    except Exception as error:
        if out_of_memory(error):
            raise
        tried = {
            row["sample_id"]: attempt(make_inputs, loaded, [row], prompt)
            for row in samples.to_dicts()
        }
        failed = {sample: found for sample, found in tried.items() if isinstance(found, Exception)}
        if not failed:
            raise
        sample, reason = next(iter(failed.items()))
        raise DataError(
            f"{len(failed)} of {len(samples)} samples cannot be turned into the model's inputs, first sample {sample}: "
            f"{describe(reason)}; take them out of the dataset's source, or mend them"
        ) from error


def overseen(answers: Iterator[T], seconds: float, samples: list[str]) -> Iterator[T]:
    """Pass answers on; where the next takes longer than `seconds`, the process ends with a line that names the samples.

    A thread keeps watch, since a call that hangs lets no signal handler run.
    """
    while True:
        watch = threading.Timer(seconds, _give_up, (seconds, samples))
        watch.daemon = True
        watch.start()
        try:
            answer = next(answers)
        except StopIteration:
            return
        finally:
            watch.cancel()
        yield answer


def _give_up(seconds: float, samples: list[str]) -> None:
    """End the process, whatever hangs: where, goes to its standard error."""
    others = f" and {len(samples) - 1} more in its batch" if len(samples) > 1 else ""
    fault = (
        f"no answer within {seconds:g} s (evaluation.batch_timeout) for sample {samples[0]}{others}; "
        "run the same command again, finished batches are kept; set the limit higher if the device is just slow"
    )
    logger.error("%s", fault)
    faulthandler.dump_traceback()
    print(f"error: {fault}", file=sys.stderr, flush=True)
    os._exit(1)
