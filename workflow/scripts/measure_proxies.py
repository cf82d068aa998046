"""Measure proxies of all blocks on every dataset, in one pass over the whole model each."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.files import whole_file
from blocksieve.jobs import job
from blocksieve.model_description import as_described, read_description
from blocksieve.models.loading import load_model
from blocksieve.search.measure_proxies import measure_proxies
from blocksieve.shards import baseline_tokens
from blocksieve.specs import ModelSpec, read_definitions

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    description = read_description(files.model)
    loaded = load_model(as_described(ModelSpec(**json.loads(params.model)), description))
    definitions = read_definitions(params.definitions)
    shards = [Path(path) for path in files.shards]
    datasets = zip(params.datasets, files.samples, snakemake.output, strict=True)
    for dataset, table, output in datasets:
        samples = pl.read_parquet(table).filter(role="search")
        tokens = baseline_tokens([path for path in shards if path.parent.name == dataset])
        prompt = definitions[dataset].prompt
        proxies = measure_proxies(
            loaded, dataset, samples, tokens, prompt, batch_size=params.batch_size
        )
        with whole_file(Path(output)) as temporary:
            proxies.write_parquet(temporary)
