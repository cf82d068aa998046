"""Analysis, figures and report from a given table alone."""

import subprocess
import sys
from collections.abc import Callable

import polars as pl
from copies import Workflow

from blocksieve.analysis import analyses_of, figures_of, sections_of

ANALYSES = analyses_of("block")
FIGURES = figures_of(ANALYSES)
SECTIONS = sections_of(ANALYSES)


def test_a_given_table_is_analysed_without_the_model(
    finished: Workflow, make_workflow: Callable[[], Workflow]
) -> None:
    workflow = make_workflow()
    (workflow.folder / "models/demo-vlm/model.safetensors").unlink()
    pl.read_parquet(finished.results("evaluations.parquet")).write_parquet(
        workflow.folder / "given.parquet"
    )
    workflow.run("analysis", "figures", "report", "--config", "evaluations=given.parquet")
    for path in (
        "evaluations.parquet",
        "analysis/drop_distributions.parquet",
        "analysis/power.parquet",
    ):
        # How many samples a drop would need a table does not say.
        needed = pl.selectors.starts_with("n_for_")
        given, own = (pl.read_parquet(copy.results(path)) for copy in (workflow, finished))
        assert given.select(~needed).equals(own.select(~needed))
    assert pl.read_parquet(workflow.results("analysis/split_agreement.parquet")).is_empty()
    for name in FIGURES:
        assert workflow.results(f"figures/{name}.png").stat().st_size > 0
    page = workflow.results("report/index.html").read_text()
    assert "<title>given.parquet: which blocks can be removed" in page
    assert 'id="samples"' not in page
    assert not workflow.results("model.json").exists()


def test_a_table_with_a_missing_column_is_refused(make_workflow: Callable[[], Workflow]) -> None:
    workflow = make_workflow()
    pl.DataFrame({"dataset": ["a"]}).write_parquet(workflow.folder / "given.parquet")
    done = workflow.call("analysis", "--config", "evaluations=given.parquet")
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "given.parquet: column 'task_type' is missing" in printed
    assert "Traceback" not in printed


def test_analysis_figures_and_report_do_not_import_torch() -> None:
    names = [f"blocksieve.analysis.{name}" for name in ANALYSES]
    names += [f"blocksieve.figures.{name}" for name in FIGURES]
    names += [f"blocksieve.report.{name}" for name in SECTIONS]
    names += [
        f"blocksieve.{name}"
        for name in ("evaluations", "figures.export", "report.comprehensive_report", "config")
    ]
    modules = ", ".join(names)
    check = (
        f"import sys, {modules}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
