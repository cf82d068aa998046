"""Read, complete and check a run's config.

Every fault is one line that names the key, its value and what is allowed.
`python -m blocksieve.config FILE ...` checks config files as a run reads them.
"""

import contextlib
import difflib
import importlib.util
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from blocksieve.choices import GENERIC
from blocksieve.combination import Combination, parse_sites
from blocksieve.errors import CUDA_WITHOUT_GPU, BlocksieveError, ConfigError
from blocksieve.metrics import METRICS
from blocksieve.models.checkpoint import (
    PIN_HUB_ID,
    WEIGHTS,
    checkpoint_files,
    locate,
    no_weights,
)
from blocksieve.specs import Content, MaxDrop, ModelSpec, RunSpec, SearchSpec

TYPES_WITHOUT_TEXT = (
    "integer",
    "number",
    "boolean",
    ["integer", "string"],
    ["number", "string"],
)
"""Types of the schema that a text on the command line must be read as."""

AUTO = {"dtype": "auto", "device": "auto"}
"""The defaults where a config names another model; config/config.yaml pins what the demo used."""

SEARCH = {"jobs_per_step": 1, "max_removed": 4, "beam_width": 3}
"""The defaults of the search for other models: one job, since a GPU loads a model once."""

PLACEHOLDER = re.compile(r"\{(\w+)\}")
"""What a template has filled in."""

COLUMN = re.compile(r"\{[^{}]+\}")
"""A column's place in the template of questions."""

DEFINITIONS = Path("config/datasets")
"""The folder of dataset definitions, here and in the workflow's own folder."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
"""What the hub allows as the id of a model: its name, mostly behind its owner's."""


def with_defaults(config: Content, root: Path) -> Content:
    """Put a config over the demo's, config/config.yaml, which holds the default of every key.

    `root` is the folder that holds `config/`, and the demo's model, wherever the run is started.
    """
    demo = read_file(root / "config/config.yaml")
    demo_model = root / demo["model"]["path"]
    demo["model"]["path"] = os.path.relpath(demo_model)
    model = config.get("model")
    if isinstance(model, dict) and "path" in model:
        demo["model"] |= AUTO
        demo["search"] |= SEARCH
    return merged(demo, config)


def merged(base: Content, changes: Content) -> Content:
    """Return a config with the values of another put over it, as Snakemake merges config files."""
    result = {**base, **changes}
    for key in base.keys() & changes.keys():
        if isinstance(base[key], dict) and isinstance(changes[key], dict):
            result[key] = merged(base[key], changes[key])
    return result


def read_file(path: Path, name: str | None = None) -> Content:
    """Read a YAML file that holds keys; ConfigError names it, by default by its path."""
    name = str(path) if name is None else name
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 text ({error}); save it as that") from error
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}); check the path") from error
    content = _read_yaml(text, name)
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: must hold keys with values, such as `run: mine`")
    return content


def read_run(files: Iterable[Path], root: Path) -> RunSpec:
    """Read and check config files as a run reads them, each put over those before it."""
    config: Content = {}
    for file in files:
        config = merged(config, read_file(file))
    return resolve(with_defaults(config, root), root)


def resolve(config: Content, root: Path) -> RunSpec:
    """Check a merged config and type it, each dataset's definition in place of its name.

    `root` is the folder that holds `config/`. ConfigError for the first fault.
    """
    schema = read_schema(root)
    content: dict[str, Any] = typed(config, schema)
    check(content, schema, "config")
    _check_paths(content)
    for text in content["finalists"]:
        _check_finalist(text)
    datasets = {name: read_dataset(name, root, schema) for name in content["datasets"]}
    samples = _samples_by_dataset(content["samples"], datasets, root)
    if content["search"].get("strategy") == "greedy":
        content["search"]["beam_width"] = 1
    run_spec = RunSpec.of({**content, "datasets": datasets, "samples": samples})
    if run_spec.evaluations is None:  # a given table has datasets of its own
        _check_weights(run_spec)
    _check_limits(run_spec.analysis.max_drop)
    _check_sizes(run_spec.search)
    _check_lists_to_heal(run_spec)
    return run_spec


def read_schema(root: Path) -> Content:
    """Read config/schema.yaml, the metrics of the registry filled in."""
    schema: dict[str, Any] = yaml.safe_load(
        (root / "config/schema.yaml").read_text(encoding="utf-8")
    )
    schema["$defs"]["dataset"]["properties"]["metric"]["enum"] = list(METRICS)
    return schema


