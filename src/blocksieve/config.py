"""Read, complete and check a run's config; every fault is one line naming the key, its value and what is allowed."""

import difflib
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from blocksieve.combination import Combination, parse_sites
from blocksieve.errors import ConfigError
from blocksieve.metrics import METRICS
from blocksieve.specs import Content, MaxDrop, RunSpec, SearchSpec


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
    run_spec = RunSpec.of({**content, "datasets": datasets})
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


def typed(content: Any, schema: dict[str, Any]) -> Any:
    """Read text as YAML wherever the schema wants no text: Snakemake's `--config` leaves nested values as text.

    A whole number written 3.0 becomes 3.
    """
    if isinstance(content, dict):
        properties = schema.get("properties", {})
        return {key: typed(value, properties.get(key, {})) for key, value in content.items()}
    if isinstance(content, list):
        return [typed(value, schema.get("items", {})) for value in content]
    if isinstance(content, str) and schema.get("type") in (
        "integer",
        "number",
        "boolean",
        ["integer", "string"],
    ):
        return _read_yaml(content, content)
    if isinstance(content, float) and content.is_integer() and schema.get("type") == "integer":
        return int(content)
    return None if content == "null" and "null" in schema.get("type", ()) else content


def check_against_model(run_spec: RunSpec, num_blocks: int) -> None:
    """ConfigError if the search would remove every block, or a finalist names one that is not there."""
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
        names = sorted(file.stem for file in path.parent.glob("*.yaml"))
        raise ConfigError(
            f"config: datasets: no dataset {name!r}{_hint(name, names)}; known: {', '.join(names)}"
        )
    if name == "generic" or name.startswith("task_"):
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


def check(content: Any, schema: dict[str, Any], where: str) -> None:
    """Validate against a JSON schema; ConfigError names the first fault in one line."""
    if (place := _not_finite(content)) is not None:
        raise ConfigError(f"{where}: {place}: must be a finite number")
    for error in sorted(
        Draft202012Validator(schema).iter_errors(content), key=lambda e: [str(p) for p in e.path]
    ):
        raise ConfigError(f"{where}: {_describe(error)}")


def _not_finite(content: Any, place: str = "") -> str | None:
    """Where a NaN or infinite number stands, which no JSON schema refuses."""
    if isinstance(content, float) and not math.isfinite(content):
        return place
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    found = (_not_finite(value, f"{place}.{key}".lstrip(".")) for key, value in items)
    return next((inner for inner in found if inner is not None), None)


def _read_yaml(text: str, where: str) -> Any:
    """Parse YAML; ConfigError says in one line where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{where}: not YAML ({' '.join(str(error).split())}); correct it"
        ) from error


def _describe(error: ValidationError) -> str:
    key = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    if error.validator == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(name for name in value if name not in known)
        return f"{key}: unknown key {unknown!r}{_hint(unknown, known)}; allowed: {', '.join(known)}"
    if error.validator == "required":
        missing = next(name for name in rule if name not in value)
        return f"{key}: key {missing!r} is missing; add it"
    expectations: dict[str, Callable[[], str]] = {
        "enum": lambda: (
            f"must be one of {', '.join(map(str, rule))}{_hint(str(value), list(map(str, rule)))}"
        ),
        "const": lambda: f"must be {rule!r}",
        "type": lambda: f"must be of type {' or '.join([rule] if isinstance(rule, str) else rule)}",
        "minimum": lambda: f"must be at least {rule}",
        "maximum": lambda: f"must be at most {rule}",
        "maxLength": lambda: f"must have at most {rule} characters",
        "minItems": lambda: f"must have at least {rule} entry",
        "minLength": lambda: "must not be empty",
        "uniqueItems": lambda: "must not repeat an entry",
        "pattern": lambda: f"must match {rule}",
    }
    expected = expectations.get(str(error.validator), lambda: error.message)()
    return f"{key}: {value!r} {expected}"


def _hint(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
