"""Faults of the config stop the run before any job, in one line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from copies import Workflow


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
            "error: config: model.dtype: 'int8' must be one of auto, float32, bfloat16, float16",
        ),
        ("run=$(touch canary)", "error: config: run: '$(touch canary)' must match"),
        pytest.param(
            "run=../elsewhere",
            "error: config: run: '../elsewhere' must match",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "datasets=[demo_vqa, '`touch canary`']",
            "error: config: datasets.1: '`touch canary`' must match",
            marks=pytest.mark.long,
        ),
        (
            "model={path: 'models/{x}'}",
            "error: config: model.path: 'models/{x}' must not hold braces",
        ),
        pytest.param(
            "model={path: models/demo-vlmm, revision: main}",
            "error: config: model.path: there is no folder 'models/demo-vlmm' (did you mean",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "search={max_removed: 16}",
            "error: config: search.max_removed: 16 must be less than the 16 blocks of the model",
            marks=pytest.mark.long,
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


def test_a_key_that_is_there_twice_stops_before_any_job(workflow: Workflow, tmp_path: Path) -> None:
    """Snakemake itself takes the last of them."""
    config = tmp_path / "twice.yaml"
    config.write_text("run: x\nsearch: {beam_width: 1}\nsearch: {max_removed: 2}\n")
    done = workflow.call("-n", "--configfile", os.path.relpath(config, workflow.folder))
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert printed.splitlines()[-1].startswith("error: ")
    assert "twice.yaml: line 3: not YAML (key 'search' is there twice)" in printed


def test_the_workflow_runs_from_any_directory(workflow: Workflow, tmp_path: Path) -> None:
    """The defaults and the demo's model are found where the rules lie, results are where one is."""
    (tmp_path / "mine.yaml").write_text("run: x\ndatasets: [demo_vqa]\n")
    target = "results/x/datasets/demo_vqa.parquet"
    snakefile = ("-s", str(workflow.folder / "Snakefile"), "--directory", str(tmp_path))
    config = ("--configfile", str(tmp_path / "mine.yaml"))
    workflow.run(target, "results/x/model.json", *snakefile, *config)
    assert (tmp_path / target).is_file()
    assert not workflow.results("", "x").exists()


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
    message = (
        "1 of 40 samples (2.5%) cannot be used, more than samples.max_bad_samples (1.0%) allows"
    )
    assert printed.splitlines()[-1].startswith(f"error: {message}")
    assert printed.count(message) == 1
    log = workflow.results("logs/draw_samples/mine.log").read_text()
    assert "test row 0: no answer" in log
    assert "Traceback" not in printed
    workflow.run(*target, "samples={max_bad_samples: 0.03}")
    report = json.loads(workflow.results("datasets/mine.report.json").read_text())
    assert report == {
        **{"read": 40, "drawn": 16, "bad": 1, "duplicates": 0, "joined": 0, "changed_pictures": []},
        "bad_samples": [{"split": "test", "row": "0", "reason": "no answer"}],
    }


def test_a_baseline_of_zero_stops_before_any_combination_and_points_to_the_answers(
    workflow: Workflow,
) -> None:
    path = workflow.folder / "config/datasets/demo_caption.yaml"
    definition = yaml.safe_load(path.read_text())
    # One token is never a whole caption.
    useless = definition | {"metric": "exact_match", "max_new_tokens": 1}
    path.with_name("useless.yaml").write_text(yaml.safe_dump(useless))
    target = "results/useless/plans/useless/remove2.json"
    config = ("--config", "run=useless", "datasets=[useless]", "samples={search: 4, holdout: 0}")
    done = workflow.call(target, *config)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    last = printed.splitlines()[-1]
    assert last.startswith("error: dataset useless: every baseline score is 0; look at the answers")
    assert "Traceback" not in printed
    page = workflow.results("answers/useless.md", "useless")
    assert f" in {page.parent.relative_to(workflow.folder)}, then correct" in last
    assert page.read_text().count("## Sample") == 4
    assert not workflow.results("shards/useless/single.0.parquet", "useless").exists()
    go_on = ("search={weak_baseline: go_on}", "analysis={across_datasets: points}")
    workflow.run(target, *config, *go_on)
