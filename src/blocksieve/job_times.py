"""What evaluation jobs took, and how their engines answered: one file per job.

These files differ between identical runs: a job computes what the cache lacks.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from blocksieve.files import write_json
from blocksieve.shards import Computed


@dataclass(frozen=True)
class ShareTimes:
    """What one job took for one dataset: a share.

    `pairs`: combinations x samples. `computed`: those of them that the cache lacked. Seconds are 0
    where it lacked none; `start_seconds`: until the engine had loaded and checked the model.
    `engine`: how the computed pairs came about, and the FLOPs; empty where there are none.
    """

    pairs: int = 0
    computed: int = 0
    start_seconds: float = 0.0
    answer_seconds: float = 0.0
    engine: Computed = field(default_factory=lambda: Computed())


def times_path(results: Path, job: str) -> Path:
    """Return where a run has the times of a job, which is called `{step}.{part}`."""
    return results / f"times/{job}.json"


def write_job_times(path: Path, shares: Mapping[str, ShareTimes]) -> None:
    """Write a job's shares, by dataset."""
    write_json(path, {dataset: asdict(share) for dataset, share in shares.items()})


def read_job_times(path: Path) -> dict[str, ShareTimes]:
    """Read a job's shares, by dataset."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {dataset: ShareTimes(**share) for dataset, share in content.items()}
