import polars as pl
import pytest

from blocksieve.errors import DataError
from blocksieve.search.beams import select_generic_beam, select_own_beam

EQUAL: dict[str, float] = {}


def evaluations(rows: list[tuple[str, str, float, float]], bounded: bool = True) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "dataset": dataset,
                "combination": combination,
                "removed": [int(site.rstrip("am")) for site in combination.split("-")],
                "drop": drop,
                "baseline": baseline,
                "relative": drop / baseline if baseline else None,
                "baseline_se": 0.02,
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
    assert [
        entry["combination"] for entry in select_generic_beam(refused, 2, "relative", EQUAL)
    ] == ["1"]
    with pytest.raises(DataError, match="no combination of this step can be evaluated"):
        select_own_beam(refused.head(1), 2)


def test_generic_beam_averages_relative_drops() -> None:
    table = evaluations(
        [("a", "1", 0.1, 0.5), ("b", "1", 0.0, 2.0), ("a", "2", 0.0, 0.5), ("b", "2", 0.3, 2.0)]
    )
    beam = select_generic_beam(table, 1, "relative", EQUAL)
    assert beam == [{"combination": "2", "mean_drop": pytest.approx(0.075), "coverage": 2}]


def test_generic_beam_leaves_out_a_dataset_without_baseline_score() -> None:
    table = evaluations([("a", "1", 0.1, 0.5), ("b", "1", 0.0, 0.0)])
    assert select_generic_beam(table, 1, "relative", EQUAL)[0]["coverage"] == 1


def test_generic_beam_refuses_partial_coverage_and_no_dataset() -> None:
    with pytest.raises(DataError, match="combination 2 was not evaluated on every dataset"):
        select_generic_beam(
            evaluations([("a", "1", 0.1, 1), ("b", "1", 0.1, 1), ("a", "2", 0, 1)]),
            1,
            "relative",
            EQUAL,
        )
    with pytest.raises(DataError, match="every baseline score is 0"):
        select_generic_beam(evaluations([("a", "1", 0.0, 0.0)]), 1, "relative", EQUAL)
    unbounded = evaluations([("a", "1", 0.0, 1.0)], bounded=False)
    with pytest.raises(DataError, match="no metric lies in"):
        select_generic_beam(unbounded, 1, "points", EQUAL)


def test_generic_beam_leaves_out_a_weak_dataset_unless_all_are() -> None:
    # On b a baseline of 0.09 has an error of 0.02, so that shares of it say little.
    table = evaluations(
        [("a", "1", 0.1, 1), ("b", "1", 0.0, 0.09), ("a", "2", 0.0, 1), ("b", "2", 0.09, 0.09)]
    )
    (best,) = select_generic_beam(table, 1, "relative", EQUAL)
    assert best == {"combination": "2", "mean_drop": 0.0, "coverage": 1}
    (best,) = select_generic_beam(table.filter(dataset="b"), 1, "relative", EQUAL)
    assert best["combination"] == "1"
    (best,) = select_generic_beam(table, 1, "points", EQUAL)
    assert best["combination"] == "2"
    assert best["coverage"] == 2


def test_generic_beam_weighs_the_datasets() -> None:
    table = evaluations(
        [("a", "1", 0.1, 1), ("b", "1", 0.0, 1), ("a", "2", 0.0, 1), ("b", "2", 0.2, 1)]
    )
    assert select_generic_beam(table, 1, "relative", EQUAL)[0]["combination"] == "1"
    (best,) = select_generic_beam(table, 1, "relative", {"a": 3})
    assert best == {"combination": "2", "mean_drop": pytest.approx(0.05), "coverage": 2}


def test_beams_of_halves_are_the_same_each_time() -> None:
    """Halves of a block remove the same block; equal drops are in the combinations' order."""
    halves = [f"{block}{part}" for block in range(9) for part in "ma"]
    rows = [(dataset, half, 0.1, 1) for half in halves for dataset in "ab"]
    table = evaluations(rows)
    beams = [select_generic_beam(table, 3, "relative", EQUAL) for _ in range(20)]
    assert [entry["combination"] for entry in beams[0]] == ["0a", "0m", "1a"]
    assert all(beam == beams[0] for beam in beams)
    own = select_own_beam(table.filter(dataset="a"), 3)
    assert [entry["combination"] for entry in own] == ["0a", "0m", "1a"]
