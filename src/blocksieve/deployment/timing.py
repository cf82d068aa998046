"""What answering takes, as deployment.json holds it; its writer and its readers share these."""

from typing import TypedDict


class Median(TypedDict):
    """A median over the repeats, with its interval."""

    median: float
    low: float
    high: float


class Timing(TypedDict):
    """Seconds, and as a share of the whole model's on the same prompts."""

    seconds: Median
    of_whole: Median


class AtBatch(TypedDict):
    """What answering prompts takes, so many at once; a further token is one of each answer.

    `repeats`: how many batches each model answered.
    """

    batch_size: int
    repeats: int
    first_token: Timing
    further_token: Timing
    peak_bytes: int
