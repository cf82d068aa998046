"""The candidates of a search step, and a job's part of them."""

import itertools
from typing import Any

from blocksieve.combination import Combination, block_sites


def candidates(parents: list[Combination], num_blocks: int) -> list[Combination]:
    """Every one-block extension of the parents, duplicates removed, in lexicographic order."""
    return sorted(
        {child for parent in parents for child in parent.children(block_sites(num_blocks))}
    )


def all_combinations(num_blocks: int, size: int) -> list[Combination]:
    """Every combination of a size, in lexicographic order."""
    return [Combination.of(removed) for removed in itertools.combinations(range(num_blocks), size)]


def step_candidates(
    beam: list[dict[str, Any]] | None, num_blocks: int, size: int
) -> list[Combination]:
    """The candidates of one step: extensions of the size before's beam, as read from its file; all without a beam."""
    if beam is None:
        return all_combinations(num_blocks, size)
    return candidates([Combination.parse(entry["combination"]) for entry in beam], num_blocks)


def part_of(items: list[Combination], part: int, parts: int) -> list[Combination]:
    """The contiguous share number `part` (from 0) of `parts`; shares differ by one item at most, and may be empty."""
    return items[part * len(items) // parts : (part + 1) * len(items) // parts]
