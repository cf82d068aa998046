"""What runs again after a change, and what does not."""

from pathlib import Path

import pytest
from copies import Workflow


def sources(workflow: Workflow) -> list[Path]:
    folders = ("src", "rules", "workflow", "config", "profiles", "models", "envs")
    return [
        path
        for folder in folders
        for path in (workflow.folder / folder).rglob("*")
        if path.is_file()
    ]


def test_a_second_run_has_nothing_to_do_even_after_touching_everything(finished: Workflow) -> None:
    assert "Nothing to be done" in finished.run()
    for path in [*sources(finished), finished.folder / "Snakefile"]:
        path.touch()
    assert "Nothing to be done" in finished.run()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (
            "analysis/rankings_by_num_removed.py",
            {"analyse", "draw_figures", "write_report", "page"},
        ),
        ("figures/rankings_by_num_removed.py", {"draw_figures", "page"}),
        ("report/comprehensive_report.py", {"write_report"}),
        ("report/rankings_by_num_removed.py", {"write_report"}),
        ("report/times.py", {"report_times"}),
        ("page/samples.py", {"page"}),
        ("page/strip.js", {"page"}),
    ],
)
def test_a_changed_module_reruns_what_depends_on_it(
    finished: Workflow, module: str, expected: set[str]
) -> None:
    path = finished.folder / "src/blocksieve" / module
    # A comment in JavaScript, and an expression of no use in Python.
    path.write_text(f"{path.read_text()}\n'changed'\n")
    assert finished.planned() == expected


STEPS = {"evaluate baseline", "evaluate single", "evaluate remove2", "evaluate finalists"}
FIRST_STEPS = {"evaluate baseline", "evaluate single"}
LATER_STEPS = STEPS - FIRST_STEPS
# What is changed on the command line, rules (evaluation jobs: with their step) that then run, and
# those that do not. Evaluation jobs look up in the cache first what they need;
# tests/unit/test_incremental.py counts what they evaluate.
CHANGES: dict[str, tuple[str, set[str], set[str]]] = {
    "another run": ("run=renamed", {"draw_samples", "describe_model", *STEPS}, set()),
    "more samples": ("samples={search: 16}", {"draw_samples", *STEPS}, {"describe_model"}),
    "another dtype": (
        "model={dtype: bfloat16}",
        {"describe_model", *STEPS},
        {"draw_samples"},
    ),
    "a dataset more": (
        "datasets=[demo_vqa, demo_caption, demo_tally_qa]",
        {"draw_samples", *STEPS},
        {"describe_model"},
    ),
    "a dataset less": (
        "datasets=[demo_vqa]",
        {"merge_evaluations", *STEPS},
        {"draw_samples", "describe_model"},
    ),
    "deeper": (
        "search={max_removed: 3}",
        {"evaluate remove3"},
        {"draw_samples", "describe_model", *FIRST_STEPS, "evaluate remove2"},
    ),
    "a wider beam": (
        "search={beam_width: 2}",
        LATER_STEPS,
        {"draw_samples", *FIRST_STEPS},
    ),
    "another limit": (
        "analysis={max_drop: {balanced: 4}}",
        {"analyse"},
        {"draw_samples", "propose", *STEPS},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_config_plans_what_depends_on_it(finished: Workflow, name: str) -> None:
    config, needed, spared = CHANGES[name]
    planned = finished.planned("--config", config)
    assert planned >= needed
    assert not planned & spared


@pytest.mark.parametrize(
    ("file", "needed", "spared"),
    [
        ("src/blocksieve/engine/shared.py", STEPS, {"draw_samples", "describe_model"}),
        # A metric says which targets it can score, and with that which samples are drawn.
        ("src/blocksieve/metrics/vqa.py", {*STEPS, "draw_samples"}, {"describe_model"}),
        ("config/datasets/demo_vqa.yaml", STEPS, {"draw_samples", "describe_model"}),
    ],
)
def test_changed_engines_metrics_and_prompts_plan_evaluations(
    finished: Workflow, file: str, needed: set[str], spared: set[str]
) -> None:
    path = finished.folder / file
    text = path.read_text()
    changed = (
        text.replace("prompt: ", "prompt: Look. ")
        if path.suffix == ".yaml"
        else f"{text}# changed\n"
    )
    path.write_text(changed)
    planned = finished.planned()
    assert planned >= needed
    assert not planned & spared
