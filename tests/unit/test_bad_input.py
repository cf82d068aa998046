"""What users may get wrong, or send on purpose.

One line that names the place and the fix, and nothing else.
"""

import copy
import pickle
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from blocksieve.config import check_against_model, resolve
from blocksieve.datasets.pictures import check_picture
from blocksieve.errors import BlocksieveError, ConfigError, DataError, ModelError
from blocksieve.user_table import read_user_table

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
VQA = yaml.safe_load((ROOT / "config/datasets/demo_vqa.yaml").read_text())

# A key of the config, a value, and what the line must say.
CONFIGS: list[tuple[str, Any, str]] = [
    ("serach", {}, "unknown key 'serach' (did you mean 'search'?)"),
    ("search.beam_with", 3, "search: unknown key 'beam_with' (did you mean 'beam_width'?)"),
    ("search", None, "search: None must be of type object"),
    ("search.beam_width", "many", "search.beam_width: 'many' must be of type integer"),
    ("search.beam_width", 2.5, "search.beam_width: 2.5 must be of type integer"),
    ("search.beam_width", True, "search.beam_width: True must be of type integer"),
    ("search.beam_width", -1, "search.beam_width: -1 must be at least 1"),
    ("search.beam_width", "[1", "not YAML"),
    ("search.max_removed", 0, "search.max_removed: 0 must be at least 1"),
    ("search.max_removed", 10**9, "search.max_removed: 1000000000 must be at most 255"),
    ("search.jobs_per_step", 10**9, "search.jobs_per_step: 1000000000 must be at most 1000"),
    (
        "search.exhaustive_sizes",
        [7],
        "search.exhaustive_sizes: [7] goes beyond search.max_removed (3)",
    ),
    ("search.exhaustive_sizes", [1, 1], "search.exhaustive_sizes: [1, 1] must not repeat an entry"),
    ("samples.search", 0, "samples.search: 0 must be at least 2"),
    ("samples.holdout", -3, "samples.holdout: -3 must be at least 0"),
    ("samples.search", float("nan"), "samples.search: must be a finite number"),
    ("seed", "lucky", "seed: 'lucky' must be of type integer"),
    ("model.dtype", "float64", "model.dtype: 'float64' must be one of auto, float32"),
    ("model.device", "tpu", "model.device: 'tpu' must be one of auto, cpu"),
    ("model.kind", "audio", "model.kind: 'audio' must be one of vlm, text"),
    ("model.path", "", "model.path: '' must not be empty"),
    ("model.path", "models/{run}", "model.path: 'models/{run}' must not hold braces"),
    ("model.path", "models/x\ny", "model.path: 'models/x\\ny' must not hold braces or line ends"),
    (
        "model.trust_remote_code",
        "perhaps",
        "model.trust_remote_code: 'perhaps' must be of type boolean",
    ),
    ("evaluation.batch_size", "large", "evaluation.batch_size: 'large' must match"),
    ("evaluation.batch_size", 0, "evaluation.batch_size: 0 must be at least 1"),
    ("evaluation.engine", "fast", "evaluation.engine: 'fast' must be one of shared, reference"),
    ("finalists", ["3-1"], "finalists: '3-1' must be sorted and without repeats; write 1-3"),
    ("finalists", ["2-2a"], "finalists: '2-2a': a block and its own half must not both be removed"),
    ("finalists", ["none"], "finalists.0: 'none' must match"),
    ("finalists", ["1-2\n"], "finalists.0: '1-2\\n' must match"),
    ("datasets", "demo_vqa", "datasets: 'demo_vqa' must be of type array"),
    ("datasets", [], "datasets: [] must have at least 1 entry"),
    ("datasets", ["demo_vqa"] * 2, "must not repeat an entry"),
    ("datasets", ["demo_vqaa"], "no dataset 'demo_vqaa' (did you mean 'demo_vqa'?)"),
    ("datasets", ["../config"], "datasets.0: '../config' must match"),
    ("datasets", ["a b"], "datasets.0: 'a b' must match"),
    ("datasets", ["$(touch canary)"], "datasets.0: '$(touch canary)' must match"),
    ("datasets", ["demo_vqa\n"], "datasets.0: 'demo_vqa\\n' must match"),
    ("datasets", ["x" * 101], "must have at most 100 characters"),
    ("run", "../elsewhere", "run: '../elsewhere' must match"),
    ("run", "/tmp/x", "run: '/tmp/x' must match"),
    ("run", "a/b", "run: 'a/b' must match"),
    ("run", "..", "run: '..' must match"),
    ("run", "", "run: '' must match"),
    ("run", "two words", "run: 'two words' must match"),
    ("run", "it's", 'run: "it\'s" must match'),
    ("run", 'say "x"', "must match"),
    ("run", "$(touch canary)", "run: '$(touch canary)' must match"),
    ("run", "`touch canary`", "run: '`touch canary`' must match"),
    ("run", "{dataset}", "run: '{dataset}' must match"),
    ("run", "demo\n", "run: 'demo\\n' must match"),
    ("run", "größe", "run: 'größe' must match"),
    ("run", "x" * 300, "must have at most 100 characters"),
    ("run", 2026, "run: 2026 must be of type string"),
    (
        "analysis.across_datasets",
        "median",
        "analysis.across_datasets: 'median' must be one of relative, points",
    ),
    (
        "analysis.max_drop.balanced",
        float("inf"),
        "analysis.max_drop.balanced: must be a finite number",
    ),
    ("analysis.max_drop.conservative", 50, "analysis.max_drop: "),
    (
        "analysis.weights",
        {"demo_vqaa": 2},
        "analysis.weights: no dataset 'demo_vqaa' in this run (did you mean 'demo_vqa'?)",
    ),
    ("analysis.weights", {"demo_vqa": 0}, "analysis.weights.demo_vqa: 0 must be above 0"),
    ("evaluations", "nowhere.parquet", "evaluations: there is no file 'nowhere.parquet'"),
    ("evaluations", "{x}.parquet", "evaluations: '{x}.parquet' must not hold braces"),
]

