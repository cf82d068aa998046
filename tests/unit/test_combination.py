"""The value type of what is removed: its text, its order, its relatives."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.combination import NONE, Combination, Site, block_sites

ROOT = Path(__file__).parents[2]
blocks = st.sets(st.integers(0, 90), max_size=8)
parts = st.sampled_from(["", "a", "m"])
sites = st.dictionaries(st.integers(0, 20), parts, max_size=6).map(
    lambda removed: [Site(block, part) for block, part in removed.items()]
)


@given(sites)
def test_text_round_trip(removed: list[Site]) -> None:
    combination = Combination.of(removed)
    assert Combination.parse(str(combination)) == combination


@given(blocks, st.integers(1, 91))
def test_children_remove_one_block_more(removed: set[int], num_blocks: int) -> None:
    parent = Combination.of(block for block in removed if block < num_blocks)
    children = parent.children(block_sites(num_blocks))
    assert len(children) == num_blocks - parent.size
    assert children == sorted(set(children))
    assert all(child.size == parent.size + 1 and child.contains(parent) for child in children)


@given(sites)
def test_parents_and_children_are_inverse(removed: list[Site]) -> None:
    combination = Combination.of(removed)
    parents = combination.parents()
    assert len(parents) == combination.size
    assert all(combination in parent.children(combination.sites) for parent in parents)


@given(sites)
def test_singles_put_together_are_the_combination(removed: list[Site]) -> None:
    combination = Combination.of(removed)
    assert all(single.is_single for single in combination.singles)
    assert Combination.of(site for single in combination.singles for site in single.sites) == (
        combination
    )


def test_halves_and_blocks_exclude_each_other() -> None:
    half = Combination.of([Site(4, "a")])
    every_site = [Site(block, part) for block in (3, 4) for part in ("", "a", "m")]
    assert [str(child) for child in half.children(every_site)] == [
        "3-4a",
        "3a-4a",
        "3m-4a",
        "4a-4m",
    ]
    assert half.blocks == (4,)
    assert Combination.parse("4a-4m").blocks == (4,)
    with pytest.raises(ValueError, match="must not both be removed"):
        Combination.parse("4-4a")


def test_overlap_is_the_share_of_common_sites() -> None:
    assert Combination.parse("1-2a").overlap(Combination.parse("1-2m")) == 0.5


def test_written_forms() -> None:
    assert str(NONE) == "none"
    assert str(Combination.of([10, 2, 2])) == "2-10"
    assert str(Combination.of([Site(10, "m"), 2, Site(4, "a")])) == "2-4a-10m"


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "2-1", "3-3", "4b", "4am", "1 2", "none-1"])
def test_refuses_other_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not a combination"):
        Combination.parse(text)


# Arithmetic on the text of a combination, which only combination.py may do.
TEXT_ARITHMETIC = re.compile(
    r"""\.split\(\s*["']-["']|\.count\(\s*["']-["']|["']-["']\s+(not\s+)?in\b|int\((name|single)\)"""
)


def test_no_other_module_takes_the_text_apart() -> None:
    folders = [ROOT / "src/blocksieve", ROOT / "workflow/scripts", ROOT / "rules"]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".smk")
    ]
    places = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path.name != "combination.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if TEXT_ARITHMETIC.search(line)
    ]
    assert places == []
