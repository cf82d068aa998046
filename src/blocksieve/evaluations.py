"""Merge shards into `evaluations.parquet`: a row a dataset, combination and role, with paired drops and intervals."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from blocksieve.errors import DataError
from blocksieve.metrics import load_metric
from blocksieve.pieces import pieces
from blocksieve.specs import DatasetSpec
from blocksieve.statistics import cluster_bootstrap, clustered_mean, clustered_relative_drop

SCHEMA: dict[str, pl.DataType] = {
    "dataset": pl.String(),
    "task_type": pl.String(),
    "bounded": pl.Boolean(),
    "combination": pl.String(),
    "removed": pl.List(pl.UInt8),
    "size": pl.UInt8(),
    "role": pl.String(),
    "n": pl.UInt32(),
    "n_clusters": pl.UInt32(),
    "baseline": pl.Float64(),
    "score": pl.Float64(),
    "drop": pl.Float64(),
    "se": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "relative": pl.Float64(),
    "relative_se": pl.Float64(),
    "wins": pl.UInt32(),
    "losses": pl.UInt32(),
    "near_ties": pl.UInt32(),
    "non_finite": pl.UInt32(),
    "unparsable": pl.UInt32(),
    "not_evaluable": pl.String(),
}
# What a table of the user's own may leave out, and what then stands there.
DEFAULTS = {
    "bounded": pl.col("task_type") != "Captioning",
    "near_ties": pl.lit(0),
    "non_finite": pl.lit(0),
    "unparsable": pl.lit(0),
    "not_evaluable": pl.lit(None),
}
ORDER = ["dataset", "size", "removed", "role"]
# What every row of a table of the user's own must have.
KEY = (
    "dataset",
    "task_type",
    "bounded",
    "combination",
    "removed",
    "size",
    "role",
    "n",
    "n_clusters",
)


def merge_shards(
    definitions: Mapping[str, DatasetSpec], shards: Iterable[Path], seed: int
) -> pl.DataFrame:
    """The evaluations of the datasets in `definitions` from all their shards, each baseline's among them.

    A combination that the model cannot run has its reason in `not_evaluable`, n 0, and no numbers.

    Intervals are clustered by image; for a metric that is not bounded (CIDEr) they come from a bootstrap with `seed`.
    A combination may stand in several shards (proposed by several beams) if its scores are the same; DataError if they
    are not, or if a sample lacks its baseline.
    """
    rows = pl.scan_parquet(list(shards)).select(
        *("dataset", "combination", "removed", "size", "sample_id", "cluster", "role", "score"),
        *("near_tie", "non_finite", "unparsable", "refused"),
    )
    records = [
        record
        for name, definition in definitions.items()
        for record in _evaluate_dataset(
            name, definition, rows.filter(pl.col("dataset") == name), seed
        )
    ]
    return pl.DataFrame(records, schema=SCHEMA).fill_nan(None).sort(ORDER)


def _evaluate_dataset(
    name: str, definition: DatasetSpec, rows: pl.LazyFrame, seed: int
) -> Iterator[dict[str, Any]]:
    baseline = _sample_rows(name, rows.filter(pl.col("size") == 0)).select(
        "sample_id", baseline="score"
    )
    bounded = load_metric(definition.metric).bounded
    about = {"dataset": name, "task_type": definition.task_type, "bounded": bounded}
    for piece in pieces(rows):
        own = _sample_rows(name, piece)
        paired = own.join(baseline, on="sample_id", how="left").sort(
            "combination", "role", "sample_id"
        )
        if paired["baseline"].null_count():
            raise DataError(f"dataset {name}: samples without a baseline score; rerun its baseline")
        for group in paired.partition_by("combination", "role", maintain_order=True):
            yield about | _evaluation(group, bounded, seed)


def _sample_rows(dataset: str, rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows, each sample of a combination once; DataError if one has two scores."""
    found = rows.unique().collect()
    repeated = found.filter(pl.struct("combination", "sample_id").is_duplicated()).sort(
        "combination", "sample_id"
    )
    if len(repeated):
        raise DataError(
            f"dataset {dataset}: combination {repeated['combination'][0]} has two scores for sample "
            f"{repeated['sample_id'][0]}; delete its shards and rerun"
        )
    return found


def _evaluation(group: pl.DataFrame, bounded: bool, seed: int) -> dict[str, Any]:
    about = group.select("combination", "removed", "size", "role").row(0, named=True)
    if group["refused"][0] is not None:
        nothing = dict.fromkeys(
            ("n", "n_clusters", "wins", "losses", "near_ties", "non_finite", "unparsable"), 0
        )
        return about | nothing | {"not_evaluable": group["refused"][0]}
    baselines = group["baseline"].cast(pl.Float64).to_numpy()
    scores = group["score"].cast(pl.Float64).to_numpy()
    drops, clusters = baselines - scores, group["cluster"].to_numpy()
    change = 1 if bounded else float(baselines.mean())
    drop = (
        clustered_mean(drops, clusters, change)
        if bounded
        else cluster_bootstrap(drops, clusters, seed, change)
    )
    relative = clustered_relative_drop(drops, baselines, clusters, change)
    return {
        **about,
        "n": len(group),
        "n_clusters": len(np.unique(clusters)),
        "baseline": baselines.mean(),
        "score": scores.mean(),
        "drop": drop.mean,
        "se": drop.se,
        "ci_low": drop.low,
        "ci_high": drop.high,
        "relative": relative.mean,
        "relative_se": relative.se,
        "wins": int((drops < 0).sum()),
        "losses": int((drops > 0).sum()),
        "near_ties": group["near_tie"].sum(),
        "non_finite": group["non_finite"].sum(),
        "unparsable": group["unparsable"].sum(),
    }


