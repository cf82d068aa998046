import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocksieve.config import (
    check_against_model,
    check_before_jobs,
    check_device,
    read_file,
    read_run,
    resolve,
    with_defaults,
)
from blocksieve.errors import ConfigError
from blocksieve.specs import SearchSpec

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
CONFIGS = sorted(set((ROOT / "config").glob("*.yaml")) - {ROOT / "config/schema.yaml"})


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "search.beam_widht",
            3,
            "config: search: unknown key 'beam_widht' (did you mean 'beam_width'?);"
            " allowed: max_removed",
        ),
        ("search.beam_width", 0, "config: search.beam_width: 0 must be at least 1"),
        (
            "search.beam_width",
            "three",
            "config: search.beam_width: 'three' must be of type integer",
        ),
        (
            "search.exhaustive_sizes",
            [9],
            "config: search.exhaustive_sizes: [9] goes beyond search.max_removed (3)",
        ),
        (
            "model.dtype",
            "float23",
            "config: model.dtype: 'float23' must be one of auto, float32, bfloat16, float16"
            " (did you mean",
        ),
        ("run", "../x", "config: run: '../x' must match"),
        ("run", 5, "config: run: 5 must be of type string"),
        (
            "datasets",
            ["demo_vqq"],
            "config: datasets: no dataset 'demo_vqq' (did you mean 'demo_vqa'?); known: ",
        ),
        ("datasets", [], "config: datasets: [] must have at least 1 entry"),
        ("datasets", ["demo_vqa", "demo_vqa"], "must not repeat an entry"),
        ("datasets", ["../../etc"], "config: datasets.0: '../../etc' must match"),
        ("samples", {"search": 8}, "config: samples: key 'holdout' is missing; add it"),
        (
            "samples",
            {"search": 8, "holdout": 8, "max_bad_samples": 2},
            "samples.max_bad_samples: 2 must be at most 1",
        ),
        ("modle", {}, "config: (top level): unknown key 'modle' (did you mean 'model'?)"),
        (
            "evaluation.engine",
            "quick",
            "config: evaluation.engine: 'quick' must be one of shared, reference",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_key_value_and_what_is_allowed(
    path: str, value: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        resolve(changed(path, value), ROOT)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "metric",
            "bleu",
            "config/datasets/bad.yaml: metric: 'bleu' must be one of vqa, vqa_normalized, anls",
        ),
        ("prompt", "no question", "config/datasets/bad.yaml: prompt: 'no question' must match"),
        ("prompt", "{question} {hint}", "bad.yaml: prompt: {hint} is not filled in"),
        ("prompt", "{question} {Choices}", "bad.yaml: prompt: {Choices} is not filled in"),
        (
            "source",
            {"kind": "columns", "path": "x", "question": "{q", "references": "a"},
            "bad.yaml: source.question: '{q' has a brace, but no column",
        ),
        (
            "source",
            {
                "kind": "columns",
                "path": "x",
                "question": "{q}",
                "references": "a",
                "files": {"train": [1, 2]},
            },
            "bad.yaml: source.files.train.0: 1 must be of type string",
        ),
        (
            "source",
            {"kind": "demo", "task": "chess", "level": 4},
            "config/datasets/bad.yaml: source.task: 'chess' must be one of vqa",
        ),
        (
            "source",
            {"kind": "internet"},
            "config/datasets/bad.yaml: source.kind: 'internet' must be one of columns, demo",
        ),
        (
            "source",
            {"kind": "demo", "task": "vqa", "url": "x"},
            "config/datasets/bad.yaml: source: unknown key 'url'",
        ),
        (
            "source",
            {"kind": "columns", "path": "x", "question": "q"},
            "config/datasets/bad.yaml: source: key 'references' is missing; add it",
        ),
        (
            "source",
            {"kind": "demo", "task": "vqa", "level": 4, "path": "x"},
            "source: 'path' must be one of kind, task, level",
        ),
        ("max_new_tokens", 0, "config/datasets/bad.yaml: max_new_tokens: 0 must be at least 1"),
    ],
)
def test_a_fault_of_a_dataset_names_its_file(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    (tmp_path / "config/datasets").mkdir(parents=True)
    (tmp_path / "config/schema.yaml").write_text((ROOT / "config/schema.yaml").read_text())
    definition = yaml.safe_load((ROOT / "config/datasets/demo_vqa.yaml").read_text()) | {key: value}
    (tmp_path / "config/datasets/bad.yaml").write_text(yaml.safe_dump(definition))
    with pytest.raises(ConfigError) as raised:
        resolve(changed("datasets", ["bad"]), tmp_path)
    assert message in str(raised.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_valid(path: Path) -> None:
    resolve(merge(copy.deepcopy(DEFAULT), yaml.safe_load(path.read_text())), ROOT)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("config/datasets/*.yaml")), ids=lambda path: path.name
)
def test_every_dataset_is_valid(path: Path) -> None:
    resolve(changed("datasets", [path.stem]), ROOT)


