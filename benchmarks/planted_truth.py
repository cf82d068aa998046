"""Whether what the report says is true: simulated searches whose truth is planted.

Prints a table (claim, goal, seen, draws) and writes it as JSON. A claim is a function of the number
of draws in CLAIMS that yields rows; add one there for every new kind of statement.
"""

import argparse
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from planted_searches import (
    LARGEST_SIZE,
    ROUNDS,
    THREE_TYPES,
    Floats,
    Samples,
    Search,
    World,
    largest_drops,
    simulated_evidence,
    true_drop,
)

from blocksieve.analysis import (
    block_position_analysis,
    combination_vs_individual,
    dataset_pairwise_comparison,
    held_out,
    pruning_recommendations,
    split_agreement,
    task_type_comparison,
    transfer_matrix,
)
from blocksieve.analysis import routing as routing_analysis
from blocksieve.analysis import task_specific_vs_generic as own_lists
from blocksieve.analysis.block_position_analysis import position_of
from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.combination import Combination, Site, block_sites
from blocksieve.evidence import Evidence
from blocksieve.report import findings
from blocksieve.routing.fitting import combinations_by_task_type
from blocksieve.routing.router import Router
from blocksieve.search.plan import all_combinations
from blocksieve.statistics import (
    FALSE_DISCOVERY_RATE,
    ROUNDING,
    clustered_relative_drop,
    population_interval,
    spread,
)
from blocksieve.verdicts import Verdict

OUT = Path("build/benchmarks/planted_truth.json")
MOSTLY_COMMON = World("mostly common", 0.85, 0.4, 0.35)
WORLDS = (
    World("all alike", 1, 0, 0),
    World("types differ", 0.3, 1, 0.1),
    World("datasets differ", 0.3, 0.1, 1),
    MOSTLY_COMMON,
)
NOTHING_DIFFERS = World("nothing differs", 1, 0, 0, deviation=0, sensitivity=0)
FIVE_TYPES = ("VQA", "VQA", "Captioning", "Captioning", "Document QA", "Document QA", "Facts")
FIVE_TYPES += ("Facts", "Science", "Science")
HELD_BACK = (
    replace(MOSTLY_COMMON, name="3 datasets, 2 types", task_types=("VQA", "VQA", "Captioning")),
    replace(MOSTLY_COMMON, name="10 datasets, 5 types", task_types=FIVE_TYPES),
    replace(MOSTLY_COMMON, name="24 blocks", num_blocks=24),
    World("32 blocks, types differ", 0.5, 1, 0.3, num_blocks=32),
    replace(MOSTLY_COMMON, name="heavy tails", freedom=3),
    World("datasets differ, heavy tails", 0.5, 0.3, 1, freedom=3),
    replace(MOSTLY_COMMON, name="samples x 1/4 to x 2", samples=(0.25, 2.0)),
    replace(MOSTLY_COMMON, name="baselines 0.2 to 0.95", baselines=(0.2, 0.95)),
)
"""Worlds that had no part in choosing how choices are pooled."""


@dataclass(frozen=True)
class Row:
    """A line of the table; `ok` is None where there is no goal."""

    claim: str
    goal: str
    seen: str
    draws: int
    ok: bool | None


Claim = Callable[[int], Iterator[Row]]
"""A function of the number of draws that yields rows of the table."""


def rarely_false(claim: str, wrong: Sequence[bool], most: float = 5) -> Row:
    """Return a row about a share of false statements that is to be small.

    Without a verdict where even none of so many would not show that: the rule of three.
    """
    share = 100 * float(np.mean(wrong)) if wrong else 0.0
    seen = f"{sum(wrong)} of {len(wrong)} ({share:.1f} %)"
    holds = share <= most if len(wrong) >= 3 / (most / 100) else None
    return Row(claim, f"at most {most:g} %", seen, len(wrong), holds)


def covered(claim: str, held: Sequence[bool]) -> Row:
    """Return a row about intervals, of which 95 % are to hold the truth."""
    share = 100 * float(np.mean(held))
    seen = f"{sum(held)} of {len(held)} ({share:.1f} %)"
    holds = 93 <= share <= 97 if len(held) >= 60 else None
    return Row(claim, "93 to 97 %", seen, len(held), holds)


