"""Write the plans of one step, of every dataset: what is asked, and by whom."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from blocksieve.jobs import job
from blocksieve.model_description import read_description, sites_to_search
from blocksieve.search.plan import propose, write_plan
from blocksieve.search.situation import Situation
from blocksieve.search.steps import generation_of_step, size_of_step
from blocksieve.search.strategies import SEARCH_STRATEGIES, budget_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake):
    files, params = snakemake.input, snakemake.params
    description = read_description(files.model)
    sites = sites_to_search(description, params.exportable, params.unit)
    own_beams = [Path(path) for path in files.own_beams]
    generic_beam = [Path(path) for path in files.generic_beam]
    finalists = [Path(path) for path in files.finalists]
    step = snakemake.wildcards.step
    plans = [Path(path) for path in files.plans]
    strategy = situation = None
    settings = json.loads(params.strategy)
    if settings is not None:
        strategy = SEARCH_STRATEGIES[settings["name"]]
        size = size_of_step(step)
        situation = Situation(size=size, sites=sites, generation=generation_of_step(step))
        if "limits" in settings:
            budget = budget_of(**settings["limits"], size=size, num_sites=len(sites))
            situation = replace(situation, budget=budget, seed=settings["seed"])
    for number, (dataset, output) in enumerate(zip(params.datasets, snakemake.output, strict=True)):
        num_samples = None
        if params.share < 1:
            roles = pl.read_parquet(files.samples[number], columns=["role"])
            num_samples = math.ceil(params.share * len(roles.filter(role="search")))
        plan = propose(
            step,
            sites,
            own_beam=own_beams[number : number + 1],
            generic_beam=generic_beam,
            finalists=finalists,
            num_samples=num_samples,
            strategy=strategy,
            situation=situation,
            dataset=dataset,
            earlier=[path for path in plans if path.parent.name == dataset],
        )
        write_plan(Path(output), plan)