def test_nested_values_of_the_command_line_come_as_text() -> None:
    search = {
        "max_removed": "3",
        "beam_width": "2",
        "exhaustive_sizes": ["1", "2"],
        "jobs_per_step": "1",
        "weak_baseline": "go_on",
    }
    model = DEFAULT["model"] | {"trust_remote_code": "true", "revision": "null"}
    resolved = resolve(DEFAULT | {"search": search, "model": model}, ROOT)
    assert resolved.search == SearchSpec(
        max_removed=3, beam_width=2, exhaustive_sizes=[1, 2], jobs_per_step=1, weak_baseline="go_on"
    )
    assert resolved.model.trust_remote_code is True
    assert resolved.model.revision is None


def test_more_blocks_removed_than_the_model_has() -> None:
    check_against_model(resolve(DEFAULT, ROOT), 4)
    with pytest.raises(ConfigError, match=r"search\.max_removed: 3 must be less than the 3 blocks"):
        check_against_model(resolve(DEFAULT, ROOT), 3)


def test_a_search_of_halves_counts_halves() -> None:
    search = DEFAULT["search"] | {"unit": "half"}
    halves = resolve(DEFAULT | {"search": search, "finalists": ["4", "2a-7"]}, ROOT)
    assert halves.search.max_removed == 3
    check_against_model(halves, 16)
    check_against_model(halves, 16, num_halves=4)
    with pytest.raises(ConfigError, match="3 must be less than the 3 halves of blocks"):
        check_against_model(halves, 16, num_halves=3)
    with pytest.raises(ConfigError, match=r"search\.unit: .* have no halves"):
        check_against_model(halves, 16, num_halves=0)
    exportable = DEFAULT | {"search": search | {"exportable": True}}
    with pytest.raises(ConfigError, match=r"search\.exportable: says of whole blocks only"):
        resolve(exportable, ROOT)


def test_a_search_among_exportable_blocks_alone_needs_enough_of_them() -> None:
    search = DEFAULT["search"] | {"exportable": True}
    limited = resolve(DEFAULT | {"search": search}, ROOT)
    check_against_model(limited, 16, num_exportable=3)
    with pytest.raises(ConfigError, match=r"search\.exportable: only 2 of the 16 blocks"):
        check_against_model(limited, 16, num_exportable=2)
    check_against_model(resolve(DEFAULT, ROOT), 16, num_exportable=0)


def test_every_key_is_described_and_documented() -> None:
    documented = (ROOT / "config/README.md").read_text()
    for path, schema in [*keys(SCHEMA), *keys(SCHEMA["$defs"]["dataset"])]:
        assert schema.get("description"), f"{path} has no description"
        assert f"`{path}`" in documented, f"config/README.md does not name {path}"
        assert schema["description"] in documented, f"config/README.md describes {path} differently"


def keys(schema: dict[str, Any], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, child in schema.get("properties", {}).items():
        found += [(f"{prefix}{name}", child), *keys(child, f"{prefix}{name}.")]
    return found


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        base[key] = (
            merge(base[key], value)
            if isinstance(value, dict) and isinstance(base.get(key), dict)
            else value
        )
    return base


def test_choices_in_a_prompt_need_choices_in_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "config/datasets"
    folder.mkdir(parents=True)
    definition = yaml.safe_load((ROOT / "config/datasets/science_qa_img.yaml").read_text())
    del definition["source"]["choices"]
    (folder / "bad.yaml").write_text(yaml.safe_dump(definition))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"prompt: {choices} needs source.choices"):
        resolve(changed("datasets", ["bad"]), ROOT)


@pytest.mark.parametrize("name", ["balanced", "VQA", "4-13", "Exact Match"])
def test_lists_to_heal_are_strategies_task_types_or_blocks(name: str) -> None:
    resolve(changed("deploy.heal.lists", [name]), ROOT)


def test_a_wrong_list_to_heal_is_told_before_the_run() -> None:
    with pytest.raises(ConfigError, match=r"'ballanced' is no list \(did you mean 'balanced'\?\)"):
        resolve(changed("deploy.heal.lists", ["ballanced"]), ROOT)
    spec = resolve(changed("deploy.heal.lists", ["4-99"]), ROOT)
    with pytest.raises(ConfigError, match=r"deploy.heal.lists: '4-99' names a block"):
        check_against_model(spec, 16)