# The text of config/datasets/NAME.yaml, and what the line must say.
DATASETS: list[tuple[str, str, str]] = [
    ("bad", "task_type:\n- [", "config/datasets/bad.yaml: line 2: not YAML"),
    ("bad", "", "config/datasets/bad.yaml: must hold keys with values"),
    ("bad", yaml.safe_dump([VQA]), "config/datasets/bad.yaml: must hold keys with values"),
    (
        "bad",
        yaml.safe_dump(VQA | {"metric": "accuracy"}),
        "config/datasets/bad.yaml: metric: 'accuracy' must be one of",
    ),
    (
        "bad",
        yaml.safe_dump(VQA | {"splits": []}),
        "config/datasets/bad.yaml: splits: [] must have at least 1 entry",
    ),
    (
        "bad",
        yaml.safe_dump(VQA | {"prompt": "What?"}),
        "config/datasets/bad.yaml: prompt: 'What?' must match",
    ),
    (
        "bad",
        yaml.safe_dump(VQA | {"max_new_tokens": "4.5"}),
        "config/datasets/bad.yaml: max_new_tokens: ",
    ),
    (
        "bad",
        yaml.safe_dump(VQA | {"task_type": "Chess"}),
        "config/datasets/bad.yaml: task_type: 'Chess' must be one of",
    ),
    (
        "bad",
        yaml.safe_dump(VQA | {"above_chance": True}),
        "config/datasets/bad.yaml: metric: 'vqa' must be 'multiple_choice'",
    ),
    ("bad", yaml.safe_dump(VQA | {"promt": "x"}), "unknown key 'promt' (did you mean 'prompt'?)"),
    ("bad", "\ud800", "config/datasets/bad.yaml: not UTF-8 text"),
    (
        "bad",
        "!!python/object/apply:os.system ['touch canary']",
        "config/datasets/bad.yaml: line 1: not YAML",
    ),
    (
        "generic",
        yaml.safe_dump(VQA),
        "'generic' names results of all datasets or a task type; rename generic.yaml",
    ),
    ("task_vqa", yaml.safe_dump(VQA), "'task_vqa' names results of all datasets"),
]

