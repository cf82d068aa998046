"""Read, complete and check a run's config.

Every fault is one line that names the key, its value and what is allowed.
"""

import difflib
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from blocksieve.choices import GENERIC
from blocksieve.combination import Combination, parse_sites
from blocksieve.errors import ConfigError
from blocksieve.metrics import METRICS
from blocksieve.specs import Content, MaxDrop, RunSpec, SearchSpec

TYPES_WITHOUT_TEXT = ("integer", "number", "boolean", ["integer", "string"])
"""Types of the schema that a text on the command line must be read as."""


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
    run_spec = RunSpec.of({**content, "datasets": datasets, "samples": samples})
    _check_limits(run_spec.analysis.max_drop)
    _check_sizes(run_spec.search)
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
    names = _dataset_names(root)
    for name in in_run:
        if name not in names:
            raise ConfigError(
                f"config: samples.datasets: no dataset {name!r}{_hint(name, names)};"
                f" known: {', '.join(names)}"
            )
    per_dataset = {}
    for name, definition in datasets.items():
        counts = definition.pop("samples", {}) | in_run.get(name, {})
        if counts:
            per_dataset[name] = counts
    return {**samples, "datasets": per_dataset}


def _dataset_names(root: Path) -> list[str]:
    return sorted(file.stem for file in (root / "config/datasets").glob("*.yaml"))


def _check_limits(max_drop: MaxDrop) -> None:
    if not max_drop.conservative <= max_drop.balanced <= max_drop.aggressive:
        raise ConfigError(
            f"config: analysis.max_drop: {asdict(max_drop)} must not fall from conservative over"
            " balanced to aggressive"
        )


def _check_sizes(search: SearchSpec) -> None:
    if max(search.exhaustive_sizes, default=1) > search.max_removed:
        raise ConfigError(
            f"config: search.exhaustive_sizes: {search.exhaustive_sizes} goes beyond"
            f" search.max_removed ({search.max_removed}); name sizes from 1 to {search.max_removed}"
        )


def _check_finalist(text: str) -> None:
    combination = Combination.of(parse_sites(text))
    if str(combination) != text:
        raise ConfigError(
            f"config: finalists: {text!r} must be sorted and without repeats; write {combination}"
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

    Snakemake's `--config` leaves nested values as text. A whole number written 3.0 becomes 3.
    """
    if isinstance(content, dict):
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties") or {}
        return {key: typed(value, properties.get(key, rest)) for key, value in content.items()}
    if isinstance(content, list):
        return [typed(value, schema.get("items", {})) for value in content]
    kind = schema.get("type")
    if isinstance(content, str) and kind in TYPES_WITHOUT_TEXT:
        return _read_yaml(content, content)
    if isinstance(content, float) and content.is_integer() and kind == "integer":
        return int(content)
    if content == "null" and "null" in (kind or ()):
        return None
    return content


def check_against_model(run_spec: RunSpec, num_blocks: int) -> None:
    """ConfigError if the search would remove every block, or a finalist names one too many."""
    max_removed = run_spec.search.max_removed
    if max_removed >= num_blocks:
        raise ConfigError(
            f"config: search.max_removed: {max_removed} must be less than the {num_blocks} blocks"
            " of the model"
        )
    for combination in run_spec.finalists:
        if max(combination.blocks) >= num_blocks:
            raise ConfigError(
                f"config: finalists: '{combination}' names a block that the model lacks;"
                f" its {num_blocks} blocks count from 0"
            )


def read_dataset(name: str, root: Path, schema: Content) -> Content:
    """Read and check `config/datasets/{name}.yaml`."""
    path = root / "config/datasets" / f"{name}.yaml"
    where = f"config/datasets/{path.name}"
    if not path.exists():
        names = _dataset_names(root)
        raise ConfigError(
            f"config: datasets: no dataset {name!r}{_hint(name, names)}; known: {', '.join(names)}"
        )
    if name == GENERIC or name.startswith("task_"):
        raise ConfigError(
            f"config: datasets: {name!r} names results of all datasets or a task type;"
            f" rename {path.name}"
        )
    try:
        definition = _read_yaml(path.read_text(encoding="utf-8"), where)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 text ({error}); save it as that") from error
    check(definition, schema["$defs"]["dataset"], where)
    return dict(definition)


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


def _read_yaml(text: str, where: str) -> Any:
    """Parse YAML; ConfigError says in one line where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{where}: not YAML ({reason}); correct it") from error


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


def _hint(word: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(word, allowed, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
