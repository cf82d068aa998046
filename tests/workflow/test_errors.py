"""Faults of the config stop the run before any job, in one line."""

import json
from collections.abc import Callable

import pytest
from conftest import Workflow


@pytest.fixture(scope="module")
def workflow(make_workflow: Callable[[], Workflow]) -> Workflow:
    return make_workflow()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "search={beam_widht: 3}",
            "error: config: search: unknown key 'beam_widht' (did you mean 'beam_width'?)",
        ),
        (
            "datasets=[demo_vqq]",
            "error: config: datasets: no dataset 'demo_vqq' (did you mean 'demo_vqa'?)",
        ),
        (
            "model={dtype: int8}",
            "error: config: model.dtype: 'int8' must be one of float32, bfloat16, float16",
        ),
        ("run=$(touch canary)", "error: config: run: '$(touch canary)' must match"),
        ("run=../elsewhere", "error: config: run: '../elsewhere' must match"),
        (
            "datasets=[demo_vqa, '`touch canary`']",
            "error: config: datasets.1: '`touch canary`' must match",
        ),
        (
            "model={path: 'models/{x}'}",
            "error: config: model.path: 'models/{x}' must not hold braces",
        ),
        (
            "evaluations=nowhere.parquet",
            "error: config: evaluations: there is no file 'nowhere.parquet'",
        ),
    ],
)
def test_a_wrong_config_stops_before_any_job(workflow: Workflow, config: str, message: str) -> None:
    before = set(workflow.folder.iterdir()) | {workflow.folder / ".snakemake"}
    done = workflow.call("--config", config)
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    assert printed.splitlines()[-1].startswith(message)
    assert "Traceback" not in printed
    assert set(workflow.folder.iterdir()) <= before


def test_too_many_blocks_removed_stops_with_one_line(workflow: Workflow) -> None:
    done = workflow.call("evaluation", "--config", "search={max_removed: 16}", cores=1)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert not list(workflow.folder.rglob("shards/*/*.parquet"))
    assert "config: search.max_removed: 16 must be less than the 16 blocks of the model" in printed


def test_a_missing_checkpoint_names_the_key(workflow: Workflow) -> None:
    done = workflow.call("results/reduced/model.json", "--config", "model={path: models/nothing}")
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "config: model.path: there is no folder 'models/nothing'" in printed
    assert "Traceback" not in printed


def test_bad_samples_are_reported_and_too_many_stop_the_dataset(workflow: Workflow) -> None:
    (workflow.folder / "mine").mkdir()
    rows = [{"q": f"{number}?", "a": "x" if number else None} for number in range(40)]
    (workflow.folder / "mine/test.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )
    source = {"kind": "columns", "path": "mine", "question": "{q}", "references": "a"}
    about = {
        "task_type": "Exact Match",
        "prompt": "{question}",
        "metric": "exact_match",
        "max_new_tokens": 2,
    }
    definition = {"source": source, "splits": ["test"], **about}
    (workflow.folder / "config/datasets/mine.yaml").write_text(json.dumps(definition))
    target = ("results/reduced/datasets/mine.report.json", "--config", "datasets=[mine]")
    done = workflow.call(*target)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert (
        "error: 1 of 40 samples (2.5%) cannot be used, more than samples.max_bad_samples"
        " (1.0%) allows" in printed
    )
    assert "test row 0: no answer" in printed
    assert "Traceback" not in printed
    workflow.run(*target, "samples={max_bad_samples: 0.03}")
    report = json.loads(workflow.results("datasets/mine.report.json").read_text())
    assert report == {
        **{"read": 40, "drawn": 16, "bad": 1},
        "bad_samples": [{"split": "test", "row": "0", "reason": "no answer"}],
    }
