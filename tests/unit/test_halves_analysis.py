"""Halves of blocks compared, on planted drops: by block, by depth and by task type."""

import itertools
import json
from typing import Any

import polars as pl
import pytest
from planted import planted_evidence, planted_halves

from blocksieve.analysis import (
    combination_vs_individual,
    importance_heatmap,
    pruning_recommendations,
    trade_off,
)
from blocksieve.analysis import halves as analysis
from blocksieve.compared_halves import BEYOND_SUM, BOTH, DIFFERENCE
from blocksieve.figures import halves as figure
from blocksieve.figures import importance_heatmap as heatmap_figure
from blocksieve.figures import trade_off as trade_off_figure
from blocksieve.merging import with_removed_shares
from blocksieve.report import halves as report
from blocksieve.report import trade_off as trade_off_report

NUM_BLOCKS = 6


def drop(block: int, part: str) -> float:
    """Token mixers cost 2 points per block of depth, channel mixers 5 points everywhere."""
    return 0.02 * block if part == "a" else 0.05


DROPS = {f"{block}{part}": drop(block, part) for block in range(NUM_BLOCKS) for part in "am"}
TOGETHER = {"3a-3m": 0.2, "4": 0.3}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    evaluations = planted_halves({"a": DROPS | TOGETHER, "b": DROPS | TOGETHER})
    return analysis.analyse(planted_evidence(evaluations, "points", num_blocks=NUM_BLOCKS))


def mean(table: pl.DataFrame, **which: object) -> float:
    return table.filter(**which)["mean"].item()


def test_every_half_has_its_mean_and_a_block_its_difference(table: pl.DataFrame) -> None:
    of_blocks = table.filter(level="block")
    assert mean(of_blocks, block=4, what="token mixer") == pytest.approx(8)
    assert mean(of_blocks, block=4, what="channel mixer") == pytest.approx(5)
    assert mean(of_blocks, block=4, what=DIFFERENCE) == pytest.approx(3)


def test_both_halves_are_the_block_or_its_halves_together(table: pl.DataFrame) -> None:
    both = table.filter(what=BOTH)
    assert dict(both.select("block", "mean").iter_rows()) == pytest.approx({3: 20, 4: 30})
    beyond = table.filter(what=BEYOND_SUM)
    # A search measures 3a-3m because its halves look cheap, which says nothing of their sum.
    assert dict(beyond.select("block", "mean").iter_rows()) == pytest.approx({4: 17})
    assert beyond["shown"].all()


def test_all_pairs_of_halves_tell_what_both_cost_beyond_their_sum() -> None:
    sites = [f"{block}{part}" for block in range(3) for part in "am"]
    pairs = {"-".join(pair): 0.3 for pair in itertools.combinations(sites, 2)}
    drops = dict.fromkeys(sites, 0.1) | pairs
    evidence = planted_evidence(planted_halves({"a": drops, "b": drops}), "points", num_blocks=3)
    beyond = analysis.analyse(evidence).filter(what=BEYOND_SUM)
    assert dict(beyond.select("block", "mean").iter_rows()) == pytest.approx({0: 10, 1: 10, 2: 10})


def test_groups_average_over_the_blocks_of_a_position(table: pl.DataFrame) -> None:
    groups = table.filter(level="group", what=DIFFERENCE, group="all")
    by_position = dict(groups.select("position", "mean").iter_rows())
    assert by_position == pytest.approx({"all": 0, "early": -4, "middle": 0, "late": 4})
    assert dict(groups.select("position", "shown").iter_rows())["early"]
    assert not dict(groups.select("position", "shown").iter_rows())["all"]
    assert set(table["group"]) == {"all", "type 0", "type 1"}


def test_a_single_task_type_is_all_there_is() -> None:
    drops = {"0a": 0.1, "0m": 0.2, "1a": 0.1, "1m": 0.2}
    evidence = planted_evidence(planted_halves({"a": drops}), "points", num_blocks=2)
    assert set(analysis.analyse(evidence)["group"]) == {"all"}


