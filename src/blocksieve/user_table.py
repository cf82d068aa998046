"""Read a table of evaluations that the user made (`evaluations:` in the config), and check it."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import polars as pl

from blocksieve.choices import GENERIC
from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evaluations import DERIVED, ORDER, SCHEMA
from blocksieve.specs import Role

# Columns that may be left out, and what then stands there.
DEFAULTS = {
    "bounded": pl.col("task_type") != "Captioning",
    "near_ties": pl.lit(0),
    "non_finite": pl.lit(0),
    "unparsable": pl.lit(0),
    "not_evaluable": pl.lit(None),
}
# What every row must have.
REQUIRED = [
    "dataset",
    "task_type",
    "bounded",
    "combination",
    "removed",
    "size",
    "role",
    "n",
    "n_clusters",
]
NUMBERS = [
    "baseline",
    "baseline_se",
    "max_change",
    "score",
    "drop",
    "se",
    "ci_low",
    "ci_high",
    "relative",
    "relative_se",
]
KEY = ["dataset", "combination", "role"]
ROLES = get_args(Role)
DATASET_NAME = r"\A[A-Za-z0-9][A-Za-z0-9_.-]*\z"
TASK_TYPE_NAME = r"\A\w[\w -]*\z"
IS_BASELINE = pl.col("size") == 0
# Relative to numbers above 1, absolute below.
TOLERANCE = 1e-6


def read_user_table(path: Path) -> pl.DataFrame:
    """Read a table of evaluations and fill in what DEFAULTS says.

    DataError names the first column or row at fault, and what is wrong.
    """
    table = _with_all_columns(_read(path), path)
    numbered = table.with_row_index("row", offset=1)
    for fault, is_faulty in _faults():
        faulty = numbered.filter(is_faulty)
        if len(faulty):
            row = faulty.row(0, named=True)
            place = ", ".join(f"{name} {row[name]!r}" for name in KEY)
            raise DataError(
                f"{path}: row {row['row']} ({place}): {fault};"
                f" correct the table ({len(faulty)} such rows)"
            )
    if table.filter(~IS_BASELINE).is_empty():
        raise DataError(
            f"{path}: the table has baselines alone; give a row per combination that was measured"
        )
    return table.sort(ORDER)


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(
            f"config: evaluations: there is no file {str(path)!r}; give the path of a Parquet table"
        )
    try:
        return pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        first_line = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet table ({first_line})") from error


def _with_all_columns(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return the table with the columns of SCHEMA and their types."""
    if "task_type" in table.columns:
        absent = {name: value for name, value in DEFAULTS.items() if name not in table.columns}
        table = table.with_columns(**absent)
    columns = dict(SCHEMA)
    if "raced_out" in table.columns:  # as in the table of a raced run
        columns["raced_out"] = pl.Boolean()
    for name, dtype in columns.items():
        if name in DERIVED and name not in table.columns:
            # The columns that it derives from come before, and have their types by now.
            table = table.with_columns(DERIVED[name].alias(name))
        if name not in table.columns:
            needed = ", ".join(SCHEMA)
            raise DataError(f"{path}: column {name!r} is missing; the table needs {needed}")
        of_column = table[name]
        table = table.with_columns(_cast_exactly(of_column, dtype, path))
    if table.is_empty():
        raise DataError(
            f"{path}: the table has no rows; give one row per dataset, combination and role"
        )
    return table.select(list(columns))


def _cast_exactly(column: pl.Series, dtype: pl.DataType, path: Path) -> pl.Series:
    """Return the column in the type it must have; DataError if a value changed by that."""
    from_text = column.dtype == pl.String and dtype != pl.String
    try:
        cast = column.cast(dtype)
        changed = from_text or not cast.cast(column.dtype).equals(column, null_equal=True)
    except pl.exceptions.PolarsError:
        changed = True
    if changed:
        raise DataError(f"{path}: column {column.name!r} is {column.dtype}, must be {dtype}")
    return cast


def _faults() -> Iterator[tuple[str, pl.Expr]]:
    """Yield what a row must not be, in words and as an expression.

    Where a number is unknown, so is a comparison with it, and the row passes.
    """
    yield from _key_faults()
    yield from _number_faults()


