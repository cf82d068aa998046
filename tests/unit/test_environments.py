import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def conda(name: str) -> set[str]:
    dependencies = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    return set(dependencies[-1]["pip"])


def test_conda_environments_are_in_step_with_the_project() -> None:
    assert conda("analysis") == set(PROJECT["dependencies"])
    assert conda("models") == set(
        PROJECT["dependencies"] + PROJECT["optional-dependencies"]["models"]
    )


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = [name for names in PROJECT["optional-dependencies"].values() for name in names]
    wanted = {
        name.split(">")[0].split("=")[0].split("[")[0].lower()
        for name in PROJECT["dependencies"] + extras
    }
    assert wanted <= pinned


def test_the_slurm_profile_names_rules_and_gives_a_gpu_to_those_that_run_the_model() -> None:
    lines = [
        line for path in (ROOT / "rules").glob("*.smk") for line in path.read_text().splitlines()
    ]
    parts = re.split(r"\brule (\w+):\n", "\n".join(lines))
    rules = dict(zip(parts[1::2], parts[2::2], strict=True))
    asked = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())["set-resources"]
    local = set(re.findall(r"^    (\w+),$", (ROOT / "Snakefile").read_text(), re.MULTILINE)) - {
        "all"
    }
    assert asked.keys() == rules.keys() - local
    assert {name for name in asked if "gpu" in asked[name]} == {
        name for name in rules if "**EVALUATION_RESOURCES" in rules[name]
    }
