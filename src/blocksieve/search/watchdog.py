"""Name the samples that stop a job: those without inputs, and those whose answer never comes."""

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
from blocksieve.engine.inputs import make_inputs, sample_rows
from blocksieve.errors import DataError, ModelError, first_line, name_and_first_line
from blocksieve.models.loading import LoadedModel

T = TypeVar("T")
logger = logging.getLogger("blocksieve")


@contextmanager
def blame_samples(loaded: LoadedModel, samples: pl.DataFrame, prompt: str) -> Iterator[None]:
    """Turn an error with inputs into one that counts and names the samples at fault.

    A DataError for what is wrong with the samples; a ModelError where the checkpoint is at fault,
    because it says so or no sample passes. If no sample fails alone, the error stays what it is.
    """
    try:
        yield
    except Exception as error:
        if out_of_memory(error):
            raise
        failures = _failures(loaded, samples, prompt)
        if not failures:
            raise
        sample, reason = next(iter(failures.items()))
        count = f"{len(failures)} of {len(samples)} samples"
        if isinstance(reason, ModelError):
            raise ModelError(f"{reason} (with {count}, first sample {sample})") from error
        cause = first_line(reason) if isinstance(reason, DataError) else name_and_first_line(reason)
        fault = f"{count} cannot be turned into the model's inputs, first sample {sample}: {cause}"
        if len(failures) == len(samples) > 1 and not isinstance(reason, DataError):
            raise ModelError(
                f"{fault}; no sample passes, so look at the checkpoint's processor and its "
                "configs (processor_config.json, tokenizer_config.json) first"
            ) from error
        raise DataError(f"{fault}; take them out of the dataset's source, or mend them") from error


def _failures(loaded: LoadedModel, samples: pl.DataFrame, prompt: str) -> dict[str, Exception]:
    """Return the samples that alone cannot be turned into inputs either, and why."""
    failures = {}
    for row in sample_rows(samples):
        inputs = attempt(make_inputs, loaded, [row], prompt)
        if isinstance(inputs, Exception):
            failures[row["sample_id"]] = inputs
    return failures


def with_time_limit(answers: Iterator[T], seconds: float, samples: list[str]) -> Iterator[T]:
    """Pass answers on; end the process if the next takes longer than `seconds`.

    Its last line names the samples. A thread keeps watch, since a call that hangs lets no signal
    handler run.
    """
    while True:
        timer = threading.Timer(seconds, _give_up, (seconds, samples))
        timer.daemon = True
        timer.start()
        try:
            answer = next(answers)
        except StopIteration:
            return
        finally:
            timer.cancel()
        yield answer


def _give_up(seconds: float, samples: list[str]) -> None:
    """End the process, whatever hangs: where, goes to its standard error."""
    others = f" and {len(samples) - 1} more in its batch" if len(samples) > 1 else ""
    fault = (
        f"no answer within {seconds:g} s (evaluation.batch_timeout) "
        f"for sample {samples[0]}{others}; "
        "run the same command again, finished batches are kept; "
        "set the limit higher if the device is just slow"
    )
    logger.error("%s", fault)
    faulthandler.dump_traceback()
    print(f"error: {fault}", file=sys.stderr, flush=True)
    # Not sys.exit, which would wait for the thread that hangs.
    os._exit(1)
