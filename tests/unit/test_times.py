"""Times and costs of a run: sums per dataset, and what the engine saved."""

import json
from pathlib import Path

import pytest

from blocksieve.report.times import (
    EngineCosts,
    JobTimes,
    engine_costs,
    read_job_times,
    times_document,
)

JOBS = [
    JobTimes("vqa", "remove1", 0, start_seconds=2.0, answer_seconds=8.0, pairs=1200),
    JobTimes("vqa", "remove1", 1, start_seconds=3.0, answer_seconds=2.0, pairs=300),
    JobTimes("caption", "baseline", 0, start_seconds=0.5, answer_seconds=0.0, pairs=0),
]
COSTS = [
    EngineCosts("prefixes", "self-check passed", "cuda", done=300, plain=1000, bound=200),
    EngineCosts("view", "needs a draft", "cuda", done=100, plain=600, bound=100),
]


def cells(document: str, first: str) -> list[str]:
    """Return the cells of the only row of a table that begins with some text."""
    rows = [line.strip("| ").split(" | ") for line in document.splitlines() if line[:1] == "|"]
    (row,) = [row for row in rows if row[0] == first]
    return row


def test_a_file_of_times_is_named_by_dataset_step_and_part(tmp_path: Path):
    path = tmp_path / "times/demo_vqa/generic.remove2.3.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"start_seconds": 1.5, "answer_seconds": 20.25, "pairs": 96}))
    assert read_job_times(path) == JobTimes("demo_vqa", "generic.remove2", 3, 1.5, 20.25, 96)


def test_times_are_summed_per_dataset_and_in_all():
    document = times_document(JOBS)
    assert cells(document, "vqa") == ["vqa", "2", "1,500", "5.0", "10.0", "150.0"]
    assert cells(document, "caption") == ["caption", "1", "0", "0.5", "0.0", "-"]
    assert cells(document, "all") == ["all", "3", "1,500", "5.5", "10.0", "150.0"]


def test_order_of_jobs_does_not_matter():
    assert times_document(JOBS, COSTS) == times_document(JOBS[::-1], COSTS[::-1])


def test_costs_say_what_the_engine_saved_and_how_it_answered():
    document = times_document(JOBS, COSTS)
    assert cells(document, "shares")[1].startswith("2 of 3 had anything to compute")
    assert cells(document, "done")[1] == "4.000e+02 FLOPs"
    assert cells(document, "saved")[1] == "75.0 % of the plain loop's work"
    assert cells(document, "distinct work")[1].startswith("3.000e+02 FLOPs")
    assert "| rung | prefixes: 1 shares (self-check passed) |" in document
    assert cells(document, "ran on")[1] == "cuda: 2 shares"


def test_a_run_from_the_cache_has_no_costs():
    document = times_document(JOBS)
    assert cells(document, "shares")[1].startswith("0 of 3 had anything to compute")
    assert "FLOPs" not in document


def test_uncounted_work_is_left_out():
    uncounted = EngineCosts("reference", "asked for", "cpu", done=0, plain=0, bound=0)
    document = times_document(JOBS[:1], [uncounted])
    assert "FLOPs" not in document
    assert "reference: 1 shares (asked for)" in document


@pytest.mark.parametrize("metadata", [{}, {"fingerprint": "0", "engine": "shared"}])
def test_shards_made_from_the_cache_alone_have_no_costs(metadata):
    assert engine_costs(metadata) is None


def test_costs_come_from_a_shards_metadata():
    metadata = {
        "engine": "shared",
        "rung": "view",
        "reason": "needs a draft",
        "ran_on": "cuda",
        "flops": {"done": 100, "plain": 600, "bound": 100},
    }
    assert engine_costs(metadata) == COSTS[1]
