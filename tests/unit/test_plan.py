"""Plans: what a step asks, who proposed it, parts of it, and prefixes of the draw order."""

import json
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from blocksieve.choices import read_finalists
from blocksieve.combination import NONE, Combination, Site, block_sites
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import Sample
from blocksieve.search.plan import (
    Candidate,
    Plan,
    Proposer,
    _costs,
    all_combinations,
    children_of,
    propose,
    propose_all,
    propose_candidates,
    propose_finalists,
    read_plan,
    size_of_round,
    write_plan,
)
from blocksieve.search.situation import Situation
from blocksieve.search.strategies import beam

pairs = st.sets(st.integers(0, 11), min_size=2, max_size=2).map(Combination.of)
beams = st.lists(pairs, max_size=4)
SITES = block_sites(12)


def names(combinations: list[Combination]) -> list[str]:
    return [str(combination) for combination in combinations]


@given(beams, beams)
def test_a_step_holds_the_children_of_both_beams_once(
    own: list[Combination], generic: list[Combination]
) -> None:
    plan = propose_candidates("remove3", children_of(own, SITES), children_of(generic, SITES))
    combinations = plan.part(0, 1)
    assert combinations == sorted(set(combinations))
    for proposer, parents in ((Proposer.OWN, own), (Proposer.GENERIC, generic)):
        children = {child for parent in parents for child in parent.children(SITES)}
        assert set(plan.proposals(proposer)) == children
    assert all(candidate.proposed_by for candidate in plan.candidates)


@given(st.integers(0, 40), st.integers(1, 70))
def test_parts_cover_everything_once_in_order(count: int, parts: int) -> None:
    combinations = [Combination.of([block]) for block in range(count)]
    candidates = tuple(Candidate(each, (Proposer.OWN,)) for each in combinations)
    plan = Plan("remove2", candidates)
    shares = [plan.part(part, parts) for part in range(parts)]
    assert [combination for share in shares for combination in share] == combinations
    costs = dict(zip(combinations, _costs(combinations), strict=True))
    for share in shares:
        excess = sum(costs[combination] for combination in share) - sum(costs.values()) / parts
        assert abs(excess) <= max(costs.values(), default=0)


def states(combination: Combination, depth: int) -> set[tuple[int, tuple[Site, ...]]]:
    """Every block with what is removed up to it, on which its output depends."""
    removed = combination.sites
    return {
        (block, tuple(site for site in removed if site.block <= block)) for block in range(depth)
    }


@given(st.integers(1, 3), st.data())
def test_a_combination_costs_the_blocks_that_nothing_before_it_ran(
    size: int, data: st.DataObject
) -> None:
    every = all_combinations(block_sites(6), size)
    combinations = sorted(data.draw(st.sets(st.sampled_from(every), min_size=1)))
    depth = max(combination.blocks[-1] for combination in combinations) + 1
    ran = states(NONE, depth)
    expected = []
    for combination in combinations:
        expected.append(1 + len(states(combination, depth) - ran))
        ran |= states(combination, depth)
    assert _costs(combinations) == expected


def test_parts_share_the_work_evenly() -> None:
    """Without block 0 the 15 others run anew, without block 15 none: 5 cost as much as 11."""
    every_block = propose_all(block_sites(16), 1)
    shares = [every_block.part(part, 2) for part in range(2)]
    assert [len(share) for share in shares] == [5, 11]


def test_the_first_steps_hold_the_baseline_and_every_block_alone() -> None:
    baseline = propose_all(block_sites(3), 0)
    assert baseline.proposals(Proposer.BASELINE) == baseline.part(0, 1) == [NONE]
    plan = propose_all(block_sites(3), 1)
    assert names(plan.part(0, 1)) == ["0", "1", "2"]
    assert names(plan.proposals(Proposer.OWN)) == names(plan.proposals(Proposer.GENERIC))
    assert NONE not in plan.proposals(Proposer.OWN)


def test_an_exhaustive_step_takes_every_combination() -> None:
    plan = propose_all(block_sites(4), 2)
    assert names(plan.part(0, 1)) == ["0-1", "0-2", "0-3", "1-2", "1-3", "2-3"]
    assert plan.part(0, 1) == all_combinations(block_sites(4), 2)


def test_a_step_extends_the_beams_of_its_files(tmp_path: Path) -> None:
    for name, kept in (("own", "1"), ("generic", "2")):
        content = {"candidates": 4, "beam": [{"combination": kept}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    own, generic = tmp_path / "own.json", tmp_path / "generic.json"
    situation = Situation(size=2, sites=block_sites(4), scope="vqa")
    plan = propose("remove2", own, generic, strategy=beam.propose, situation=situation)
    assert names(plan.part(0, 1)) == ["0-1", "0-2", "1-2", "1-3", "2-3"]
    assert names(plan.proposals(Proposer.OWN)) == ["0-1", "1-2", "1-3"]
    assert names(plan.proposals(Proposer.GENERIC)) == ["0-2", "1-2", "2-3"]


def test_a_later_round_asks_for_the_survivors_of_both_scopes(tmp_path: Path) -> None:
    for name, kept in (("own", ["1-3", "0-1"]), ("generic", ["0-1", "2-3"])):
        beam = [{"combination": each} for each in kept]
        (tmp_path / f"{name}.json").write_text(json.dumps({"candidates": 9, "beam": beam}))
    own, generic = tmp_path / "own.json", tmp_path / "generic.json"
    samples = tmp_path / "samples.parquet"
    pl.DataFrame({"role": ["search"] * 9 + ["holdout"] * 3}).write_parquet(samples)
    num_samples = size_of_round(samples, share=1 / 2)
    plan = propose("remove2-race2", own, generic, num_samples)
    assert (plan.step, plan.num_samples, plan.roles) == ("remove2-race2", 5, ("search",))
    assert names(plan.part(0, 1)) == ["0-1", "1-3", "2-3"]
    assert names(plan.proposals(Proposer.OWN)) == ["0-1", "1-3"]
    assert names(plan.proposals(Proposer.GENERIC)) == ["0-1", "2-3"]


def test_finalists_ask_for_both_roles_and_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "finalists.json"
    path.write_text(json.dumps({"combinations": ["1", "0-2"]}))
    plan = propose_finalists(read_finalists(path))
    assert plan.roles == ("search", "holdout", "verify")
    assert names(plan.part(0, 1)) == ["none", "0-2", "1"]


def test_a_plan_can_be_read_again(tmp_path: Path) -> None:
    plan = propose_all(block_sites(3), 1)
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan


@settings(deadline=None)
@given(st.integers(1, 12))
def test_a_prefix_is_what_a_smaller_draw_holds(count: int) -> None:
    splits = ["train", "validation"]
    samples = [
        Sample(f"question {number}", ("yes",), f"image {number // 2}", splits[number % 2])
        for number in range(80)
    ]

    def drawn(search: int) -> pl.DataFrame:
        rows = draw_samples(samples, {"search": search, "holdout": 0}, splits, seed=0)
        return pl.DataFrame(
            [
                {
                    "role": role,
                    "split": sample.split,
                    "cluster": sample.cluster,
                    "sample_id": sample.sample_id,
                }
                for role, sample in rows
            ]
        )

    prefix = Plan("remove2", (), num_samples=count).samples(drawn(12))
    assert prefix.equals(drawn(count))
