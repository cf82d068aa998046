import re
from pathlib import Path

from blocksieve.source_closure import PACKAGE, source_closure

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow/scripts"
CODE_OF_RULE = re.compile(r'\bcode\(\s*"(\w+\.py)"([^)]*)\)')
"""The param `code` of a rule: its script, and modules that it names besides."""


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


def test_rules_name_the_metrics_that_their_scripts_load() -> None:
    """Metrics are imported by a computed name, which `source_closure` does not see."""
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    loads_metrics = set()
    names_metrics = set()
    for script, modules in CODE_OF_RULE.findall(rules):
        if "metrics/__init__.py" in names(SCRIPTS / script):
            loads_metrics.add(script)
        if "METRICS" in modules:
            names_metrics.add(script)
    loads_metrics.remove("save_config.py")  # checks names of metrics alone
    assert names_metrics == loads_metrics
    assert len(names_metrics) == 7