def _samples_by_dataset(
    samples: dict[str, Any], datasets: dict[str, Content], root: Path
) -> dict[str, Any]:
    """Move each dataset's own `samples` to the run's, whose numbers for a dataset come first.

    ConfigError if the run names a dataset that has no file.
    """
    in_run = samples.get("datasets", {})
    names = list(_dataset_files(root))
    for name in in_run:
        _check_dataset(name, names, "samples.datasets")
    per_dataset = {}
    for name, definition in datasets.items():
        counts = definition.pop("samples", {}) | in_run.get(name, {})
        if counts:
            per_dataset[name] = counts
    return {**samples, "datasets": per_dataset}


def _dataset_files(root: Path) -> dict[str, Path]:
    """Return the definition of each dataset; one of this directory comes before one of `root`."""
    files = {}
    for folder in (root / DEFINITIONS, DEFINITIONS):
        files.update({file.stem: file for file in folder.glob("*.yaml")})
    return dict(sorted(files.items()))


def _check_dataset(name: str, names: Sequence[str], key: str, where: str = "") -> None:
    if name not in names:
        raise ConfigError(
            f"config: {key}: no dataset {name!r}{where}{_hint(name, names)};"
            f" known: {', '.join(names)}"
        )


def _check_limits(max_drop: MaxDrop) -> None:
    if not max_drop.conservative <= max_drop.balanced <= max_drop.aggressive:
        raise ConfigError(
            f"config: analysis.max_drop: {asdict(max_drop)} must not fall from conservative over"
            " balanced to aggressive"
        )


def _check_weights(run_spec: RunSpec) -> None:
    names = list(run_spec.datasets)
    for name in run_spec.analysis.weights:
        _check_dataset(name, names, "analysis.weights", " in this run")


def _check_sizes(search: SearchSpec) -> None:
    if max(search.exhaustive_sizes, default=1) > search.max_removed:
        raise ConfigError(
            f"config: search.exhaustive_sizes: {search.exhaustive_sizes} goes beyond"
            f" search.max_removed ({search.max_removed}); name sizes from 1 to {search.max_removed}"
        )
    if search.unit == "half" and search.exportable:
        raise ConfigError(
            "config: search.exportable: says of whole blocks only whether an export can lack them;"
            " set it to false, or search.unit to block"
        )


def _check_finalist(text: str) -> None:
    try:
        combination = Combination.of(parse_sites(text))
    except ValueError as error:
        raise ConfigError(f"config: finalists: {text!r}: {error}") from error
    if str(combination) != text:
        raise ConfigError(
            f"config: finalists: {text!r} must be sorted and without repeats; write {combination}"
        )


def _check_lists_to_heal(run_spec: RunSpec) -> None:
    task_types = {definition.task_type for definition in run_spec.datasets.values()}
    names = [*asdict(run_spec.analysis.max_drop), *sorted(task_types)]
    for name in run_spec.deploy.heal.lists:
        # The task types of a given table are known once it is read.
        if name in names or run_spec.evaluations is not None:
            continue
        try:
            Combination.parse(name)
        except ValueError as error:
            raise ConfigError(
                f"config: deploy.heal.lists: {name!r} is no list{_hint(name, names)};"
                f" name blocks such as 4-13, or one of {', '.join(names)}"
            ) from error


def _check_prompt(definition: Content, where: str) -> None:
    """ConfigError for a name in braces that nothing fills in, so that the model would read it."""
    source, prompt = definition["source"], definition["prompt"]
    for name in PLACEHOLDER.findall(prompt):
        if name not in ("question", "choices"):
            raise ConfigError(
                f"{where}: prompt: {{{name}}} is not filled in, only {{question}} and {{choices}};"
                " put columns into source.question"
            )
    if source["kind"] != "columns":
        return
    if "{choices}" in prompt and "choices" not in source:
        raise ConfigError(f"{where}: prompt: {{choices}} needs source.choices; name its columns")
    question = source["question"]
    if "{" in question and not COLUMN.search(question):
        raise ConfigError(
            f"{where}: source.question: {question!r} has a brace, but no column as in {{column}}"
        )


def _check_paths(content: dict[str, Any]) -> None:
    """ConfigError for a path that cannot be a file of a rule, or a given table that is missing."""
    paths = {"model.path": content["model"]["path"], "evaluations": content["evaluations"]}
    for key, path in paths.items():
        if path is not None and set(path) & set("{}\n\r\0"):
            raise ConfigError(
                f"config: {key}: {path!r} must not hold braces or line ends;"
                " rename the file or folder"
            )
    table = content["evaluations"]
    if table is not None and not Path(table).is_file():
        raise ConfigError(
            f"config: evaluations: there is no file {table!r}; give a Parquet table's path"
        )


