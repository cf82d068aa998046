from pathlib import Path

from blocksieve.source_closure import PACKAGE, source_closure

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def names(*files: Path) -> set[str]:
    return {str(path.relative_to(PACKAGE)) for path in source_closure(*files)}


def test_follows_imports_through_modules_and_into_functions() -> None:
    used = names(SCRIPTS / "evaluate.py")
    assert {
        "search/evaluate.py",
        "search/cache.py",
        "engine/reference.py",
        "models/blocks.py",
        "__init__.py",
    } <= used


def test_an_evaluation_does_not_depend_on_analyses_figures_or_other_metrics() -> None:
    used = names(SCRIPTS / "evaluate.py", PACKAGE / "metrics/vqa.py")
    assert "metrics/vqa.py" in used
    assert not any(
        name.startswith(("analysis/", "figures/", "report/", "metrics/cider")) for name in used
    )


def test_analysis_figures_and_report_never_reach_the_model() -> None:
    modules = [
        path
        for folder in ("analysis", "figures", "report")
        for path in (PACKAGE / folder).glob("*.py")
    ]
    scripts = [
        SCRIPTS / f"{name}.py"
        for name in ("analyse", "draw_figures", "write_report", "merge_evaluations")
    ]
    used = names(*scripts, *modules)
    assert not any(name.startswith(("models/", "engine/", "datasets/")) for name in used)
    assert not any("import torch" in (PACKAGE / name).read_text() for name in used)
