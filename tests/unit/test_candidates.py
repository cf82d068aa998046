from blocksieve.search.candidates import all_combinations, candidates, part_of, step_candidates
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.combination import Combination

beams = st.lists(st.sets(st.integers(0, 11), min_size=2, max_size=2), max_size=4)


@given(beams)
def test_candidates_are_sorted_distinct_and_extend_a_parent(beam: list[set[int]]) -> None:
    parents = [Combination.of(removed) for removed in beam]
    found = candidates(parents, 12)
    assert found == sorted(set(found))
    assert set(found) == {child for parent in parents for child in parent.children(12)}


@given(st.integers(0, 40), st.integers(1, 70))
def test_parts_cover_everything_once_in_order(count: int, parts: int) -> None:
    items = [Combination.of((i,)) for i in range(count)]
    shares = [part_of(items, part, parts) for part in range(parts)]
    assert [item for share in shares for item in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_exhaustive_step_takes_every_combination() -> None:
    assert step_candidates(None, 5, 2) == all_combinations(5, 2)
    assert [str(c) for c in all_combinations(4, 2)] == ["0-1", "0-2", "0-3", "1-2", "1-3", "2-3"]


def test_step_extends_the_beam_of_its_file() -> None:
    assert [str(c) for c in step_candidates([{"combination": "1"}, {"combination": "2"}], 4, 2)] == [
        "0-1", "0-2", "1-2", "1-3", "2-3",
    ]  # fmt: skip