def coverage_of_intervals(draws: int) -> Iterator[Row]:
    """Yield how often 95 % intervals of single combinations hold the true drop."""
    sites = block_sites(MOSTLY_COMMON.num_blocks)
    for n in (96, 200, 1000):
        rng = np.random.default_rng(n)
        held = []
        for _ in range(10 * draws):
            for of_dataset in MOSTLY_COMMON.losses(rng):
                size = rng.integers(1, LARGEST_SIZE + 1)
                combination = Combination.of(rng.choice(len(sites), size, replace=False).tolist())
                samples = Samples.draw(of_dataset, 0.7, n, rng)
                lost = samples.lost([combination])[0]
                interval = clustered_relative_drop(lost, samples.right, np.arange(n), 1)
                truth = true_drop(of_dataset[None], combination)[0] / 100
                if lost.any():
                    held.append(bool(interval.low <= truth <= interval.high))
        yield covered(f"intervals of drops where answers changed, n = {n}", held)


def pooled_choices(draws: int) -> Iterator[Row]:
    """Yield the regret of the worlds in view of which choices were pooled."""
    for world, n in itertools.product(WORLDS, (96, 200, 1000)):
        yield pooled_regret(world, n, 4 * draws)


def pooled_choices_held_back(draws: int) -> Iterator[Row]:
    """Yield the regret of worlds that had no part in this."""
    for world in HELD_BACK:
        yield pooled_regret(world, 200, 4 * draws)


def pooled_choices_after_races(draws: int) -> Iterator[Row]:
    """Yield the same of searches that drop the worse half of the candidates in each round."""
    for world in (*WORLDS, *HELD_BACK):
        yield pooled_regret(world, 200, 4 * draws, ROUNDS)


def pooled_regret(world: World, n: int, draws: int, rounds: Sequence[float] = ()) -> Row:
    """Say what lists of the largest size truly cost above the best possible, by who chose them.

    `rounds`: after which shares of the samples the search drops the worse half of its candidates.
    Seen: own, task type, generic, pooled (pooled by task type), in % of the baseline, and how much
    pooled lies above the better of own and generic, with its standard error.
    """
    rng = np.random.default_rng(n)
    # Without holdout samples and analyses a draw is cheap.
    regrets = np.array([regrets_of(world, n, rng, rounds) for _ in range(draws)])  # (draws, 5)
    own, task_type, generic, pooled, pooled_type = regrets.mean(axis=0)
    above = regrets[:, 3] - regrets[:, 0 if own < generic else 2]
    se = above.std(ddof=1) / np.sqrt(draws)
    lists = f"{own:.2f} {task_type:.2f} {generic:.2f} {pooled:.2f} ({pooled_type:.2f})"
    return Row(
        claim=f"pooled lists{', after races' if rounds else ''}, {world.name}, n = {n}",
        goal="at most 0.05 above own, generic",
        seen=f"{lists}: {above.mean():+.2f} ± {se:.2f}",
        draws=draws,
        ok=bool(above.mean() <= 0.05),
    )


def regrets_of(
    world: World, n: int, rng: np.random.Generator, rounds: Sequence[float] = ()
) -> list[float]:
    """Search a world once; return the mean regrets of the five ways of choosing."""
    losses = world.losses(rng)
    samples = world.draw(losses, n, rng)
    task_types = world.datasets
    drops = largest_drops(task_types, samples, rounds)
    measured = drops.drops
    generic = drops.combinations[int(np.nanargmin(measured.mean(axis=0)))]
    datasets = list(task_types)
    regrets = []
    for row, dataset in enumerate(datasets):
        same_type = [each for each in datasets if task_types[each] == task_types[dataset]]
        of_type = measured[[datasets.index(each) for each in same_type]].mean(axis=0)
        lists = [
            drops.combinations[int(np.nanargmin(measured[row]))],
            drops.combinations[int(np.nanargmin(of_type))],
            generic,
            drops.least([dataset]),
            drops.least(same_type),
        ]
        harmless = np.argsort(losses[row])[:LARGEST_SIZE]
        best = Combination(tuple(Site(int(block)) for block in sorted(harmless)))
        of_dataset = losses[row : row + 1]
        least = true_drop(of_dataset, best)[0]
        regrets.append([true_drop(of_dataset, each)[0] - least for each in lists if each])
    mean: Floats = np.mean(regrets, axis=0)
    return mean.tolist()


Verdicts = dict[str, list[bool]]
"""Whether statements are false (of intervals: hold the truth), by what kind they are."""


