"""What was raced out is nowhere taken for a combination that all samples answered."""

import importlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from planted import planted_definition, planted_evidence, planted_run, planted_shard

from blocksieve.analysis import (
    ANALYSES,
    combination_vs_individual,
    power,
    rankings_by_num_removed,
)
from blocksieve.choosing import choose
from blocksieve.combination import Combination
from blocksieve.evaluations import SCHEMA
from blocksieve.evidence import Evidence
from blocksieve.figures.rankings_by_num_removed import RACED_HEADING, draw
from blocksieve.merging import merge_shards
from blocksieve.page.measurements import measurements
from blocksieve.report.evaluations import sections as evaluation_sections
from blocksieve.report.rankings_by_num_removed import sections as ranking_sections
from blocksieve.shards import by_cluster
from blocksieve.user_table import read_user_table

COSTS = {"a": (0.05, 0.1, 0.2, 0.3), "b": (0.1, 0.05, 0.3, 0.2)}
TASK_TYPES = {"a": "VQA", "b": "Captioning"}
N = 200
SEEN = 25
# Raced out on both datasets, and on the second alone; their few samples make them look best.
EVERYWHERE, ON_B = "2-3", "1-3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shards of a raced run."""
    folder = tmp_path_factory.mktemp("raced")
    planted_run(folder, COSTS, TASK_TYPES, N)
    for path in sorted(folder.glob("*.parquet")):
        pairs = pl.read_parquet(path)
        out = [EVERYWHERE] if path.stem == "a" else [EVERYWHERE, ON_B]
        is_out = pl.col("combination").is_in(out) & (pl.col("role") == "search")
        number = pl.col("sample_id").str.extract(r"(\d+)$").cast(pl.Int64)
        seen = pairs.filter(~is_out | (number < SEEN))
        score = pl.when(is_out).then(pl.lit(1.0, pl.Float32)).otherwise("score")
        seen = seen.with_columns(score=score)
        # No such combination is a finalist.
        seen.filter(~pl.col("combination").is_in(out) | (pl.col("role") == "search")).write_parquet(
            path
        )
    return folder


@pytest.fixture(scope="module")
def evidence(folder: Path) -> Evidence:
    paths = sorted(folder.glob("*.parquet"))
    definitions = {dataset: planted_definition(each) for dataset, each in TASK_TYPES.items()}
    sums = {path.stem: by_cluster([path]).lazy() for path in paths}
    return planted_evidence(merge_shards(definitions, paths, 0), sums=sums)


@pytest.fixture(scope="module")
def without_sums(evidence: Evidence) -> Evidence:
    """The evidence of which finalists are chosen, and that of a given table."""
    return planted_evidence(evidence.evaluations)


def test_a_column_says_what_was_raced_out_only_where_something_was(
    evidence: Evidence, tmp_path: Path
) -> None:
    rows = evidence.evaluations.filter("raced_out").select("dataset", "combination", "role", "n")
    assert rows.rows() == [
        ("a", EVERYWHERE, "search", SEEN),
        ("b", ON_B, "search", SEEN),
        ("b", EVERYWHERE, "search", SEEN),
    ]
    shard = planted_shard({"none": [1.0] * 4, "0": [0.0] * 4}, list("abcd"))
    refused = pl.when(pl.col("combination") == "0").then(pl.lit("no cache"))
    score = pl.when(pl.col("combination") != "0").then("score")
    shard.with_columns(refused=refused, score=score).write_parquet(tmp_path / "a.parquet")
    table = merge_shards({"a": planted_definition()}, [tmp_path / "a.parquet"], 0)
    assert table.columns == list(SCHEMA)
    assert table["n"].to_list() == [4, 0]


@pytest.mark.parametrize("with_sums", [True, False])
def test_choices_ties_and_coverage_leave_it_out(
    evidence: Evidence, without_sums: Evidence, with_sums: bool
) -> None:
    seen = evidence if with_sums else without_sums
    chosen = {(str(choice.combination), choice.name) for choice in choose(seen)}
    everywhere, on_b = Combination.parse(EVERYWHERE), Combination.parse(ON_B)
    assert EVERYWHERE not in {name for name, _ in chosen}
    assert not {(ON_B, "b"), (ON_B, "generic")} & chosen
    assert everywhere not in seen.coverage
    assert seen.coverage[on_b] == {"a": N}
    assert not {everywhere, on_b} & seen.tied(2, ["a", "b"])
    assert not {everywhere, on_b} & set(seen.with_full_coverage())
    assert set(seen.drops["a"].means) == set(seen.values("a", list(seen.row_index["a"])))