@pytest.mark.parametrize(
    ("text", "advice"), [("4-2", "write 2-4"), ("3-3", "write 3"), ("a", "must match")]
)
def test_finalists_are_combinations(text: str, advice: str) -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"finalists": [text]}
    with pytest.raises(ConfigError, match=f"finalists.*{advice}"):
        resolve(config, ROOT)


def test_samples_of_single_datasets(tmp_path: Path) -> None:
    """A dataset's file comes before the run's numbers, those for this dataset before both."""
    (tmp_path / "config/datasets").mkdir(parents=True)
    (tmp_path / "config/schema.yaml").write_text((ROOT / "config/schema.yaml").read_text())
    vqa = yaml.safe_load((ROOT / "config/datasets/demo_vqa.yaml").read_text())
    for name in ("plain", "small", "other"):
        (tmp_path / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(vqa))
    small = vqa | {"samples": {"search": "all", "holdout": 5}}
    (tmp_path / "config/datasets/small.yaml").write_text(yaml.safe_dump(small))
    # "7": as the command line gives it; `other` is not in this run
    per_dataset = {"small": {"holdout": "7"}, "other": {"search": 3}}
    samples = {"search": 96, "holdout": "all", "max_bad_samples": 0.01, "datasets": per_dataset}
    config = DEFAULT | {"datasets": ["plain", "small"], "samples": samples}
    run_spec = resolve(copy.deepcopy(config), tmp_path)
    assert run_spec.samples.counts("plain") == {"search": 96, "holdout": "all"}
    assert run_spec.samples.counts("small") == {"search": "all", "holdout": 7}
    assert run_spec.datasets["small"] == run_spec.datasets["plain"]
    config = copy.deepcopy(config)
    config["samples"]["datasets"] = {"smal": {"search": 3}}
    with pytest.raises(ConfigError, match=r"samples.datasets: no dataset 'smal' \(did you mean"):
        resolve(config, tmp_path)


