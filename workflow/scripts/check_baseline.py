"""Check that drops can be measured from a dataset's baseline."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.baseline_answers import baseline_rows, check_baseline, weakness
from blocksieve.files import write_json
from blocksieve.jobs import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    files, params, dataset = snakemake.input, snakemake.params, snakemake.wildcards.dataset
    rows = baseline_rows(Path(files.shard), Path(files.samples))
    reason = weakness(rows, params.metric, params.above_chance)
    if params.weak_baseline == "stop":
        check_baseline(dataset, reason, Path(files.page))
    if reason is not None:
        logger.warning("dataset %s: %s; see %s", dataset, reason, files.page)
    write_json(Path(snakemake.output[0]), {"weakness": reason})
