"""Strategies and stars: judged by holdout samples alone, and rarely wrong."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from planted import LIMITS, all_analyses, drawn_evaluations, planted_evaluations, planted_evidence

from blocksieve.analysis import pruning_recommendations
from blocksieve.choices import GENERIC, Choice, Method, Scope
from blocksieve.combination import Combination
from blocksieve.report.comprehensive_report import answer
from blocksieve.report.findings import within_limits
from blocksieve.report.pruning_recommendations import sections
from blocksieve.report.section import as_text

DATASETS = ("a", "b", "c")
DRAWS = 50


def evaluations_of(search: dict, holdout: dict, se: float = 0.001) -> pl.DataFrame:
    """Return evaluations with the same drops on every dataset, for each role its own."""
    baselines = dict.fromkeys(DATASETS, 1.0)
    tables = [
        planted_evaluations(dict.fromkeys(DATASETS, drops), baselines, roles=[role], se=se)
        for role, drops in (("search", search), ("holdout", holdout))
    ]
    return pl.concat(tables)


def strategies_of(search: dict, holdout: dict) -> dict:
    evidence = planted_evidence(evaluations_of(search, holdout))
    return pruning_recommendations.analyse(evidence)["strategies"]


NESTED = [(0,), (0, 1), (0, 1, 2)]


def nested(*drops: float) -> dict:
    """Return one combination per size with its drop."""
    return dict(zip(NESTED, drops, strict=True))


def test_the_holdout_interval_decides_and_the_search_only_says_what_that_costs():
    conservative = strategies_of(nested(0.0, 0.005, 0.01), nested(0.0, 0.02, 0.08))["conservative"]
    assert (conservative["size"], conservative["combination"]) == (1, "0")
    assert conservative["size_on_search"] == 3
    assert conservative["end"] == "limit"
    assert conservative["holdout"]["high"] <= LIMITS.conservative


def test_a_size_counts_only_if_all_smaller_ones_keep_the_limit():
    strategies = strategies_of(nested(0.0, 0.0, 0.0), nested(0.0, 0.02, 0.0))
    assert strategies["conservative"]["size"] == 1
    assert strategies["balanced"]["size"] == 3


def test_where_the_largest_size_keeps_a_limit_the_search_is_said_to_have_ended_too_early():
    evidence = planted_evidence(evaluations_of(nested(0, 0, 0), nested(0.0, 0.0, 0.02)))
    document = pruning_recommendations.analyse(evidence)
    ends = {name: strategy["end"] for name, strategy in document["strategies"].items()}
    assert ends == {"conservative": "limit", "balanced": "search", "aggressive": "search"}
    conservative, balanced, aggressive = within_limits(document, "%")
    assert "raise search.max_removed" not in conservative
    for sentence in (balanced, aggressive):
        assert "This is not the end" in sentence
        assert "raise search.max_removed" in sentence
    assert "end of the search" in as_text("", sections(document, "%"))


def test_without_holdout_samples_no_limit_counts_as_kept():
    search_only = evaluations_of(nested(0, 0, 0), nested(0, 0, 0)).filter(role="search")
    results = all_analyses(planted_evidence(search_only))
    document = results["pruning_recommendations"]
    for strategy in document["strategies"].values():
        assert (strategy["size"], strategy["end"]) == (0, "not confirmed")
        assert strategy["size_on_search"] == 3
    assert [entry["robustness"] for entry in document["sizes"]] == [0, 0, 0]
    text = " ".join(answer(document, "%"))
    assert text.count("not confirmed") == 3
    assert "keeps the limit" not in text


def test_a_size_without_holdout_drops_ends_what_is_confirmed():
    rows = evaluations_of(nested(0, 0, 0), nested(0, 0, 0))
    lacking = rows.filter((pl.col("role") == "search") | (pl.col("size") != 2))
    document = pruning_recommendations.analyse(planted_evidence(lacking))
    strategy = document["strategies"]["aggressive"]
    assert (strategy["size"], strategy["end"]) == (1, "not confirmed")
    assert "What larger sizes cost on such samples is not known" in " ".join(
        within_limits(document, "%")
    )


def test_a_sentence_quotes_the_holdout_drop_alone_and_calls_a_gain_no_cost():
    evidence = planted_evidence(evaluations_of(nested(-0.9, -0.8, -0.7), nested(-0.17, 0.5, 0.5)))
    sentence = next(within_limits(pruning_recommendations.analyse(evidence), "%"))
    assert "The mean drop is -17.00 %" in sentence
    assert "cost" not in sentence
    assert sentence.count(" %") == 3  # the drop, its 95 % interval, the limit
    assert "90" not in sentence


@pytest.mark.parametrize(
    ("drops", "stars"),
    [
        ((0.0, 0.0, 0.0), 5),
        ((0.02, 0.02, 0.02), 4),  # above the conservative limit
        ((0.05, 0.05, 0.05), 2),  # above the balanced limit
        ((0.0, 0.0, 0.04), 4),  # a dataset above the balanced limit
        ((0.0, 0.0, 0.12), 1),  # a dataset, and so the mean, above
        ((0.2, 0.2, 0.2), 0),
    ],
)
def test_every_star_is_a_limit_that_is_kept(drops, stars):
    by_dataset = {name: {(0,): drop} for name, drop in zip(DATASETS, drops, strict=True)}
    rows = planted_evaluations(by_dataset, dict.fromkeys(DATASETS, 1.0), se=0.0001)
    (entry,) = pruning_recommendations.analyse(planted_evidence(rows))["sizes"]
    assert entry["robustness"] == stars


def test_an_unknown_error_earns_no_star():
    rows = planted_evaluations({"a": {(0,): 0.0}}, {"a": 1.0}, n=1)
    unknown = [
        pl.lit(None, pl.Float64).alias(name) for name in ("se", "ci_low", "ci_high", "relative_se")
    ]
    (entry,) = pruning_recommendations.analyse(planted_evidence(rows.with_columns(unknown)))[
        "sizes"
    ]
    assert entry["robustness"] == 0


def drawn_documents(losses: dict, n: int, seed: int):
    rng = np.random.default_rng(seed)
    # Without beams in it nothing of the scenarios is computed.
    choice = Choice(Method.SCORES, Scope.GENERIC, GENERIC, 1, Combination.parse("0"))
    for _ in range(DRAWS):
        evidence = planted_evidence(drawn_evaluations(losses, n, rng), choices=[choice])
        yield pruning_recommendations.analyse(evidence)


def up_to_three_of(num_blocks: int) -> list[tuple[int, ...]]:
    return [blocks for size in (1, 2, 3) for blocks in combinations(range(num_blocks), size)]


def test_a_strategy_is_rarely_above_its_limit_where_many_look_better_than_they_are():
    # Every triple loses a little more than the balanced limit, and smaller ones nothing.
    by_size = {1: 0.0, 2: 0.0, 3: 0.031}
    of_dataset = {blocks: by_size[len(blocks)] for blocks in up_to_three_of(6)}
    losses = dict.fromkeys(DATASETS, of_dataset)
    false = []
    false_by_search = []
    for document in drawn_documents(losses, n=400, seed=0):
        strategy = document["strategies"]["balanced"]
        false.append(strategy["size"] == 3)
        false_by_search.append(strategy["size_on_search"] == 3)
    # 2.5 % and three standard errors of these draws; 1.7 % and 31 % in 300 draws.
    assert np.mean(false) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / DRAWS)
    assert np.mean(false_by_search) > 0.15


def test_a_star_is_rarely_false_where_one_dataset_loses_much_more():
    # The mean lies above the balanced limit, and dataset c above the aggressive one.
    tried = up_to_three_of(4)
    losses = {name: dict.fromkeys(tried, 0.105 if name == "c" else 0.0) for name in DATASETS}
    # One star is true: the mean keeps the aggressive limit.
    false = []
    for document in drawn_documents(losses, n=200, seed=1):
        false += [entry["robustness"] > 1 for entry in document["sizes"]]
    assert np.mean(false) <= 0.05
    assert len(false) == 3 * DRAWS