def read_evaluations(path: Path) -> pl.DataFrame:
    """Read a table of evaluations and check it; DataError names the first column or row at fault, and what is wrong.

    Columns that users may leave out of a table of their own are filled in, as `DEFAULTS` says.
    """
    if not path.is_file():
        raise DataError(
            f"config: evaluations: there is no file {str(path)!r}; give the path of a Parquet table"
        )
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet table ({str(error).splitlines()[0]})") from error
    if "task_type" in table.columns:
        table = table.with_columns(
            **{name: value for name, value in DEFAULTS.items() if name not in table.columns}
        )
    for name, dtype in SCHEMA.items():
        if name not in table.columns:
            raise DataError(
                f"{path}: column {name!r} is missing; the table needs {', '.join(SCHEMA)}"
            )
        table = table.with_columns(_typed(table[name], dtype, path))
    table = table.select(list(SCHEMA)).with_row_index("row", offset=1)
    if table.is_empty():
        raise DataError(
            f"{path}: the table has no rows; give one with a row a dataset, combination and role"
        )
    for fault, faulty in FAULTS.items():
        found = table.filter(faulty)
        if len(found):
            row = found.row(0, named=True)
            where = ", ".join(
                f"{name} {row[name]!r}" for name in ("dataset", "combination", "role")
            )
            raise DataError(
                f"{path}: row {row['row']} ({where}): {fault}; correct the table ({len(found)} such rows)"
            )
    return table.drop("row").sort(ORDER)


def _typed(column: pl.Series, dtype: pl.DataType, path: Path) -> pl.Series:
    """A column as the type it must have, where no value changes by that."""
    of_text = column.dtype == pl.String and dtype != pl.String
    try:
        typed = column.cast(dtype)
        changed = of_text or not typed.cast(column.dtype).equals(column, null_equal=True)
    except pl.exceptions.PolarsError:
        changed = True
    if changed:
        raise DataError(f"{path}: column {column.name!r} is {column.dtype}, must be {dtype}")
    return typed


# What a row must not be. Where a number is unknown a comparison is too, and the row passes.
_NUMBERS = ("baseline", "score", "drop", "se", "ci_low", "ci_high", "relative", "relative_se")
_measured = pl.col("not_evaluable").is_null()
_own = pl.struct("dataset", "combination", "role")
_text = pl.col("removed").cast(pl.List(pl.String)).list.join("-")
_name = r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\z"


def _apart(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    return (one - other).abs() > 1e-6 * pl.max_horizontal(1.0, one.abs())


FAULTS: dict[str, pl.Expr] = {
    f"one of {', '.join(KEY)} is empty": pl.any_horizontal(pl.col(KEY).is_null()),
    "a dataset's name must be letters, digits, _ . and -": ~pl.col("dataset").str.contains(_name),
    "generic is the name of the search over all datasets, not of one": pl.col("dataset")
    == "generic",
    "a task type must be letters, digits, spaces, _ and -": ~pl.col("task_type").str.contains(
        r"\A\w[\w -]*\z"
    ),
    "role must be search or holdout": ~pl.col("role").is_in(["search", "holdout"]),
    "removed must be sorted and without repeats": pl.col("removed")
    != pl.col("removed").list.unique().list.sort(),
    "size is not the number of removed blocks": pl.col("size") != pl.col("removed").list.len(),
    "combination does not name the removed blocks": pl.col("combination")
    != pl.when(pl.col("size") == 0).then(pl.lit("none")).otherwise(_text),
    "a second row of the same dataset, combination and role": ~_own.is_first_distinct(),
    "the dataset and role lack a row of the baseline, combination none": ~(pl.col("size") == 0)
    .any()
    .over("dataset", "role"),
    "the dataset has several task types or is bounded in some rows only": pl.struct(
        "task_type", "bounded"
    )
    .n_unique()
    .over("dataset")
    > 1,
    "n must be at least 1": _measured & (pl.col("n") < 1),
    "n_clusters must be from 1 to n": _measured & ~pl.col("n_clusters").is_between(1, pl.col("n")),
    "wins and losses are more than n": _measured
    & (pl.col("wins") + pl.col("losses") > pl.col("n")),
    "a number is NaN or infinite": pl.any_horizontal(pl.col(_NUMBERS).is_finite().not_()),
    "baseline, score and drop must be numbers": _measured
    & pl.any_horizontal(pl.col("baseline", "score", "drop").is_null()),
    "a bounded metric lies from 0 to 1": pl.col("bounded")
    & ~(pl.col("score").is_between(0, 1) & pl.col("baseline").is_between(0, 1)),
    "drop is not baseline - score (score units, not points)": _apart(
        pl.col("drop"), pl.col("baseline") - pl.col("score")
    ),
    "relative is not drop / baseline (a share, not %)": (pl.col("baseline") != 0)
    & _apart(pl.col("relative"), pl.col("drop") / pl.col("baseline")),
    "a standard error is below 0": pl.min_horizontal("se", "relative_se") < 0,
    "drop lies outside ci_low to ci_high": (pl.col("ci_low") > pl.col("drop") + 1e-6)
    | (pl.col("ci_high") < pl.col("drop") - 1e-6),
}


def shard_metadata(path: Path) -> dict[str, Any]:
    """How a shard's rows came about: versions, fingerprint, device, dtype, engine."""
    return dict(json.loads(pl.read_parquet_metadata(path)["blocksieve"]))