GOOD_ROW = {
    "dataset": "a",
    "task_type": "VQA",
    "combination": "4-7",
    "removed": [4, 7],
    "size": 2,
    "role": "search",
    "n": 100,
    "n_clusters": 50,
    "baseline": 0.75,
    "score": 0.5,
    "drop": 0.25,
    "se": 0.01,
    "ci_low": 0.2,
    "ci_high": 0.3,
    "relative": 1 / 3,
    "relative_se": 0.02,
    "wins": 5,
    "losses": 30,
}
BASELINE = {
    "combination": "none",
    "removed": [],
    "size": 0,
    "score": 0.75,
    "drop": 0.0,
    "se": 0.0,
    "ci_low": 0.0,
    "ci_high": 0.0,
    "relative": 0.0,
    "relative_se": 0.0,
    "wins": 0,
    "losses": 0,
}

# What is other in the second row, and what the line must say.
ROWS: list[tuple[dict[str, Any], str]] = [
    ({"drop": -0.25, "ci_low": -0.3, "ci_high": -0.2}, "drop is not baseline - score"),
    (
        {"drop": 25.0, "ci_low": 20.0, "ci_high": 30.0},
        "drop is not baseline - score (score units, not points)",
    ),
    (
        {"baseline": 0.8, "drop": 0.3, "ci_high": 0.4, "relative": 0.375},
        "baseline is not the score of combination none on as many samples",
    ),
    ({"relative": 33.3}, "relative is not drop / baseline (a share, not %)"),
    ({"drop": float("nan")}, "a number is NaN or infinite"),
    ({"ci_high": float("inf")}, "a number is NaN or infinite"),
    ({"drop": None}, "baseline, score and drop must be numbers"),
    ({"ci_low": 0.26}, "drop lies outside ci_low to ci_high"),
    ({"se": -0.1}, "a standard error is below 0"),
    ({"score": 1.5, "drop": -0.75, "relative": -1.0}, "a bounded metric lies from 0 to 1"),
    ({"combination": "7-4"}, "combination must be none, or sorted sites"),
    ({"combination": "../x"}, "combination must be none, or sorted sites"),
    ({"removed": [7, 4]}, "removed must be sorted"),
    ({"size": 3}, "size is not the number of removed blocks"),
    ({"role": "test"}, "role must be search, holdout, verify"),
    ({"role": "holdout"}, "the dataset and role lack a row of the baseline, combination none"),
    (BASELINE, "a second row of the same dataset, combination and role"),
    ({"n": 0, "n_clusters": 0}, "n must be at least 1"),
    ({"n_clusters": 200}, "n_clusters must be from 1 to n"),
    ({"n": 101}, "n is more than the samples of the baseline"),
    ({"wins": 90}, "wins and losses are more than n"),
    ({"dataset": None}, "one of dataset, task_type"),
    ({"dataset": "../../x"}, "a dataset's name must be letters, digits"),
    ({"dataset": "$(touch canary)"}, "a dataset's name must be letters, digits"),
    ({"dataset": "generic"}, "generic is the name of the search over all datasets"),
    ({"task_type": "../x"}, "a task type must be letters, digits"),
    ({"task_type": "Captioning"}, "the dataset has several task types"),
]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing may appear where the user stands, least of all what a hostile name would create."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert not list(folder.iterdir())


