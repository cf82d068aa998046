import polars as pl
import pytest

from blocksieve.errors import DataError
from blocksieve.search.beams import select_generic_beam, select_own_beam


def evaluations(rows: list[tuple[str, str, float, float]], bounded: bool = True) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "dataset": dataset,
                "combination": combination,
                "removed": [int(block) for block in combination.split("-")],
                "drop": drop,
                "baseline": baseline,
                "relative": drop / baseline if baseline else None,
                "bounded": bounded,
                "not_evaluable": None,
            }
            for dataset, combination, drop, baseline in rows
        ],
        schema_overrides={"relative": pl.Float64, "not_evaluable": pl.String},
    )


def test_own_beam_takes_the_least_drops_and_breaks_ties_by_block() -> None:
    table = evaluations(
        [("a", "10", 0.1, 1), ("a", "2", 0.1, 1), ("a", "3", -0.2, 1), ("a", "4", 0.3, 1)]
    )
    assert [entry["combination"] for entry in select_own_beam(table, 3)] == ["3", "2", "10"]


def test_a_combination_that_cannot_run_enters_no_beam() -> None:
    table = evaluations([("a", "0", 0.1, 1), ("a", "1", 0.2, 1)])
    refused = table.with_columns(
        drop=pl.when(combination="0").then(None).otherwise("drop"),
        not_evaluable=pl.when(combination="0").then(pl.lit("it holds the positions")),
    )
    assert [entry["combination"] for entry in select_own_beam(refused, 2)] == ["1"]
    assert [entry["combination"] for entry in select_generic_beam(refused, 2, "relative")] == ["1"]
    with pytest.raises(DataError, match="no combination of this step can be evaluated"):
        select_own_beam(refused.head(1), 2)


def test_generic_beam_averages_relative_drops() -> None:
    table = evaluations(
        [("a", "1", 0.1, 0.5), ("b", "1", 0.0, 2.0), ("a", "2", 0.0, 0.5), ("b", "2", 0.3, 2.0)]
    )
    beam = select_generic_beam(table, 1, "relative")
    assert beam == [{"combination": "2", "mean_drop": pytest.approx(0.075), "coverage": 2}]


def test_generic_beam_leaves_out_a_dataset_without_baseline_score() -> None:
    table = evaluations([("a", "1", 0.1, 0.5), ("b", "1", 0.0, 0.0)])
    assert select_generic_beam(table, 1, "relative")[0]["coverage"] == 1


def test_generic_beam_refuses_partial_coverage_and_no_dataset() -> None:
    with pytest.raises(DataError, match="combination 2 was not evaluated on every dataset"):
        select_generic_beam(
            evaluations([("a", "1", 0.1, 1), ("b", "1", 0.1, 1), ("a", "2", 0, 1)]), 1, "relative"
        )
    with pytest.raises(DataError, match="every baseline score is 0"):
        select_generic_beam(evaluations([("a", "1", 0.0, 0.0)]), 1, "relative")
    with pytest.raises(DataError, match="no metric lies in"):
        select_generic_beam(evaluations([("a", "1", 0.0, 1.0)], bounded=False), 1, "points")
