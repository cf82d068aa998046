"""Write the plans of one step, of every dataset: what is asked, and by whom."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from blocksieve.choices import read_finalists
from blocksieve.jobs import job
from blocksieve.model_description import read_description, sites_to_search
from blocksieve.search.plan import (
    propose,
    propose_all,
    propose_finalists,
    size_of_round,
    write_plan,
)
from blocksieve.search.steps import FINALISTS, size_of_step
from blocksieve.search.strategies import SEARCH_STRATEGIES, situation_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    step = snakemake.wildcards.step
    sites = sites_to_search(read_description(files.model), params.exportable, params.unit)
    settings = json.loads(params.strategy)
    for number, (dataset, output) in enumerate(zip(params.datasets, snakemake.output, strict=True)):
        if step == FINALISTS:
            plan = propose_finalists(read_finalists(Path(files.finalists[0])))
        elif not files.own_beams:
            plan = propose_all(sites, size_of_step(step))
        else:
            num_samples = strategy = situation = None
            if files.samples:
                num_samples = size_of_round(Path(files.samples[number]), params.share)
            if settings is not None:
                strategy = SEARCH_STRATEGIES[settings["name"]]
                situation = situation_of(settings, step, sites, dataset)
            plans = [Path(path) for path in files.plans]
            plan = propose(
                step,
                own_beam=Path(files.own_beams[number]),
                generic_beam=Path(files.generic_beam[0]),
                num_samples=num_samples,
                strategy=strategy,
                situation=situation,
                earlier=[path for path in plans if path.parent.name == dataset],
            )
        write_plan(Path(output), plan)
