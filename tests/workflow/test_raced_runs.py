"""A run whose sizes are raced, and one that races nothing."""

from collections.abc import Callable

import polars as pl
import pytest
from copies import Workflow

from blocksieve.search.beams import read_beam
from blocksieve.search.plan import Proposer, read_plan

RACED = ("--config", "search={racing: 0.01}")
NUM_ROUNDS = 4
# So few samples show little: halving drops some whatever they show.
HALVED = ("--config", "search={racing: halving}")
DATASETS = ("demo_vqa", "demo_caption")


def test_without_racing_nothing_more_is_planned(finished: Workflow) -> None:
    assert finished.planned("--config", "search={racing: off}") == set()
    assert not finished.results("races").exists()


def test_racing_plans_its_rounds_and_spares_size_1(finished: Workflow) -> None:
    printed = finished.run("-n", *RACED, "--quiet", "reason")
    for number in range(1, NUM_ROUNDS + 1):
        assert f"step=remove2-race{number}" in printed
    assert f"step=remove2-race{NUM_ROUNDS + 1}" not in printed
    assert "rule race:" in printed
    assert "evaluate single" not in finished.planned(*RACED)


@pytest.mark.long
def test_a_raced_run_ends_with_a_report(make_workflow: Callable[[], Workflow]) -> None:
    workflow = make_workflow()
    workflow.run("results/reduced/report/comprehensive_report.txt", *HALVED)
    evaluations = pl.read_parquet(workflow.results("evaluations.parquet"))
    raced_out = evaluations.filter("raced_out")
    assert set(raced_out["size"]) == {2}
    assert raced_out["n"].max() < 12
    report = workflow.results("report/comprehensive_report.txt").read_text()
    assert "were raced out, which saved" in report
    cached = workflow.cached()
    assert len(cached) == cached.n_unique()
    for dataset in DATASETS:
        first = read_plan(workflow.results(f"plans/{dataset}/remove2-race1.json"))
        last = read_plan(workflow.results(f"plans/{dataset}/remove2.json"))
        assert (first.num_samples, last.num_samples) == (3, None)
        for scope, path in ((Proposer.OWN, f"own/{dataset}"), (Proposer.GENERIC, "generic")):
            assert set(last.proposals(scope)) < set(first.proposals(scope))
            beam = read_beam(workflow.results(f"beams/{path}/remove2.json"))
            assert set(beam) <= set(last.proposals(scope))
