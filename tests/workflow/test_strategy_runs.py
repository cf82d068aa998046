"""Runs whose combinations are proposed by another strategy than the beam."""

from collections.abc import Callable

import polars as pl
import pytest
from copies import Workflow

from blocksieve.search.beams import read_beam
from blocksieve.search.plan import Proposer, read_plan

EVOLUTION = ("--config", "search={strategy: evolutionary, budget: 8}")
DATASETS = ("demo_vqa", "demo_caption")
FIRST_STEPS = {"evaluate baseline", "evaluate single"}
STAGES = ["remove2-gen1", "remove2-gen2", "remove2-gen3", "remove2"]


def test_an_evolution_plans_its_generations_and_spares_size_1(finished: Workflow) -> None:
    printed = finished.run("-n", *EVOLUTION, "--quiet", "reason")
    for stage in STAGES:
        assert f"wildcards: step={stage}, part=0" in printed
        assert f"wildcards: beam={stage}" in printed
    assert "remove2-gen4" not in printed
    assert "rule race:" not in printed
    assert not finished.planned(*EVOLUTION) & FIRST_STEPS


@pytest.mark.parametrize(
    ("search", "needed"),
    [
        ("strategy: random", {"propose", "evaluate remove2"}),
        ("strategy: one_shot", {"order_sites", "propose", "evaluate remove2"}),
        ("strategy: one_shot, proxy: kl", {"order_sites", "propose", "evaluate remove2"}),
        ("strategy: greedy", {"propose"}),
    ],
)
def test_another_strategy_plans_only_sizes_that_are_searched(
    finished: Workflow, search: str, needed: set[str]
) -> None:
    planned = finished.planned("evaluation", "--config", f"search={{{search}}}")
    assert planned >= needed
    assert not planned & FIRST_STEPS


@pytest.mark.long
@pytest.mark.parametrize(
    "search",
    [
        "strategy: evolutionary, budget: 8",
        "strategy: random, budget: 6",
        "strategy: random, budget: 6, racing: halving",
        "strategy: one_shot",
        "strategy: one_shot, proxy: cosine",
    ],
)
def test_a_run_of_another_strategy_ends_with_a_report(
    make_workflow: Callable[[], Workflow], search: str
) -> None:
    workflow = make_workflow()
    config = ("--config", f"search={{{search}}}")
    workflow.run("results/reduced/report/comprehensive_report.txt", *config)
    cached = workflow.cached()
    assert len(cached) == cached.n_unique()
    evaluations = pl.read_parquet(workflow.results("evaluations.parquet"))
    for dataset in DATASETS:
        plan = read_plan(workflow.results(f"plans/{dataset}/remove2.json"))
        assert 1 <= len(plan.candidates) <= 8
        for scope, path in ((Proposer.OWN, f"own/{dataset}"), (Proposer.GENERIC, "generic")):
            beam = read_beam(workflow.results(f"beams/{path}/remove2.json"))
            assert set(beam) <= set(plan.proposals(scope))
        names = [str(each) for each in plan.part(0, 1)]
        rows = evaluations.filter(pl.col("combination").is_in(names), dataset=dataset)
        assert rows.filter(role="search")["combination"].n_unique() == len(names)
