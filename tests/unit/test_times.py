"""Times and costs of a run: sums per dataset, and what the engine saved."""

from pathlib import Path

from blocksieve.job_times import ShareTimes, read_job_times, write_job_times
from blocksieve.page.run_log import run_log
from blocksieve.report.times import times_document
from blocksieve.shards import Computed

PREFIXES: Computed = {
    "rung": "prefixes",
    "reason": "self-check passed",
    "ran_on": "cuda",
    "flops": {"done": 300, "plain": 1000, "bound": 200},
}
VIEW: Computed = {
    "rung": "view",
    "reason": "needs a draft",
    "ran_on": "cuda",
    "flops": {"done": 100, "plain": 600, "bound": 100},
}
JOBS = [
    {
        "vqa": ShareTimes(1300, 1200, start_seconds=2.0, answer_seconds=8.0, engine=PREFIXES),
        "caption": ShareTimes(200, 0),
    },
    {"vqa": ShareTimes(300, 300, start_seconds=3.0, answer_seconds=2.0, engine=VIEW)},
]
CACHED = [{"vqa": ShareTimes(1300)}, {"caption": ShareTimes(200)}]


def cells(document: str, first: str) -> list[str]:
    """Return the cells of the only row of a table that begins with some text."""
    rows = [line.strip("| ").split(" | ") for line in document.splitlines() if line[:1] == "|"]
    (row,) = [row for row in rows if row[0] == first]
    return row


def test_times_are_read_as_they_were_written(tmp_path: Path):
    path = tmp_path / "times/remove2.3.json"
    write_job_times(path, JOBS[0])
    assert read_job_times(path) == JOBS[0]


def test_the_run_log_has_a_row_per_job_and_dataset(tmp_path: Path):
    path = tmp_path / "times/remove2.race1.3.json"
    write_job_times(path, JOBS[0])
    of_vqa, of_caption = run_log([path])
    assert (of_vqa["dataset"], of_vqa["step"], of_vqa["part"]) == ("vqa", "remove2.race1", 3)
    assert (of_vqa["pairs"], of_vqa["computed"], of_vqa["start_seconds"]) == (1300, 1200, 2.0)
    assert of_vqa["way"] == "prefixes (self-check passed)"
    assert (of_caption["dataset"], of_caption["computed"], of_caption["way"]) == ("caption", 0, "")


def test_times_are_summed_per_dataset_and_in_all():
    document = times_document(JOBS)
    assert cells(document, "vqa") == ["vqa", "2", "1,500", "5.0", "10.0", "150.0"]
    assert cells(document, "caption") == ["caption", "1", "0", "0.0", "0.0", "-"]
    assert cells(document, "all") == ["all", "3", "1,500", "5.0", "10.0", "150.0"]


def test_order_of_jobs_does_not_matter():
    assert times_document(JOBS) == times_document(JOBS[::-1])


def test_costs_say_what_the_engine_saved_and_how_it_answered():
    document = times_document(JOBS)
    assert cells(document, "shares")[1].startswith("2 of 3 had anything to compute")
    assert cells(document, "done")[1] == "4.000e+02 FLOPs"
    assert cells(document, "saved")[1] == "75.0 % of the plain loop's work"
    assert cells(document, "distinct work")[1].startswith("3.000e+02 FLOPs")
    assert "| rung | prefixes: 1 shares (self-check passed) |" in document
    assert cells(document, "ran on")[1] == "cuda: 2 shares"


def test_a_run_from_the_cache_has_no_costs():
    document = times_document(CACHED)
    assert cells(document, "shares")[1].startswith("0 of 2 had anything to compute")
    assert "FLOPs" not in document


def test_uncounted_work_is_left_out():
    uncounted: Computed = {
        "rung": "reference",
        "reason": "asked for",
        "ran_on": "cpu",
        "flops": {"done": 0, "plain": 0, "bound": 0},
    }
    document = times_document([{"vqa": ShareTimes(300, 300, engine=uncounted)}])
    assert "FLOPs" not in document
    assert "reference: 1 shares (asked for)" in document
