"""Serving the demo model by the router: time to route a prompt, and what a mixed batch costs.

The router is fitted on the demo's prompts, with made-up lists of two blocks: a different one for
each task type. A batch whose prompts go to several lists is compared, in the same rounds, with the
same batch in which all prompts go to one list.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch
from common import demo_definition, demo_model, first_samples
from timing import report

from blocksieve.routing import Router
from blocksieve.routing.fitting import fit_router
from blocksieve.routing.prompts import prompts_of
from blocksieve.serving import PrunedModels

DATASETS = (
    "demo_vqa",
    "demo_caption",
    "demo_doc_qa",
    "demo_st_qa",
    "demo_science_qa",
    "demo_tally_qa",
)
SIZE = 2


def fitted_router(samples: dict[str, pl.DataFrame]) -> Router:
    """Return a router that sends each task type to a list of its own, and never to the generic."""
    definitions = {dataset: demo_definition(dataset) for dataset in samples}
    task_types = sorted({definition.task_type for definition in definitions.values()})
    lists = {}
    for number, task_type in enumerate(task_types):
        lists[task_type] = ((number,), (number, 15))
    router, _ = fit_router(prompts_of(samples, definitions), ((14,), (14, 15)), lists)
    return replace(router, threshold=0.0)


def seconds_per_prompt(router: Router, prompts: list[str]) -> float:
    """Return the median time to route a prompt."""
    seconds = []
    for prompt in prompts:
        start = time.perf_counter()
        router.route(prompt, SIZE)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=16, help="prompts of each dataset")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks/serving.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples = {dataset: first_samples(dataset, options.samples) for dataset in DATASETS}
    router = fitted_router(samples)
    rows = pl.concat(samples.values())
    prompts, pictures = rows["question"].to_list(), rows["images"].to_list()
    one_list = replace(router, threshold=None)  # nothing is sure enough: all go to the generic list
    loaded = demo_model()
    ways = {"one list": PrunedModels(loaded, one_list), "mixed": PrunedModels(loaded, router)}
    num_lists = {}
    for name, models in ways.items():
        answers = models.generate(prompts, pictures, SIZE)  # makes the lists
        num_lists[name] = len({answer.route.blocks for answer in answers})
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, models in ways.items():
            start = time.process_time()
            models.generate(prompts, pictures, SIZE)
            seconds[name].append(time.process_time() - start)
    rounds = zip(seconds["mixed"], seconds["one list"], strict=True)
    ratios = sorted(mixed / single for mixed, single in rounds)
    route_seconds = seconds_per_prompt(router, prompts)
    results = {
        "prompts": len(prompts),
        "route_microseconds": 1e6 * route_seconds,
        "ratio": statistics.median(ratios),
        "least_ratio": ratios[0],
        "largest_ratio": ratios[-1],
        "route_share": route_seconds * len(prompts) / statistics.median(seconds["mixed"]),
    }
    table: list[dict[str, object]] = []
    for name in ways:
        median = statistics.median(seconds[name])
        table.append({"batch": name, "lists": num_lists[name], "seconds": median})
    print({name: round(value, 4) for name, value in results.items()})
    report(results, table, options.out)


if __name__ == "__main__":
    main()