def test_the_ranking_shows_it_apart_with_its_interval(evidence: Evidence) -> None:
    ranking = rankings_by_num_removed.analyse(evidence)
    rows = {row["combination"]: row for row in ranking.to_dicts()}
    assert [rows[name]["coverage"] for name in ("0-1", ON_B, EVERYWHERE)] == [2, 1, 0]
    for name in (ON_B, EVERYWHERE):
        assert (rows[name]["rank"], rows[name]["full"], rows[name]["tied"]) == (None, False, None)
    assert rows[EVERYWHERE]["n_total"] == 2 * SEEN
    assert rows[EVERYWHERE]["relative_ci_low"] < rows[EVERYWHERE]["relative_ci_high"]
    assert max(row["rank"] or 0 for row in rows.values() if row["size"] == 2) == 4
    drawn = draw(ranking, "relative").to_json()
    assert RACED_HEADING in drawn
    partial = ranking_sections(ranking, "%")[-1]
    assert "partial coverage, not ranked: 2 of 2" in partial.title


def test_the_report_counts_it(evidence: Evidence) -> None:
    _, cautions = evaluation_sections(evidence.evaluations, {})
    saved = N - SEEN
    first, second = cautions.notes
    assert f"a: 1 of 10 combinations were raced out, which saved {saved} of 2,000" in first
    assert f"b: 2 of 10 combinations were raced out, which saved {2 * saved} of 2,000" in second


def test_the_page_shows_it_greyed_after_how_many_samples(evidence: Evidence) -> None:
    shown = measurements(evidence, rankings_by_num_removed.analyse(evidence), {})
    rows = {row["name"]: row for row in shown["combinations"]}
    assert "raced_out" not in rows["0-1"]
    assert rows[EVERYWHERE]["by_search"] == [None, None]
    assert [dataset["name"] for dataset in shown["datasets"]] == ["b", "a"]
    assert rows[ON_B]["by_search"][0] is None
    on_b, on_a = rows[ON_B]["raced_out"]
    assert on_a is None
    drop, half, n = on_b
    row = evidence.table.filter(dataset="b", combination=ON_B).row(0, named=True)
    assert (drop, n) == (row["drop"], SEEN)
    assert half == pytest.approx(row["high"] - row["drop"])


# The ranking shows it, and stability takes seconds.
@pytest.mark.parametrize("name", sorted(set(ANALYSES) - {"rankings_by_num_removed", "stability"}))
def test_analyses_take_complete_drops_alone(evidence: Evidence, name: str) -> None:
    complete = planted_evidence(
        evidence.evaluations.filter(~pl.col("raced_out")).drop("raced_out"), sums=evidence.sums
    )
    analysis = importlib.import_module(f"blocksieve.analysis.{name}")
    result, expected = analysis.analyse(evidence), analysis.analyse(complete)
    if isinstance(result, dict):
        assert result == expected
        return
    # Task types count what any dataset has evaluated.
    counted = ["evaluated"]
    assert result.drop(counted, strict=False).equals(expected.drop(counted, strict=False))


def test_a_size_with_raced_out_combinations_is_not_exhaustive(evidence: Evidence) -> None:
    # Those of least drop on a part of the samples would make interactions of the rest look larger.
    untested = combination_vs_individual.analyse(evidence).filter(combination="0-1")["untested"]
    assert np.isin(untested.to_list(), [combination_vs_individual.CHOSEN, None]).all()
    assert not combination_vs_individual.is_exhaustive(evidence, 2)
    assert combination_vs_individual.is_exhaustive(evidence, 1)


def test_power_takes_errors_of_all_samples(evidence: Evidence) -> None:
    (row, _) = power.analyse(evidence).to_dicts()
    complete = evidence.evaluations.filter(
        ~pl.col("raced_out"), pl.col("size") > 0, dataset="a", role="search"
    )
    assert row["se"] == pytest.approx(100 * complete["se"].median())


def test_a_raced_runs_table_can_be_given(
    evidence: Evidence, without_sums: Evidence, tmp_path: Path
) -> None:
    evidence.evaluations.write_parquet(tmp_path / "table.parquet")
    given = read_user_table(tmp_path / "table.parquet")
    assert given.equals(evidence.evaluations)
    assert choose(planted_evidence(given)) == choose(without_sums)
    broken = given.with_columns(raced_out=pl.lit("maybe"))
    broken.write_parquet(tmp_path / "broken.parquet")
    with pytest.raises(Exception, match="column 'raced_out' is String, must be Boolean"):
        read_user_table(tmp_path / "broken.parquet")
