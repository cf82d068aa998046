"""Merge shards into `evaluations.parquet`: a row a dataset, combination and role, with paired drops and intervals."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from blocksieve.errors import DataError
from blocksieve.metrics import load_metric
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
KEY = ("dataset", "task_type", "bounded", "combination", "removed", "size", "role", "n", "n_clusters")


def merge_shards(definitions: dict[str, dict[str, Any]], shards: Iterable[Path], seed: int) -> pl.DataFrame:
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
    tables = [
        _evaluate_dataset(name, definition, rows.filter(pl.col("dataset") == name).unique().collect(), seed)
        for name, definition in definitions.items()
    ]
    return pl.concat(tables).sort(ORDER)


def _evaluate_dataset(name: str, definition: dict[str, Any], rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    repeated = rows.filter(pl.struct("combination", "sample_id").is_duplicated()).sort("combination", "sample_id")
    if len(repeated):
        raise DataError(
            f"dataset {name}: combination {repeated['combination'][0]} has two scores for sample "
            f"{repeated['sample_id'][0]}; delete its shards and rerun"
        )
    baseline = rows.filter(pl.col("size") == 0).select("sample_id", baseline="score")
    paired = rows.join(baseline, on="sample_id", how="left").sort("size", "removed", "role", "sample_id")
    if paired["baseline"].null_count():
        raise DataError(f"dataset {name}: samples without a baseline score; rerun its baseline")
    bounded = load_metric(definition["metric"]).bounded
    groups = paired.partition_by("combination", "role", maintain_order=True)
    about = {"dataset": name, "task_type": definition["task_type"], "bounded": bounded}
    records = [about | _evaluation(group, bounded, seed) for group in groups]
    return pl.DataFrame(records, schema=SCHEMA).fill_nan(None)


def _evaluation(group: pl.DataFrame, bounded: bool, seed: int) -> dict[str, Any]:
    about = group.select("combination", "removed", "size", "role").row(0, named=True)
    if group["refused"][0] is not None:
        nothing = dict.fromkeys(("n", "n_clusters", "wins", "losses", "near_ties", "non_finite", "unparsable"), 0)
        return about | nothing | {"not_evaluable": group["refused"][0]}
    baselines = group["baseline"].cast(pl.Float64).to_numpy()
    scores = group["score"].cast(pl.Float64).to_numpy()
    drops, clusters = baselines - scores, group["cluster"].to_numpy()
    change = 1 if bounded else float(baselines.mean())
    drop = clustered_mean(drops, clusters, change) if bounded else cluster_bootstrap(drops, clusters, seed, change)
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
    """Read a table of evaluations and check its columns; DataError names the first one missing or of another type.

    Columns that users may leave out of a table of their own are filled in, as `DEFAULTS` says.
    """
    if not path.exists():
        raise DataError(f"config: evaluations: there is no file {str(path)!r}; give the path of a Parquet table")
    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet table ({str(error).splitlines()[0]})") from error
    if "task_type" in table.columns:
        table = table.with_columns(**{name: value for name, value in DEFAULTS.items() if name not in table.columns})
    for name, dtype in SCHEMA.items():
        if name not in table.columns:
            raise DataError(f"{path}: column {name!r} is missing; the table needs {', '.join(SCHEMA)}")
        try:
            table = table.with_columns(pl.col(name).cast(dtype))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path}: column {name!r} is {table.schema[name]}, must be {dtype}") from error
    _check_rows(table, path)
    return table.select(list(SCHEMA)).sort(ORDER)


def _check_rows(table: pl.DataFrame, path: Path) -> None:
    """DataError for the first row whose key is not whole or whose combination is not the blocks removed."""
    for name in KEY:
        if table[name].null_count():
            row = table[name].is_null().arg_max()
            raise DataError(f"{path}: column {name!r} is empty in row {row}; every row needs it")
    blocks = pl.col("removed").list.eval(pl.element().cast(pl.String)).list.join("-")
    named = pl.when(pl.col("removed").list.len() == 0).then(pl.lit("none")).otherwise(blocks)
    wrong = table.with_columns(named=named).filter(
        (pl.col("combination") != pl.col("named")) | (pl.col("size") != pl.col("removed").list.len())
    )
    if not wrong.is_empty():
        given, right = wrong.select("combination", "named").row(0)
        raise DataError(
            f"{path}: combination {given!r} removes {right}; name it so, and give the number of blocks as its size"
        )


def shard_metadata(path: Path) -> dict[str, Any]:
    """How a shard's rows came about: versions, fingerprint, device, dtype, engine."""
    return dict(json.loads(pl.read_parquet_metadata(path)["blocksieve"]))
