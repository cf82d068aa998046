"""Check that drops can be measured from every dataset's baseline."""

from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.baseline_answers import baseline_rows, refuse_weak_baselines, weakness
from blocksieve.files import write_json
from blocksieve.jobs import job
from blocksieve.specs import read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake) as logger:
    files, params = snakemake.input, snakemake.params
    definitions = read_definitions(params.definitions)
    shards = [Path(path) for path in files.shards]
    reasons = {}
    for dataset, samples, page in zip(params.datasets, files.samples, files.pages, strict=True):
        definition = definitions[dataset]
        rows = baseline_rows(dataset, shards, Path(samples))
        reason = weakness(rows, definition.metric, definition.above_chance)
        reasons[dataset] = reason
        if reason is not None:
            logger.warning("dataset %s: %s; see %s", dataset, reason, page)
    if params.weak_baseline == "stop":
        refuse_weak_baselines(reasons, Path(files.pages[0]).parent)
    for dataset, output in zip(params.datasets, snakemake.output, strict=True):
        write_json(Path(output), {"weakness": reasons[dataset]})
