"""A table of evaluations that a user gives: what is wrong with it is said in one line."""

import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence

from blocksieve.analysis import pruning_recommendations
from blocksieve.errors import DataError
from blocksieve.evaluations import SCHEMA
from blocksieve.user_table import DEFAULTS, read_user_table

TABLE = planted_evaluations({"a": {(0,): 0.1, (1,): 0.2, (0, 1): 0.3}}, {"a": 0.5})


def test_a_table_comes_back_with_what_it_may_leave_out(tmp_path):
    TABLE.drop(*DEFAULTS).sample(fraction=1, shuffle=True, seed=0).write_parquet(
        tmp_path / "mine.parquet"
    )
    table = read_user_table(tmp_path / "mine.parquet")
    assert table.schema == pl.Schema(SCHEMA)
    assert table["bounded"].all()
    assert table.filter(role="search")["combination"].to_list() == ["none", "0", "1", "0-1"]


def test_a_table_may_verify_what_it_recommends(tmp_path):
    roles = ("search", "holdout", "verify")
    table = planted_evaluations({"a": {(0,): 0.0, (1,): 0.2}}, {"a": 0.5}, roles=roles, se=0.001)
    table.write_parquet(tmp_path / "mine.parquet")
    evidence = planted_evidence(read_user_table(tmp_path / "mine.parquet"))
    assert evidence.verify.samples == {"a": 100}
    verified = pruning_recommendations.analyse(evidence)["verified"]
    assert verified["conservative"]["drop"] == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (TABLE.drop("se"), "column 'se' is missing"),
        (TABLE.filter(size=0), "the table has baselines alone"),
        (TABLE.with_columns(drop=pl.lit("much")), "column 'drop' is String, must be Float64"),
        (TABLE.with_columns(n=pl.lit(-3)), "column 'n' is Int32, must be UInt32"),
        (TABLE.with_columns(removed=pl.lit([300])), "column 'removed' is List"),
        (
            TABLE.with_columns(task_type=pl.lit(None, pl.String)),
            "row 1 .*: one of dataset, task_type, .* is empty",
        ),
        (
            TABLE.with_columns(pl.col("combination").str.replace("-", ",")),
            "row .*'0,1'.*: combination must be none, or sorted sites such as 4 or 2-4a-10m",
        ),
        (
            TABLE.with_columns(pl.col("combination").str.replace("-1", "-2")),
            "row .*'0-2'.*: combination does not name the removed blocks",
        ),
        (
            TABLE.with_columns(size=pl.lit(1, pl.UInt8)),
            "row 1 .*: size is not the number of removed blocks",
        ),
        (
            TABLE.with_columns(score=pl.lit(0.4), drop=pl.col("baseline") - 0.4),
            "row 1 .*'none'.*: baseline is not the score of combination none on as many samples",
        ),
    ],
)
def test_a_faulty_table_is_refused(fault, message, tmp_path):
    fault.write_parquet(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"mine\.parquet: " + message):
        read_user_table(tmp_path / "mine.parquet")


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "mine.parquet").write_text("no")
    with pytest.raises(DataError, match="not a Parquet table"):
        read_user_table(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match="there is no file"):
        read_user_table(tmp_path / "other.parquet")
