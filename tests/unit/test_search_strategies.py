"""Search strategies: each proposes what it says, within its budget, and never anything twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import comb
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import planted_evaluations

from blocksieve.combination import Combination, Site, block_sites
from blocksieve.config import resolve, with_defaults
from blocksieve.errors import DataError
from blocksieve.evaluations import with_derived
from blocksieve.search.orders import order_sites, with_proxy
from blocksieve.search.plan import Proposer, all_combinations, propose, read_plan, write_plan
from blocksieve.search.situation import SearchStrategy, Situation
from blocksieve.search.steps import (
    GENERATIONS,
    generation_of_step,
    search_steps,
    share_of_step,
    size_of_step,
    stages_of_size,
    steps_before,
    steps_of_size,
)
from blocksieve.search.strategies import SEARCH_STRATEGIES, budget_of, most_combinations
from blocksieve.specs import SearchSpec

ROOT = Path(__file__).parents[2]
SITES = block_sites(10)
WIDTH = 2
HALVES = [Site(block, part) for block in range(5) for part in ("a", "m")]
Cost = Callable[[Combination], float]


def parse(*texts: str) -> list[Combination]:
    return [Combination.parse(text) for text in texts]


def best(combinations: list[Combination], cost: Cost) -> list[Combination]:
    return sorted(combinations, key=lambda each: (cost(each), each))[:WIDTH]


def searched(
    strategy: SearchStrategy, situation: Situation, cost: Cost
) -> tuple[list[Combination], set[Combination]]:
    """Search one size in one scope; return what is kept, and all that was evaluated."""
    proposed: set[Combination] = set()
    kept = list(situation.kept)
    for generation in range(1, GENERATIONS + 1):
        now = replace(situation, kept=kept, proposed=proposed, generation=generation)
        candidates = strategy(now)
        assert candidates == sorted(set(candidates))
        assert {each.size for each in candidates} <= {situation.size}
        if generation > 1:
            assert set(kept) <= set(candidates)
            assert not (set(candidates) - set(kept)) & proposed
        proposed.update(candidates)
        kept = best(candidates, cost)
    return kept, proposed


def test_beam_and_greedy_extend_what_was_kept() -> None:
    situation = Situation(size=2, sites=block_sites(4), kept=parse("1"))
    assert SEARCH_STRATEGIES["beam"](situation) == parse("0-1", "1-2", "1-3")
    assert SEARCH_STRATEGIES["greedy"] is SEARCH_STRATEGIES["beam"]
    greedy = with_defaults({"search": {"strategy": "greedy", "beam_width": 5}}, ROOT)
    assert resolve(greedy, ROOT).search.beam_width == 1
    assert resolve(with_defaults({}, ROOT), ROOT).search == SearchSpec(3, 2, [1], 2)


def test_one_shot_removes_the_first_of_the_order() -> None:
    situation = Situation(size=3, sites=SITES, kept=parse("7", "2", "4", "1"))
    assert SEARCH_STRATEGIES["one_shot"](situation) == parse("2-4-7")
    halves = replace(situation, kept=parse("3m", "1a", "3a"))
    assert SEARCH_STRATEGIES["one_shot"](halves) == parse("1a-3a-3m")
    with pytest.raises(DataError, match="only 2 blocks can be evaluated alone, fewer than 3"):
        SEARCH_STRATEGIES["one_shot"](replace(situation, kept=parse("7", "2")))


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(2, 300), st.integers(0, 5), st.sampled_from([SITES, HALVES]))
def test_random_draws_as_many_as_the_budget_allows(
    size: int, budget: int, seed: int, sites: list[Site]
) -> None:
    situation = Situation(size=size, sites=sites, scope="vqa", budget=budget, seed=seed)
    drawn = SEARCH_STRATEGIES["random"](situation)
    assert drawn == sorted(set(drawn))
    assert len(drawn) == min(budget, comb(len(sites), size))
    assert set(drawn) <= set(all_combinations(sites, size))
    # Both scopes draw the same.
    assert SEARCH_STRATEGIES["random"](replace(situation, scope="generic")) == drawn


def test_another_seed_draws_others() -> None:
    for name in ("random", "evolutionary"):
        situation = Situation(size=2, sites=SITES, kept=parse("1", "2"), budget=20)
        strategy = SEARCH_STRATEGIES[name]
        first = strategy(situation)
        assert strategy(situation) == first
        assert strategy(replace(situation, seed=1)) != first
        assert strategy(replace(situation, size=3, kept=parse("1-2", "2-3"))) != first


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(2, 120), st.integers(0, 5), st.sampled_from([SITES, HALVES]))
def test_an_evolution_keeps_to_its_budget_and_repeats_nothing(
    size: int, budget: int, seed: int, sites: list[Site]
) -> None:
    kept = all_combinations(sites, size - 1)[:WIDTH]
    situation = Situation(size=size, sites=sites, kept=kept, budget=budget, seed=seed)
    strategy = SEARCH_STRATEGIES["evolutionary"]
    _, evaluated = searched(strategy, situation, lambda each: hash(each.sites))
    assert 1 <= len(evaluated) <= budget // 2
    assert set(evaluated) <= set(all_combinations(sites, size))


def test_an_evolution_finds_what_a_beam_misses() -> None:
    # With another block, 8 and 9 cost less than any; but no parent of size 1 has them.
    cheap = set(parse("8", "9"))

    def cost(each: Combination) -> float:
        return 2.0 - len(cheap & set(each.singles))

    situation = Situation(size=2, sites=SITES, kept=parse("0", "1"), budget=60)
    children = SEARCH_STRATEGIES["beam"](situation)
    assert best(children, cost) == parse("0-8", "0-9")
    kept, evaluated = searched(SEARCH_STRATEGIES["evolutionary"], situation, cost)
    assert len(evaluated) <= 30 < comb(len(SITES), 2)
    assert kept[0] == Combination.parse("8-9")


def test_offspring_are_one_swap_away_from_a_parent() -> None:
    parents = parse("0-1-2", "4-5-6")
    situation = Situation(size=3, sites=SITES, kept=parents, budget=80, generation=2)
    offspring = set(SEARCH_STRATEGIES["evolutionary"](situation)) - set(parents)
    assert len(offspring) == 20  # half of a scope's 40
    for child in offspring:
        shared = [len(set(child.sites) & set(parent.sites)) for parent in parents]
        assert max(shared) == 2


def test_a_generation_that_finds_too_few_leaves_the_rest_to_the_next() -> None:
    situation = Situation(size=2, sites=block_sites(5), kept=parse("0"), budget=20)
    strategy = SEARCH_STRATEGIES["evolutionary"]
    assert len(strategy(replace(situation, budget=40))) == 4  # all children
    proposed = set(strategy(situation))
    assert len(proposed) == 3  # of 10
    later = replace(situation, kept=parse("0-1"), proposed=proposed, generation=4)
    unseen = set(parse("0-2", "0-3", "0-4", "1-2", "1-3", "1-4")) - proposed
    # Seven are due, but there are no more.
    assert set(strategy(later)) - proposed - set(parse("0-1")) == unseen


def evolution(racing: str = "off", exhaustive: tuple[int, ...] = (1,)) -> SearchSpec:
    return SearchSpec(2, WIDTH, list(exhaustive), 1, racing=racing, strategy="evolutionary")


def test_generations_are_steps_of_static_names() -> None:
    stages = ["remove2-gen1", "remove2-gen2", "remove2-gen3", "remove2"]
    assert search_steps(evolution()) == ["baseline", "single", *stages]
    assert stages_of_size(2, evolution(exhaustive=(1, 2))) == ["remove2"]
    assert [generation_of_step(step) for step in stages] == [1, 2, 3, GENERATIONS]
    raced = steps_of_size(2, evolution("halving"))
    assert raced[:4] == ["remove2-gen1-race1", "remove2-gen1-race2", "remove2-gen1", *raced[3:4]]
    assert raced[-2:] == ["remove2-race2", "remove2"]
    assert {size_of_step(step) for step in raced} == {2}
    assert [generation_of_step(step) for step in raced] == sorted(3 * [1, 2, 3, 4])
    assert share_of_step("remove2-gen1-race2", "halving") == 1 / 2
    assert steps_before("remove2-gen2", evolution()) == ["remove2-gen1"]


def test_a_one_shot_search_races_nothing() -> None:
    spec = SearchSpec(3, WIDTH, [1], 1, racing=0.01, strategy="one_shot")
    assert search_steps(spec) == ["baseline", "single", "remove2", "remove3"]


def test_a_generation_reads_what_came_before(tmp_path: Path) -> None:
    sites = block_sites(6)
    files = {}
    for name, kept in (("own", "1-2"), ("generic", "3-4")):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps({"candidates": 9, "beam": [{"combination": kept}]}))
    earlier = propose("remove2", files["own"], files["generic"])
    assert earlier.proposals(Proposer.OWN) == parse("1-2")  # survivors of a round stay
    write_plan(tmp_path / "plan.json", earlier)
    plan = propose(
        "remove2-gen2",
        files["own"],
        files["generic"],
        strategy=SEARCH_STRATEGIES["evolutionary"],
        situation=Situation(size=2, sites=sites, scope="vqa", budget=60, generation=2),
        earlier=[tmp_path / "plan.json"],
    )
    assert plan.step == "remove2-gen2"
    for proposer, parent in ((Proposer.OWN, "1-2"), (Proposer.GENERIC, "3-4")):
        (kept,) = parse(parent)
        proposals = plan.proposals(proposer)
        assert kept in proposals
        assert len(proposals) == 1 + 8  # all neighbours: 14 were due
        assert all(each.overlap(kept) >= 1 / 2 for each in proposals)
    write_plan(tmp_path / "plan2.json", plan)
    assert read_plan(tmp_path / "plan2.json") == plan


def test_budgets_of_a_size() -> None:
    assert budget_of("auto", beam_width=3, size=2, num_sites=16) == 2 * 3 * 15
    assert budget_of("auto", beam_width=99, size=2, num_sites=16) == comb(16, 2)
    assert budget_of(7, beam_width=3, size=2, num_sites=16) == 7
    spec = SearchSpec(4, 3, [1, 3], 1, budget=7)
    for strategy, expected in (("beam", 90), ("random", 7), ("one_shot", 2)):
        of_strategy = replace(spec, strategy=strategy)
        assert most_combinations(of_strategy, 2, 16) == expected
        assert most_combinations(of_strategy, 3, 16) == comb(16, 3)


def singles(drops: dict[str, dict[tuple[int, ...], float]]) -> pl.DataFrame:
    evaluations = planted_evaluations(drops, dict.fromkeys(drops, 0.5), roles=["search"])
    return with_derived(evaluations.filter(size=1))


def ordered(evaluations: pl.DataFrame, scope: str) -> list[str]:
    document = order_sites(evaluations, scope, "relative", weights={})
    assert document["candidates"] == evaluations["combination"].n_unique()
    assert all(set(entry) == {"combination"} for entry in document["beam"])
    return [entry["combination"] for entry in document["beam"]]


def test_sites_are_ordered_by_their_drops_or_a_proxy() -> None:
    drops = {
        "a": {(0,): 0.3, (1,): 0.1, (2,): 0.2},
        "b": {(0,): 0.0, (1,): 0.1, (2,): 0.4},
    }
    evaluations = singles(drops)
    assert ordered(evaluations.filter(dataset="a"), "own") == ["1", "2", "0"]
    assert ordered(evaluations.filter(dataset="b"), "own") == ["0", "1", "2"]
    assert ordered(evaluations, "generic") == ["1", "0", "2"]
    keys = [(dataset, str(site)) for dataset in drops for site in range(3)]
    proxies = pl.DataFrame(keys, schema=["dataset", "site"], orient="row")
    proxies = proxies.with_columns(
        cosine=pl.Series([3.0, 2, 1, 1, 2, 9]), kl=pl.Series([1.0, 2, 3, 3, 2, 1]), n=9
    )
    by_cosine = with_proxy(evaluations, proxies, "cosine")
    assert ordered(by_cosine.filter(dataset="a"), "own") == ["2", "1", "0"]
    assert ordered(by_cosine, "generic") == ["0", "1", "2"]
    by_kl = with_proxy(evaluations, proxies, "kl")
    assert ordered(by_kl.filter(dataset="a"), "own") == ["0", "1", "2"]
    assert with_proxy(evaluations, proxies, "drop").equals(evaluations)
    with pytest.raises(DataError, match=r"dataset b: search\.proxy: kl is not known for block 2"):
        with_proxy(evaluations, proxies[:-1], "kl")


def test_what_the_model_cannot_run_alone_has_no_place_in_the_order() -> None:
    evaluations = singles({"a": {(0,): 0.3, (1,): 0.1, (2,): 0.2}})
    refused = pl.when(combination="1").then(pl.lit("no keys")).otherwise("not_evaluable")
    evaluations = evaluations.with_columns(not_evaluable=refused)
    document = order_sites(evaluations, "own", "relative", weights={})
    assert [entry["combination"] for entry in document["beam"]] == ["2", "0"]