def typed(content: Any, schema: Content) -> Any:
    """Read text as YAML wherever the schema wants no text.

    Snakemake's `--config` leaves nested values as text. A whole number written 3.0 becomes 3. YAML
    reads off as false.
    """
    if isinstance(content, dict):
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties") or {}
        return {key: typed(value, properties.get(key, rest)) for key, value in content.items()}
    if isinstance(content, list):
        return [typed(value, schema.get("items", {})) for value in content]
    kind = schema.get("type")
    if isinstance(content, str) and kind in TYPES_WITHOUT_TEXT:
        content = _read_yaml(content, content)
    if content is False and "off" in schema.get("enum", ()):
        return "off"
    if isinstance(content, float) and content.is_integer() and kind == "integer":
        return int(content)
    if content == "null" and "null" in (kind or ()):
        return None
    return content


def _combinations_among(names: Iterable[str]) -> list[Combination]:
    """Return those of some lists' names that are combinations."""
    combinations = []
    for name in names:
        with contextlib.suppress(ValueError):
            combinations.append(Combination.parse(name))
    return combinations


def check_against_model(
    run_spec: RunSpec,
    num_blocks: int,
    num_exportable: int | None = None,
    num_halves: int | None = None,
) -> None:
    """ConfigError if the search would remove every block, or a finalist names one too many.

    `num_exportable`: how many of the blocks an exported checkpoint can lack, if that is known.
    `num_halves`: how many halves of blocks the model has, if that is known.
    """
    max_removed = run_spec.search.max_removed
    if num_exportable is None or not run_spec.search.exportable:
        num_exportable = num_blocks
    if num_exportable < min(num_blocks, max_removed):
        raise ConfigError(
            f"config: search.exportable: only {num_exportable} of the {num_blocks} blocks can be"
            f" left out of an exported checkpoint (model.json says why), fewer than"
            f" search.max_removed ({max_removed}); lower that, or set search.exportable to false"
        )
    unit = run_spec.search.unit
    num_sites = num_blocks
    if unit == "half":
        num_sites = 2 * num_blocks if num_halves is None else num_halves
    if not num_sites:
        raise ConfigError(
            "config: search.unit: the blocks of this model have no halves (model.json says why);"
            " set it to block"
        )
    if max_removed >= num_sites:
        units = "blocks" if unit == "block" else "halves of blocks"
        raise ConfigError(
            f"config: search.max_removed: {max_removed} must be less than the {num_sites} {units}"
            " of the model"
        )
    for key, combinations in {
        "finalists": run_spec.finalists,
        "deploy.heal.lists": _combinations_among(run_spec.deploy.heal.lists),
    }.items():
        for combination in combinations:
            if max(combination.blocks, default=0) >= num_blocks:
                raise ConfigError(
                    f"config: {key}: '{combination}' names a block that the model lacks;"
                    f" its {num_blocks} blocks count from 0"
                )


def check_before_jobs(run_spec: RunSpec) -> None:
    """ConfigError for what the disk already says is wrong with the model; no torch is loaded."""
    _check_checkpoint(run_spec.model)
    num_blocks = num_blocks_of(run_spec.model)
    if num_blocks is not None:
        check_against_model(run_spec, num_blocks)


def _check_checkpoint(model: ModelSpec) -> None:
    """ConfigError unless `model.path` is a checkpoint's folder, or may be an id of the hub."""
    location = locate(model)
    folder = Path(location)
    if folder.is_dir():
        if not any(file.suffix in WEIGHTS for file in checkpoint_files(model)):
            raise ConfigError(no_weights(location))
        return
    # models/my-vlm has the form of a hub id, but its first part lies on this disk.
    is_hub_id = HUB_ID.fullmatch(location) and not (
        "/" in location and Path(folder.parts[0]).is_dir()
    )
    if is_hub_id and model.revision is not None:
        return
    neighbours = [path.name for path in folder.parent.glob("*") if path.is_dir()]
    advice = PIN_HUB_ID if is_hub_id else "correct the path"
    hint = _hint(folder.name, neighbours)
    raise ConfigError(f"config: model.path: there is no folder {location!r}{hint}; {advice}")


def num_blocks_of(model: ModelSpec) -> int | None:
    """Return how many blocks a folder's config.json says the decoder has; None if not known.

    The blocks themselves are counted, and checked again, once the model can be built.
    """
    path = Path(locate(model), "config.json")
    if model.blocks is not None or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"config: model.path: {path} is not readable JSON: {error}") from error
    if not isinstance(content, dict) or content.get("is_encoder_decoder"):
        return None
    decoder = content.get("text_config") or content
    num_blocks = decoder.get("num_hidden_layers") if isinstance(decoder, dict) else None
    return num_blocks if isinstance(num_blocks, int) else None