def told(error: pytest.ExceptionInfo[BlocksieveError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("key", "value", "message"), CONFIGS, ids=lambda value: repr(value)[:40])
def test_a_wrong_config(key: str, value: Any, message: str) -> None:
    config = copy.deepcopy(DEFAULT)
    *parents, last = key.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(ConfigError) as error:
        resolve(config, ROOT)
    assert message in told(error)


@pytest.mark.parametrize(("name", "text", "message"), DATASETS)
def test_a_wrong_dataset(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / "config/datasets").mkdir(parents=True)
    shutil.copy(ROOT / "config/schema.yaml", tmp_path / "config")
    (tmp_path / f"config/datasets/{name}.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError) as error:
        resolve(DEFAULT | {"datasets": [name]}, tmp_path)
    assert message in told(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"search": DEFAULT["search"] | {"max_removed": 16}},
            "search.max_removed: 16 must be less than the 16 blocks",
        ),
        ({"finalists": ["2-16"]}, "finalists: '2-16' names a block that the model lacks"),
        ({"finalists": ["9" * 30]}, "names a block that the model lacks"),
    ],
)
def test_a_search_beyond_the_model(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_against_model(resolve(DEFAULT | change, ROOT), 16)
    assert message in told(error)


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "given.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize(("change", "message"), ROWS)
def test_a_table_that_contradicts_itself(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good = write(tmp_path, [GOOD_ROW | BASELINE, GOOD_ROW])
    assert len(read_user_table(good)) == 2
    with pytest.raises(DataError) as error:
        read_user_table(write(tmp_path, [GOOD_ROW | BASELINE, GOOD_ROW | change]))
    assert message in told(error)
    assert "given.parquet: row " in told(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": "0.25"}, "column 'drop' is String, must be Float64"),
        ({"removed": "4-7"}, "column 'removed' is String, must be List(UInt8)"),
        ({"removed": [4, 300]}, "column 'removed' is List(Int64), must be List(UInt8)"),
        ({"n": -100}, "column 'n' is Int64, must be UInt32"),
        ({"size": 2.5}, "column 'size' is Float64, must be UInt8"),
    ],
)
def test_a_table_with_another_type(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as error:
        read_user_table(write(tmp_path, [GOOD_ROW | BASELINE | change, GOOD_ROW | change]))
    assert message in told(error)


@pytest.mark.parametrize("column", list(GOOD_ROW))
def test_a_table_without_a_column(tmp_path: Path, column: str) -> None:
    row = {name: value for name, value in GOOD_ROW.items() if name != column}
    with pytest.raises(DataError) as error:
        read_user_table(write(tmp_path, [row]))
    assert f"given.parquet: column {column!r} is missing" in told(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"dataset,drop\na,1\n", "given.parquet: not a Parquet table"),
        (b"", "given.parquet: not a Parquet table"),
        (b"PAR1" + bytes(100) + b"PAR1", "given.parquet: not a Parquet table"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "given.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_user_table(path)
    assert message in told(error)


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "given.parquet"
    pl.DataFrame([GOOD_ROW]).clear().write_parquet(path)
    with pytest.raises(DataError) as error:
        read_user_table(path)
    assert "the table has no rows" in told(error)


class Canary:
    """Unpickling this would leave a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path("canary").touch, ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", "cannot load"),
        ("pytorch_model.bin", "no weights"),
        ("model.safetensors.txt", "no weights"),
    ],
)
def test_a_pickle_instead_of_weights(
    tmp_path: Path, demo_model_config: dict[str, Any], name: str, message: str
) -> None:
    from blocksieve.models.describe import describe_model
    from blocksieve.models.loading import load_model

    folder = tmp_path / "checkpoint"
    shutil.copytree(demo_model_config.path, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / name).write_bytes(pickle.dumps(Canary()))
    model = replace(demo_model_config, path=str(folder))
    with pytest.raises(ModelError) as error:
        (describe_model(model), load_model(model))
    assert "config: model.path: " in told(error)
    assert message in told(error)


def png(width: int, height: int, data: bytes = b"", extra: bytes = b"") -> bytes:
    """A black and white PNG of any size, whatever its data hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [
        chunk(b"IHDR", header),
        extra and chunk(b"zTXt", extra),
        chunk(b"IDAT", data),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (png(10_000, 10_000, zlib.compress(bytes(1251 * 10_000))), "100000000 pixels"),
        (png(2**31 - 1, 2**31 - 1), "pixels"),
        (
            png(8, 8, zlib.compress(bytes(16)), b"Comment\0\0" + zlib.compress(bytes(10**8))),
            "broken picture",
        ),
        (png(8, 8, zlib.compress(bytes(3))), "broken picture"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "not a picture",
        ),
        (b"", "not a picture"),
        (pickle.dumps(Canary()), "not a picture"),
    ],
    ids=[
        "100 megapixels",
        "more than memory",
        "bomb in a comment",
        "cut off",
        "SVG",
        "empty",
        "pickle",
    ],
)
def test_a_picture_that_is_none_or_too_large(picture: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        check_picture(picture)
    told(error)