def statements(draws: int) -> Iterator[Row]:
    """Yield how often each family of statements is false, over worlds and numbers of samples.

    A search counts once per family, whatever the number of its statements; strategies and ties
    count one by one.
    """
    worlds = (*WORLDS, NOTHING_DIFFERS)
    searches = (
        Search.of(world, n, np.random.default_rng([n, draw]))
        for draw, world, n in itertools.product(range(draws // 2), worlds, (200, 1000))
    )
    yield from judged_searches(searches, JUDGES)


def statements_on_blocks(draws: int) -> Iterator[Row]:
    """Yield the same of statements that need no more than every block removed alone."""
    worlds = (*WORLDS, NOTHING_DIFFERS)
    searches = (
        single_blocks(world, n, np.random.default_rng([n, draw]))
        for draw, world, n in itertools.product(range(2 * draws), worlds, (200, 1000))
    )
    yield from judged_searches(searches, (blocks, types_and_pairs))


def single_blocks(world: World, n: int, rng: np.random.Generator) -> Search:
    """Simulate a search that removes every block alone."""
    losses = world.losses(rng)
    samples = world.draw(losses, n, rng)
    singles = {Combination.of([site]) for site in block_sites(world.num_blocks)}
    measured = {"search": {dataset: singles for dataset in samples}}
    return Search(world, losses, simulated_evidence(world.datasets, {"search": samples}, measured))


def judged_searches(
    searches: Iterable[Search], judges: Sequence[Callable[[Search], Verdicts]]
) -> Iterator[Row]:
    """Yield a row per family of statements about searches."""
    by_family: Verdicts = {}
    for search in searches:
        for judge in judges:
            for family, judged in judge(search).items():
                by_family.setdefault(family, []).extend(judged)
    for family, judged in by_family.items():
        if family.startswith("intervals"):
            yield covered(family, judged)
        else:
            most = 2.5 if family.startswith("strategies") else 5
            yield rarely_false(family, judged, most)


def recommendations(search: Search) -> Verdicts:
    """Judge strategies, stars, ties, and the holdout intervals of recommended lists."""
    document = pruning_recommendations.analyse(search.evidence)
    verdicts: Verdicts = {}
    for name, strategy in document["strategies"].items():
        truth = search.truth(Combination.parse(strategy["combination"]))
        verdicts[f"strategies above their limit: {name}"] = [truth > strategy["max_drop"]]
    stars = []
    ties = []
    held = []
    for entry in document["sizes"]:
        combination = Combination.parse(entry["combination"])
        stars.append(entry["robustness"] > true_stars(search, combination))
        candidates = search.evidence.with_full_coverage(entry["size"])
        truths = {str(each): search.truth(each) for each in candidates}
        least = min(truths.values())
        ties.append(all(truths[name] > least + ROUNDING for name in entry["tied"]))
        holdout = entry["holdout"]
        if holdout is not None and holdout["low"] is not None and holdout["high"] is not None:
            held.append(holdout["low"] <= search.truth(combination) <= holdout["high"])
    verdicts["robustness: a star too many"] = [any(stars)]
    verdicts["ties: none of the tied is the best"] = ties
    verdicts["intervals of recommended lists on holdout"] = held
    return verdicts


def true_stars(search: Search, combination: Combination) -> int:
    """Count the claims of `pruning_recommendations.STARS_RULE` that are true."""
    limits = search.evidence.limits
    drops = true_drop(search.losses, combination)
    claims = [drops.mean() <= each for each in (limits.aggressive, limits.balanced)]
    claims += [drops.mean() <= limits.conservative]
    claims += [drops.max() <= each for each in (limits.aggressive, limits.balanced)]
    return sum(claims)


def blocks(search: Search) -> Verdicts:
    """Judge which block is the most important, and which third of the decoder costs more."""
    table = block_position_analysis.analyse(search.evidence)
    means = 100 * search.losses.mean(axis=0)  # (blocks,)
    thirds: dict[str, list[float]] = {}
    for block, mean in enumerate(means):
        thirds.setdefault(position_of([block], len(means)), []).append(mean)
    important = []
    for sentence in findings.single_blocks(table, "%"):
        if match := re.match(r"Block (\d+) is the most important", sentence):
            important.append(means[int(match[1])] < np.sort(means)[-1] or np.ptp(means) < ROUNDING)
    positions = []
    for sentence in findings.positions(table, "%"):
        match = re.match(r"(\w+) blocks .* cost more than (\w+) ones", sentence)
        assert match
        more, less = (np.mean(thirds[name.lower()]) for name in match.groups())
        positions.append(bool(more <= less + ROUNDING))
    return {
        "most important block": [any(important)],
        "positions: a third costs more": [any(positions)],
    }


def types_and_pairs(search: Search) -> Verdicts:
    """Judge whether a task type loses more, and whether datasets of one type respond alike."""
    evidence = search.evidence
    by_type: dict[str, list[str]] = {}
    for dataset, task_type in search.world.datasets.items():
        by_type.setdefault(task_type, []).append(dataset)
    combinations = evidence.with_full_coverage()
    false_types = []
    for sentence in findings.task_types(task_type_comparison.analyse(evidence), "%"):
        if match := re.match(r"(.+) loses more than (.+?):", sentence):
            more, less = (
                np.mean([search.truth(each, by_type[name]) for each in combinations])
                for name in match.groups()
            )
            false_types.append(bool(more <= less + ROUNDING))
    verdicts = {"task types: one loses more": [any(false_types)]}
    if search.world.of_type == 0:
        pairs = dataset_pairwise_comparison.analyse(evidence)
        said = list(findings.pairs_of_datasets(pairs, "%"))
        verdicts["pairs: alike within a task type"] = [bool(said)]
    return verdicts


def interactions(search: Search) -> Verdicts:
    """Judge whether blocks that spoil answers independently are said to interact."""
    # Others than finalists are not tested.
    finalists = [str(each) for each in search.evidence.holdout.coverage]
    of_finalists = search.evidence.evaluations.filter(
        (pl.col("size") == 0) | pl.col("combination").is_in(finalists)
    )
    table = combination_vs_individual.analyse(replace(search.evidence, evaluations=of_finalists))
    labels = table["label"].drop_nulls()
    return {"interactions of independent blocks": [bool((labels != "none").any())]}


def lists(search: Search) -> Verdicts:
    """Judge what is said of own lists against others: on average, on one dataset, from another."""
    document = own_lists.analyse(search.evidence)
    means = []
    for mean in document["mean_regret"]:
        if mean["list"] == Scope.GENERIC and mean["method"] == RECOMMENDED:
            truths = [
                true_regret(search, row)
                for row in document["rows"]
                if (row["method"], row["list"]) == (mean["method"], mean["list"])
                and row["size"] == mean["size"]
            ]
            means.append(is_false(mean["verdict"], float(np.mean(truths))))
    false_rows = [
        is_false(row["verdict"], true_regret(search, row))
        for row in document["rows"]
        if row["verdict"] in SHOWN
    ]
    false_transfers = []
    for transfer in transfer_matrix.analyse(search.evidence).to_dicts():
        if transfer["verdict"] in SHOWN:
            truth = true_regret(search, {**transfer, "dataset": transfer["target"]})
            false_transfers.append(is_false(transfer["verdict"], truth))
    return {
        "lists of their own pay, or one list is better": [any(means)],
        "lists on single datasets: any false": [any(false_rows)],
        "lists on single datasets: false of shown": false_rows,
        "transfer: false of shown": false_transfers,
    }


SHOWN = (Verdict.COSTS_MORE, Verdict.COSTS_LESS)


def true_regret(search: Search, row: Mapping[str, object]) -> float:
    """Return how much more a list truly costs on a dataset than its own."""
    drops = [
        search.truth(Combination.parse(str(row[name])), [str(row["dataset"])])
        for name in ("combination", "own")
    ]
    return drops[0] - drops[1]


def is_false(verdict: str | None, regret: float) -> bool:
    """Tell whether it is wrong to say that a list costs more, or less."""
    if verdict == Verdict.COSTS_MORE:
        return regret <= ROUNDING
    return verdict == Verdict.COSTS_LESS and regret >= -ROUNDING


def winners_curse(search: Search) -> Verdicts:
    """Judge whether winners are rightly said to lose more than on the samples that chose them."""
    document = held_out.analyse(search.evidence)
    wrong = []
    for row in document["by_size"]:
        is_shown = row["q"] is not None and row["q"] <= FALSE_DISCOVERY_RATE
        if row["scope"] == Scope.DATASET and row["method"] == RECOMMENDED and is_shown:
            truths = [
                search.truth(Combination.parse(winner["combination"]), [winner["name"]])
                for winner in document["winners"]
                if (winner["method"], winner["scope"]) == (row["method"], row["scope"])
                and winner["size"] == row["size"]
            ]
            assert row["optimism"] is not None
            assert row["search"] is not None
            wrong.append(row["optimism"] > 0 and bool(np.mean(truths) <= row["search"]))
    return {"winner's curse": [any(wrong)]}


def routing(search: Search) -> Verdicts:
    """Judge what is said to be saved by a router that tells 8 of 10 prompts right."""
    generic, by_type = combinations_by_task_type(search.evidence.choices)
    no_terms = np.zeros(0)
    router = Router((), (), no_terms, 0.0, no_terms, no_terms)
    router = replace(router, generic=generic, task_types=by_type)
    rng = np.random.default_rng(0)
    prompts = []
    pairs = []
    for dataset, task_type in search.world.datasets.items():
        samples = search.evidence.simulated["holdout"][dataset]
        names = [f"{dataset} {number}" for number in range(len(samples.right))]
        others = rng.choice(sorted(by_type), len(names))
        is_right = rng.random(len(names)) < 0.8
        detected = np.where(is_right, task_type, others).tolist()
        prompts.append(_prompts(dataset, task_type, names, detected))
        pairs.append(_pairs(dataset, samples, names, router))
    detections = pl.concat(prompts)
    document = routing_analysis.analyse(
        search.evidence,
        router=router,
        detections=detections,
        finalist_samples=pl.concat(pairs).lazy(),
    )
    wrong = []
    for entry in document["sizes"]:
        gain = entry["gain"]
        if gain["q"] is not None and gain["q"] <= FALSE_DISCOVERY_RATE:
            truth = _true_gain(search, router, detections, entry["size"])
            wrong.append(gain["drop"] * truth <= 0)
    return {"routing: the router's lists save": [any(wrong)]}


def _prompts(
    dataset: str, task_type: str, names: Sequence[str], detected: Sequence[str]
) -> pl.DataFrame:
    columns = {
        "dataset": dataset,
        "sample_id": names,
        "task_type": task_type,
        "role": "holdout",
        "form": "plain",
        "detected": detected,
        "routed": True,
    }
    return pl.DataFrame(columns)


def _pairs(dataset: str, samples: Samples, names: Sequence[str], router: Router) -> pl.DataFrame:
    """Return the router's lists on every sample, as `shards.paired` gives them."""
    distinct = {*router.generic}
    for by_size in router.task_types.values():
        distinct.update(by_size)
    combinations = [Combination.of(each) for each in distinct]
    tables = []
    for combination, lost in zip(combinations, samples.lost(combinations), strict=True):
        baseline = samples.right.astype(float)
        columns = {
            "dataset": dataset,
            "combination": str(combination),
            "sample_id": names,
            "cluster": names,
            "split": "validation",
            "role": "holdout",
            "baseline": baseline,
            "score": baseline - lost,
            "drop": lost,
        }
        tables.append(pl.DataFrame(columns))
    return pl.concat(tables)


def _true_gain(search: Search, router: Router, detections: pl.DataFrame, size: int) -> float:
    """Return what the lists of the detected types truly lose less than the generic one."""
    generic = Combination.of(router.generic[size - 1])
    gains = []
    for dataset in search.world.datasets:
        detected = detections.filter(dataset=dataset)["detected"]
        drops = {
            name: search.truth(Combination.of(by_size[size - 1]), [dataset])
            for name, by_size in router.task_types.items()
        }
        picked = np.mean([drops[name] for name in detected])
        gains.append(search.truth(generic, [dataset]) - picked)
    return float(np.mean(gains))


JUDGES: tuple[Callable[[Search], Verdicts], ...] = (
    recommendations,
    interactions,
    lists,
    winners_curse,
    routing,
)


def splits(draws: int) -> Iterator[Row]:
    """Yield how often splits of one distribution are said to disagree on the order of blocks."""
    singles = [Combination.of([site]) for site in block_sites(MOSTLY_COMMON.num_blocks)]
    for n in (200, 1000):
        rng = np.random.default_rng(n)
        wrong = []
        for _ in range(draws):
            evidence = single_blocks(MOSTLY_COMMON, n, rng).evidence
            split_of = np.where(np.arange(n) % 2 == 0, "train", "validation").tolist()
            samples = evidence.simulated["search"]
            sums = {name: each.sums(singles, split_of).lazy() for name, each in samples.items()}
            table = split_agreement.analyse(replace(evidence, sums=sums))
            said = " ".join(findings.splits(table, "%"))
            wrong.append("differ by more than noise" in said)
        yield rarely_false(f"splits of one distribution disagree, n = {n}", wrong)


PLANTED = {"0-1": 0.05, "2-3": 0.05, "4-5": 0.05, "6-7": 0.05}
PLANTED |= {"0-2": -0.2, "1-3": -0.2, "8-9": -0.2, "10-11": -0.2}
"""The share of answers that pairs of blocks spoil besides, or of those they spoil that they save.

Costs are 20 %; a saved share of 0.2 of the 36 % that two spoil is 7 % of all answers.
"""
ANTAGONISMS = {f"{first}-{second}": 0.05 for first, second in itertools.combinations(range(11), 2)}
"""As in trained models: many pairs spoil more, none less."""


def synergy(draws: int) -> Iterator[Row]:
    """Test all pairs of blocks: most are independent, eight interact, or many all one way."""
    rng = np.random.default_rng(1)
    independent = [_interactions_of_pairs(rng, {}) for _ in range(draws)]
    interacting = [_interactions_of_pairs(rng, PLANTED) for _ in range(draws)]
    antagonistic = [_interactions_of_pairs(rng, ANTAGONISMS) for _ in range(draws)]
    at = "8 x 1000"

    false_reports = [bool((table["label"] != "none").any()) for table in independent]
    yield rarely_false(f"independent blocks of 20 % interact, {at}", false_reports)
    z = pl.concat(independent).select(pl.col("interaction") / pl.col("se")).to_series().to_numpy()
    deviation = float(z.std())
    seen = f"{z.mean():+.2f} ({deviation:.2f})"
    yield Row("their z: mean (deviation)", "0 (at most 1)", seen, len(z), deviation <= 1)

    interactions = pl.concat(interacting)
    is_planted = pl.col("combination").is_in(list(PLANTED))
    is_shown = pl.col("label") != "none"
    false_of_shown = interactions.filter(is_shown).select(~is_planted).to_series().to_list()
    are_shown = interactions.filter(is_planted).select(is_shown).to_series().to_list()
    yield rarely_false(f"planted interactions, {at}: false of shown", false_of_shown)
    share = 100 * float(np.mean(are_shown))
    seen = f"{sum(are_shown)} of {len(are_shown)} ({share:.1f} %)"
    claim = f"planted interactions, {at}: shown"
    yield Row(claim, "at least 70 %", seen, len(are_shown), share >= 70)

    false_synergies = [bool((table["label"] == "synergy").any()) for table in antagonistic]
    yield rarely_false(f"{len(ANTAGONISMS)} antagonisms, {at}: any synergy", false_synergies)


def _interactions_of_pairs(rng: np.random.Generator, planted: Mapping[str, float]) -> pl.DataFrame:
    world = NOTHING_DIFFERS
    sites = block_sites(world.num_blocks)
    measured = {*all_combinations(sites, 1), *all_combinations(sites, 2)}
    samples = {}
    for dataset in world.datasets:
        drawn = Samples.draw(np.full(world.num_blocks, 0.2), 0.8, 1000, rng)
        besides: dict[Combination, NDArray[np.bool_]] = {}
        saved: dict[Combination, NDArray[np.bool_]] = {}
        for name, share in planted.items():
            changed = besides if share > 0 else saved
            changed[Combination.parse(name)] = rng.random(1000) < abs(share)
        samples[dataset] = replace(drawn, besides=besides, saved=saved)
    evidence = simulated_evidence(
        world.datasets, {"search": samples}, {"search": dict.fromkeys(samples, measured)}
    )
    return combination_vs_individual.analyse(evidence)


def task_types_without_samples(draws: int) -> Iterator[Row]:
    """Compare task types whose datasets are alike, in a table that comes without samples."""
    world = replace(NOTHING_DIFFERS, task_types=("VQA", "Captioning") * 2, num_blocks=8)
    sites = block_sites(world.num_blocks)
    measured = {*all_combinations(sites, 1), *all_combinations(sites, 2)}
    rng = np.random.default_rng(2)
    wrong = []
    for _ in range(2 * draws):
        samples = world.draw(np.full((4, 8), 0.1), 200, rng)
        evidence = simulated_evidence(
            world.datasets, {"search": samples}, {"search": dict.fromkeys(samples, measured)}
        )
        table = Evidence(evidence.evaluations, "relative")
        (sentence,) = findings.task_types(task_type_comparison.analyse(table), "%")
        wrong.append("loses more than" in sentence)
    yield rarely_false("like task types told apart in a table without samples", wrong)


def correlations(draws: int) -> Iterator[Row]:
    """Correlate two datasets without noise over 16 blocks whose true costs correlate."""
    rng = np.random.default_rng(3)
    for truth in (0.0, 0.5, 0.8):
        held = []
        for _ in range(20 * draws):
            covariance = 0.02**2 * np.array([[1, truth], [truth, 1]])
            costs = rng.multivariate_normal([0.1, 0.1], covariance, 16)  # (blocks, 2)
            pair = dataset_pairwise_comparison.analyse(_noiseless(costs)).row(0, named=True)
            held.append(bool(pair["pearson_low"] <= truth <= pair["pearson_high"]))
        yield covered(f"intervals of Pearson's correlation of datasets, {truth}", held)


def _noiseless(costs: Floats) -> Evidence:
    """Return two datasets whose blocks cost exactly this: (blocks, 2)."""
    rows = []
    for place in (0, 1):
        for block, cost in [(None, 0.0), *enumerate(costs[:, place].tolist())]:
            removed = [] if block is None else [block]
            rows.append(
                {
                    "dataset": f"dataset {place}",
                    "task_type": "VQA",
                    "combination": "none" if block is None else str(block),
                    "removed": removed,
                    "size": len(removed),
                    "role": "search",
                    "baseline": 1.0,
                    "score": 1 - cost,
                    "drop": cost,
                    "relative": cost,
                    "bounded": True,
                    "not_evaluable": None,
                }
                | dict.fromkeys(("n", "n_clusters"), 100)
                | dict.fromkeys(("se", "relative_se"), 0.0)
                | dict.fromkeys(("ci_low", "ci_high"), cost)
                | dict.fromkeys(("wins", "losses"), 0)
            )
    return Evidence(pl.DataFrame(rows, infer_schema_length=None), "relative")


def spreads(draws: int) -> Iterator[Row]:
    """Estimate how different datasets are, and cover the mean over all of their kind."""
    rng = np.random.default_rng(4)
    num_datasets = len(THREE_TYPES)
    for truth, n in itertools.product((0.0, 3.0), (96, 1000)):
        error = 36 / np.sqrt(n)
        squares, held = [], []
        for _ in range(100 * draws):
            drops = rng.normal(2, truth, num_datasets) + rng.normal(0, error, num_datasets)
            variances = [error**2] * num_datasets
            squares.append((spread(drops.tolist(), variances) or 0.0) ** 2)
            half = 1.96 * error / np.sqrt(num_datasets)
            mean = drops.mean()
            low, high = population_interval(drops.tolist(), mean - half, mean + half)
            held.append(bool(low <= 2 <= high))
        rms = float(np.sqrt(np.mean(squares)))
        claim = f"spread of datasets that differ by {truth:g}, n = {n}"
        yield Row(claim, f"{truth:g}", f"{rms:.2f}", len(held), None)
        share = 100 * float(np.mean(held))
        claim = f"intervals for datasets of such a kind, n = {n}"
        yield Row(claim, "at least 93 %", f"{share:.1f} %", len(held), share >= 93)


CLAIMS: dict[str, Claim] = {
    claim.__name__: claim
    for claim in (
        coverage_of_intervals,
        correlations,
        spreads,
        task_types_without_samples,
        synergy,
        splits,
        pooled_choices,
        pooled_choices_held_back,
        pooled_choices_after_races,
        statements_on_blocks,
        statements,
    )
}


def write(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")


def main() -> None:
    """Print and write what every claim shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20, help="simulated searches per row")
    parser.add_argument("--claims", nargs="*", default=list(CLAIMS), choices=list(CLAIMS))
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    rows: list[Row] = []
    print("| claim | goal | seen | draws | |\n| --- | --- | --- | ---: | --- |")
    for name in arguments.claims:
        for row in CLAIMS[name](arguments.draws):
            verdict = {True: "holds", False: "MISSED", None: ""}[row.ok]
            cells = (row.claim, row.goal, row.seen, str(row.draws), verdict)
            print("| " + " | ".join(cells) + " |", flush=True)
            rows.append(row)
            write(rows, arguments.out)  # what was seen so far, should the rest be cut off


if __name__ == "__main__":
    main()