def check_device(model: ModelSpec) -> None:
    """ConfigError if the model must run on a GPU and torch sees none on this machine."""
    if model.device != "cuda" or importlib.util.find_spec("torch") is None:
        return
    import torch  # it takes seconds, and only this check of a config needs it

    if not torch.cuda.is_available():
        raise ConfigError(CUDA_WITHOUT_GPU)


def read_dataset(name: str, root: Path, schema: Content) -> Content:
    """Read and check `config/datasets/{name}.yaml` of this directory, else of `root`."""
    files = _dataset_files(root)
    _check_dataset(name, list(files), "datasets")
    path = files[name]
    where = f"{DEFINITIONS}/{path.name}"
    if name == GENERIC or name.startswith("task_"):
        raise ConfigError(
            f"config: datasets: {name!r} names results of all datasets or a task type;"
            f" rename {path.name}"
        )
    definition = read_file(path, where)
    check(definition, schema["$defs"]["dataset"], where)
    _check_prompt(definition, where)
    return definition


def check(content: Any, schema: Content, where: str) -> None:
    """Validate against a JSON schema; ConfigError names the first fault in one line."""
    path = _path_of_non_finite(content)
    if path is not None:
        raise ConfigError(f"{where}: {path}: must be a finite number")
    errors = Draft202012Validator(schema).iter_errors(content)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.path]):
        raise ConfigError(f"{where}: {_describe(error)}")


def _path_of_non_finite(content: Any, path: str = "") -> str | None:
    """Return where a NaN or infinite number stands, which no JSON schema refuses."""
    if isinstance(content, float) and not math.isfinite(content):
        return path
    if isinstance(content, dict):
        items = list(content.items())
    elif isinstance(content, list):
        items = list(enumerate(content))
    else:
        return None
    for key, value in items:
        inner = _path_of_non_finite(value, f"{path}.{key}".lstrip("."))
        if inner is not None:
            return inner
    return None


class _UniqueKeyLoader(yaml.SafeLoader):
    """A loader that refuses a key that is there twice, of which PyYAML would take the last."""

    # Where a mapping is composed it has its own keys alone, not yet those merged by `<<`.
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return the mapping as it is written."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if name.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {name.value!r} is there twice", problem_mark=name.start_mark
                )
            seen.add(name.value)
        return node


def _read_yaml(text: str, where: str) -> Any:
    """Parse YAML; ConfigError says in one line where it is none."""
    try:
        return yaml.load(text, _UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"{where}:{line} not YAML ({reason}); correct it") from error


def _describe(error: ValidationError) -> str:
    """Say in one line what a fault is, and what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    if error.validator == "additionalProperties":
        return f"{key}: {_unknown_key(error)}"
    rule: Any = error.validator_value
    value: Any = error.instance
    if error.validator == "required":
        missing = next(name for name in rule if name not in value)
        return f"{key}: key {missing!r} is missing; add it"
    return f"{key}: {value!r} {_expectation(error)}"


def _unknown_key(error: ValidationError) -> str:
    schema: Any = error.schema
    content: Any = error.instance
    allowed = list(schema["properties"])
    unknown = next(name for name in content if name not in allowed)
    return f"unknown key {unknown!r}{_hint(unknown, allowed)}; allowed: {', '.join(allowed)}"


def _expectation(error: ValidationError) -> str:
    """Say what a value must be."""
    rule: Any = error.validator_value
    match error.validator:
        case "enum":
            allowed = [str(value) for value in rule]
            hint = _hint(str(error.instance), allowed)
            return f"must be one of {', '.join(allowed)}{hint}"
        case "type":
            kinds = [rule] if isinstance(rule, str) else rule
            return f"must be of type {' or '.join(kinds)}"
        case "const":
            return f"must be {rule!r}"
        case "minimum":
            return f"must be at least {rule}"
        case "exclusiveMinimum":
            return f"must be above {rule}"
        case "maximum":
            return f"must be at most {rule}"
        case "maxLength":
            return f"must have at most {rule} characters"
        case "minItems":
            return f"must have at least {rule} entry"
        case "minLength":
            return "must not be empty"
        case "uniqueItems":
            return "must not repeat an entry"
        case "pattern":
            return f"must match {rule}"
    return error.message


def _hint(word: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


if __name__ == "__main__":
    try:
        read_run(map(Path, sys.argv[1:]), Path.cwd())
    except BlocksieveError as error:
        sys.exit(f"error: {error}")
