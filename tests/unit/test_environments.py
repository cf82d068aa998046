import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def conda(name: str) -> set[str]:
    dependencies = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    return set(dependencies[-1]["pip"])


def needed(extra: str) -> set[str]:
    """Return what an extra installs, with the extras in it and the project's own dependencies."""
    packages = set(PROJECT["dependencies"])
    for package in PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"blocksieve\[(\w+)\]", package)
        packages |= needed(inner[1]) if inner else {package}
    return packages


def test_conda_environments_are_in_step_with_the_project() -> None:
    assert conda("analysis") == needed("analysis")
    assert conda("models") == needed("models")


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    wanted = set()
    for extra in PROJECT["optional-dependencies"]:
        wanted |= {re.split(r"[>=\[]", package)[0].lower() for package in needed(extra)}
    assert wanted <= pinned


def test_routers_and_importance_scores_need_numpy_and_scipy_alone() -> None:
    assert {re.split(">", package)[0] for package in PROJECT["dependencies"]} == {"numpy", "scipy"}
    code = """
import sys
class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in BLOCKED:
            raise ModuleNotFoundError(name)
BLOCKED = {"polars", "pyarrow", "yaml", "torch", "altair", "snakemake", "sklearn", "filelock"}
sys.meta_path.insert(0, Guard())
from blocksieve.routing import Router
from blocksieve.importance import blocks_to_remove, load_scores
"""
    subprocess.run([sys.executable, "-c", code], check=True)


RULES = {
    name: body
    for path in (ROOT / "rules").glob("*.smk")
    for name, body in re.findall(
        r"^ *rule (\w+):\n((?:(?! *rule ).*\n)*)", path.read_text(), re.MULTILINE
    )
}


def test_the_slurm_profile_gives_a_gpu_to_the_rules_that_answer() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    asks_for_gpu = {name for name, body in RULES.items() if re.search(r"^ +gpu=", body, re.M)}
    assert (
        asks_for_gpu
        == profile["set-resources"].keys()
        == {"evaluate", "measure_proxies", "measure_gain", "export_lists", "heal"}
    )


def test_every_rule_that_runs_something_asks_for_memory_and_time_by_the_attempt() -> None:
    running = {name: body for name, body in RULES.items() if "script:" in body}
    assert {"evaluate", "propose", "analyse", "draw_figures"} <= running.keys()
    for name, body in running.items():
        for resource in ("mem_mb", "runtime"):
            assert re.search(rf"{resource}=lambda w, attempt: attempt \*", body), (name, resource)


def test_targets_and_rules_of_seconds_run_where_snakemake_runs() -> None:
    local = {name for name, body in RULES.items() if "localrule: True" in body}
    targets = {"evaluation", "analysis", "figures", "report", "deploy"}
    short = {
        "save_config",
        "draw_samples",
        "draw_train_samples",
        "propose",
        "race",
        "order_sites",
        "show_answers",
        "check_baselines",
        "select_beams",
        "select_finalists",
        "draw_figures",
        "write_report",
        "report_times",
        "page",
    }
    assert local == targets | short