def test_figure_and_section_name_the_samples(table: pl.DataFrame) -> None:
    assert set(table["role"]) == {"search"}
    assert "on search samples" in str(figure.draw(table, "points").to_dict())
    groups, _ = report.sections(table, "pp")
    assert "On search samples." in groups.notes


def test_other_analyses_tell_a_block_from_its_halves() -> None:
    drops = {"2": 0.3, "2a": 0.1, "2m": 0.2, "10a": 0.05}
    evidence = planted_evidence(planted_halves({"a": drops, "b": drops}), "points", num_blocks=12)
    cells = importance_heatmap.analyse(evidence).filter(dataset="a")
    assert cells["site"].to_list() == ["2", "2a", "2m", "10a"]
    assert cells["drop"].to_list() == pytest.approx([30, 10, 20, 5])
    chart = heatmap_figure.draw(cells, "points").to_dict()
    assert '"domain": ["2", "2a", "2m", "10a"]' in json.dumps(chart)
    path = pruning_recommendations.analyse(evidence)["path"]
    assert path[0]["added_site"] == "10a"


@pytest.mark.parametrize(("missing", "untested"), [(0, None), (1, "chosen")])
def test_only_all_pairs_of_halves_are_exhaustive(missing: int, untested: str | None) -> None:
    """A pair that the search chose says nothing of interactions, unless all pairs were measured."""
    sites = [f"{block}{part}" for block in range(3) for part in "am"]
    pairs = ["-".join(pair) for pair in itertools.combinations(sites, 2)]
    drops = dict.fromkeys([*sites, *pairs[: len(pairs) - missing], "0", "1"], 0.1)
    evaluations = planted_halves({"a": drops}).filter(role="search")
    evidence = planted_evidence(evaluations, "points", num_blocks=3)
    table = combination_vs_individual.analyse(evidence)
    assert set(table["untested"]) == {untested}


def test_lists_of_halves_and_of_whole_blocks_are_compared_by_what_they_save() -> None:
    drops = {"0a": 0.02, "0m": 0.01, "1a": 0.04, "0": 0.05, "1": 0.2, "0m-1a": 0.1, "0-1": 0.3}
    shares = {"0a": 0.02, "0m": 0.03, "1a": 0.02, "0": 0.05, "1": 0.05}
    sites: Any = {
        site: {"parameters": share, "flops": share, "kv_cache": None}
        for site, share in shares.items()
    }
    evaluations = with_removed_shares(planted_halves({"a": drops, "b": drops}), sites)
    evidence = planted_evidence(evaluations, "points", num_blocks=2)
    document = trade_off.analyse(evidence)
    points = [point for point in document["points"] if point["curve"] == "whole_blocks"]
    assert [point["combination"] for point in points] == ["0", "0-1"]
    assert [point["removed_parameters"] for point in points] == pytest.approx([0.05, 0.1])
    assert [point["removed_kv_cache"] for point in points] == [None, None]

    first, second = pruning_recommendations.analyse(evidence)["sizes"]
    assert (first["combination"], first["removed"]) == ("0m", ["0m"])
    assert second["removed"] == ["0m", "1a"]
    assert second["removed_parameters"] == pytest.approx(0.05)

    spec = trade_off_figure.draw(document, "points").to_dict()
    of_savings = spec["vconcat"][1]["concat"]
    assert len(of_savings) == 2
    assert "parameters saved, %" in json.dumps(of_savings[0])
    (section,) = trade_off_report.sections(document, "pp")
    assert section.header[3:5] == ["parameters %", "FLOPs %"]


def test_without_halves_there_is_nothing_to_compare() -> None:
    evaluations = planted_halves({"a": {"1": 0.1, "2": 0.2}})
    table = analysis.analyse(planted_evidence(evaluations, "points", num_blocks=NUM_BLOCKS))
    assert table.is_empty()
    assert "No half" in str(figure.draw(table, "points").to_dict())


def test_figure_and_section_show_what_the_table_says(table: pl.DataFrame) -> None:
    chart = figure.draw(table, "points").to_dict()
    assert len(chart["concat"]) == 2
    groups, blocks = report.sections(table, "pp")
    assert "token mixers against channel mixers" in groups.title
    assert blocks.title.startswith("Halves of every block")