@pytest.mark.parametrize("value", ["most", 1, None])
def test_a_number_of_samples_is_a_number_or_all(value: Any) -> None:
    for key in ("samples.search", "samples.datasets"):
        wrong = {"demo_vqa": {"search": value}} if key.endswith("datasets") else value
        with pytest.raises(ConfigError, match=r"samples\..*must"):
            resolve(changed(key, wrong), ROOT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run: x\n\tseed: 1\n", "line 2: not YAML (found character '\\t' that cannot start any"),
        ("run: [x\nseed: 1\n", "line 2: not YAML (expected ',' or ']'"),
        ("run: x\nseed: 'a\n", "line 3: not YAML (found unexpected end of stream)"),
        ("run: x\nsearch: {}\nsearch: {}\n", "line 3: not YAML (key 'search' is there twice)"),
        ("search: {unit: half, unit: block}\n", "line 1: not YAML (key 'unit' is there twice)"),
        ("run: \0\n", "not YAML (unacceptable character #x0000: special characters"),
        ("- run\n", "must hold keys with values"),
        ("", "must hold keys with values"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_no_config_is_named_with_the_line(
    tmp_path: Path, text: str | None, message: str
) -> None:
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_run([file], ROOT)
    assert str(raised.value).startswith(f"{file}: {message}")
    assert "\n" not in str(raised.value)


def test_a_key_that_stands_over_a_merged_one_is_there_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("c: {d: &b {<<: &a {x: 1}, x: 2}}\ne: {<<: *b, x: 3}\n")
    assert read_file(file) == {"c": {"d": {"x": 2}}, "e": {"x": 3}}


def test_a_dataset_that_is_no_yaml_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "config/datasets").mkdir(parents=True)
    shutil.copy(ROOT / "config/schema.yaml", tmp_path / "config")
    (tmp_path / "config/datasets/bad.yaml").write_text("metric: vqa\nprompt: 'a\n")
    with pytest.raises(ConfigError, match=r"^config/datasets/bad.yaml: line 3: not YAML"):
        resolve(changed("datasets", ["bad"]), tmp_path)


def test_defaults_do_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_spec = resolve(with_defaults({"run": "x", "datasets": ["demo_vqa"]}, ROOT), ROOT)
    check_before_jobs(run_spec)
    assert Path(run_spec.model.path).resolve() == ROOT / "models/demo-vlm"
    assert run_spec.seed == DEFAULT["seed"]


@pytest.mark.parametrize(
    ("path", "revision", "message"),
    [
        ("models/demo-vlmm", None, "no folder 'models/demo-vlmm' (did you mean 'demo-vlm'?)"),
        ("models/demo-vlmm", "main", "no folder 'models/demo-vlmm' (did you mean 'demo-vlm'?)"),
        ("/nowhere/my-vlm", "main", "no folder '/nowhere/my-vlm'; correct the path"),
        ("../my-vlm", "main", "no folder '../my-vlm'; correct the path"),
        ("a/b/c", "main", "no folder 'a/b/c'; correct the path"),
        ("owner/vlm", None, "no folder 'owner/vlm'; for a hub id set model.revision to a commit"),
        ("rules", None, "no weights (.safetensors, .gguf) in 'rules'"),
        ("package:blocksieve/weights", "main", "weights'; correct the path"),
    ],
)
def test_a_wrong_path_of_the_model_is_told_by_the_disk_alone(
    path: str, revision: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = with_defaults({"model": {"path": path, "revision": revision}}, ROOT)
    with pytest.raises(ConfigError) as raised:
        check_before_jobs(resolve(config, ROOT))
    assert str(raised.value).startswith("config: model.path: ")
    assert message in str(raised.value)


def test_a_hub_id_with_a_revision_is_left_to_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for path in ("owner/vlm", "gpt2"):
        config = with_defaults({"model": {"path": path, "revision": "main"}}, ROOT)
        check_before_jobs(resolve(config, ROOT))


def checkpoint(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").touch()
    (folder / "config.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 4},
        {"num_hidden_layers": 9, "text_config": {"num_hidden_layers": 4}},
    ],
)
def test_too_many_blocks_removed_are_told_by_the_checkpoints_config(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    folder = checkpoint(tmp_path / "model", json.dumps(config))
    for max_removed in (3, 4):
        search = {"max_removed": max_removed}
        content = with_defaults({"model": {"path": str(folder)}, "search": search}, ROOT)
        if max_removed == 3:
            check_before_jobs(resolve(content, ROOT))
            continue
        with pytest.raises(ConfigError, match=r"max_removed: 4 must be less than the 4 blocks"):
            check_before_jobs(resolve(content, ROOT))


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"text_config": null}', '{"num_hidden_layers": 2, "x": "y"}']
)
def test_what_a_checkpoints_config_does_not_say_is_checked_later(tmp_path: Path, text: str) -> None:
    model = {"path": str(checkpoint(tmp_path / "model", text)), "blocks": "model.layers"}
    check_before_jobs(resolve(with_defaults({"model": model}, ROOT), ROOT))
    if "hidden" not in text:
        model["blocks"] = "null"
        check_before_jobs(resolve(with_defaults({"model": model}, ROOT), ROOT))


def test_a_broken_config_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", "{")
    with pytest.raises(ConfigError, match=r"model.path: .*config.json is not readable JSON: "):
        check_before_jobs(resolve(with_defaults({"model": {"path": str(folder)}}, ROOT), ROOT))


def test_a_gpu_that_is_not_there_is_told_before_any_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for device in ("cpu", "auto"):
        check_device(resolve(with_defaults({"model": {"device": device}}, ROOT), ROOT).model)
    with pytest.raises(ConfigError, match=r"model.device: cuda is wanted but .* no GPU"):
        check_device(resolve(with_defaults({"model": {"device": "cuda"}}, ROOT), ROOT).model)


def test_device_and_dtype_are_auto_for_every_model_but_the_demos() -> None:
    demo = resolve(with_defaults({}, ROOT), ROOT).model
    assert (demo.device, demo.dtype) == ("cpu", "float32")
    model = resolve(with_defaults({"model": {"path": "x/y"}}, ROOT), ROOT).model
    assert (model.device, model.dtype) == ("auto", "auto")
    chosen = {"path": "x/y", "device": "cpu", "dtype": "bfloat16"}
    model = resolve(with_defaults({"model": chosen}, ROOT), ROOT).model
    assert (model.device, model.dtype) == ("cpu", "bfloat16")


def test_jobs_per_step_are_one_for_every_model_but_the_demos() -> None:
    other = {"model": {"path": "x/y"}}
    assert resolve(with_defaults({}, ROOT), ROOT).search.jobs_per_step == 2
    assert resolve(with_defaults(other, ROOT), ROOT).search.jobs_per_step == 1
    four = other | {"search": {"jobs_per_step": 4}}
    assert resolve(with_defaults(four, ROOT), ROOT).search.jobs_per_step == 4


@pytest.mark.parametrize(
    ("given", "expected"),
    # YAML reads off as false; Snakemake's command line leaves text.
    [(False, "off"), ("off", "off"), ("0.01", 0.01), (0.001, 0.001), ("halving", "halving")],
)
def test_racing_is_read_from_yaml_and_from_the_command_line(given: Any, expected: Any) -> None:
    run_spec = resolve(changed("search.racing", given), ROOT)
    assert run_spec.search.racing == expected
    assert type(run_spec.search.racing) is type(expected)


@pytest.mark.parametrize("wrong", [0.05, "often"])
def test_racing_knows_no_other_rule(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"search.racing: .* off, 0.001, 0.01, halving"):
        resolve(changed("search.racing", wrong), ROOT)