def _key_faults() -> Iterator[tuple[str, pl.Expr]]:
    column = pl.col
    sorted_blocks = column("removed").list.unique().list.sort()
    kinds_per_dataset = pl.struct("task_type", "bounded").n_unique().over("dataset")
    yield (
        f"one of {', '.join(REQUIRED)} is empty",
        pl.any_horizontal(column(REQUIRED).is_null()),
    )
    yield (
        "a dataset's name must be letters, digits, _ . and -",
        ~column("dataset").str.contains(DATASET_NAME),
    )
    yield (
        "generic is the name of the search over all datasets, not of one",
        column("dataset") == GENERIC,
    )
    yield (
        "a task type must be letters, digits, spaces, _ and -",
        ~column("task_type").str.contains(TASK_TYPE_NAME),
    )
    yield f"role must be {', '.join(ROLES)}", ~column("role").is_in(ROLES)
    yield "removed must be sorted and without repeats", column("removed") != sorted_blocks
    yield (
        "combination must be none, or sorted sites such as 4 or 2-4a-10m",
        _num_sites(column("combination")).is_null(),
    )
    yield (
        "combination does not name the removed blocks",
        column("removed") != _blocks(column("combination")),
    )
    yield (
        "size is not the number of removed blocks",
        column("size") != _num_sites(column("combination")),
    )
    yield (
        "a second row of the same dataset, combination and role",
        ~pl.struct(KEY).is_first_distinct(),
    )
    yield (
        "the dataset and role lack a row of the baseline, combination none",
        ~IS_BASELINE.any().over("dataset", "role"),
    )
    yield (
        "the dataset has several task types or is bounded in some rows only",
        kinds_per_dataset > 1,
    )


def _num_sites(combination: pl.Expr) -> pl.Expr:
    """Return how many sites combinations remove; null for other texts."""
    return _blocks_by_site(combination).list.len()


def _blocks(combination: pl.Expr) -> pl.Expr:
    """Return the blocks that combinations remove, whole or a half of them; null for other texts."""
    return _blocks_by_site(combination).list.unique(maintain_order=True)


def _blocks_by_site(combination: pl.Expr) -> pl.Expr:
    return combination.map_elements(_read_blocks, return_dtype=pl.List(pl.UInt8))


def _read_blocks(text: str) -> list[int] | None:
    try:
        return [site.block for site in Combination.parse(text).sites]
    except ValueError:
        return None


def _number_faults() -> Iterator[tuple[str, pl.Expr]]:
    column = pl.col
    measured = column("not_evaluable").is_null()
    num_of_baseline = column("n").filter(IS_BASELINE).first().over("dataset", "role")
    baseline_score = column("score").filter(IS_BASELINE).first().over("dataset", "role", "n")
    changes = column("wins") + column("losses")
    drop = column("baseline") - column("score")
    relative = column("drop") / column("baseline")
    scores_bounded = column("score").is_between(-1, 1) & column("baseline").is_between(-1, 1)
    yield "n must be at least 1", measured & (column("n") < 1)
    yield (
        "n_clusters must be from 1 to n",
        measured & ~column("n_clusters").is_between(1, column("n")),
    )
    yield "wins and losses are more than n", measured & (changes > column("n"))
    yield "n is more than the samples of the baseline", measured & (column("n") > num_of_baseline)
    yield (
        "a number is NaN or infinite",
        pl.any_horizontal(column(NUMBERS).is_finite().not_()),
    )
    yield (
        "baseline, score and drop must be numbers",
        measured & pl.any_horizontal(column("baseline", "score", "drop").is_null()),
    )
    yield (
        "a bounded metric lies from 0 to 1, above chance from -1 to 1",
        column("bounded") & ~scores_bounded,
    )
    yield (
        "drop is not baseline - score (score units, not points)",
        _differs(column("drop"), drop),
    )
    yield (
        "baseline is not the score of combination none on as many samples",
        _differs(column("baseline"), baseline_score),
    )
    yield (
        "relative is not drop / baseline (a share, not %)",
        (column("baseline") != 0) & _differs(column("relative"), relative),
    )
    yield (
        "a standard error is below 0",
        pl.min_horizontal("se", "relative_se", "baseline_se") < 0,
    )
    yield (
        "drop lies outside ci_low to ci_high",
        (column("ci_low") > column("drop") + TOLERANCE)
        | (column("ci_high") < column("drop") - TOLERANCE),
    )


def _differs(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    tolerance = TOLERANCE * pl.max_horizontal(1.0, first.abs())
    return (first - second).abs() > tolerance
