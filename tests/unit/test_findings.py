"""Key findings: each stands where its test holds, alone, and none where none does."""

import polars as pl
import pytest
from planted import all_analyses, planted_evaluations, planted_evidence

from blocksieve.report.findings import findings, lists, winners_curse, within_limit
from blocksieve.report.pruning_recommendations import what_samples_can_tell

DATASETS = ("a", "b", "c", "d")
BLOCKS = [(block,) for block in range(6)]
PAIRS = [(0, 1), (2, 3), (4, 5)]
TYPES = {"a": "type 0", "b": "type 0", "c": "type 1", "d": "type 1"}


def tables_of(drops: dict, se: float = 0.02, clusters: int = 100) -> dict:
    """Return all analyses of drops by dataset and combination, two datasets per task type."""
    evaluations = planted_evaluations(drops, dict.fromkeys(drops, 1.0), se=se, n=clusters)
    types = pl.col("dataset").replace_strict(TYPES)
    return all_analyses(planted_evidence(evaluations.with_columns(task_type=types), num_blocks=6))


def flat(extra: dict | None = None, shift: dict | None = None) -> dict:
    """Return drops within the noise, whose small pattern every dataset has in its own order.

    `extra` adds to a combination's drops, `shift` to a dataset's.
    """
    drops: dict = {}
    for place, name in enumerate(DATASETS):
        drops[name] = {}
        for combination in BLOCKS + PAIRS:
            noise = 0.003 * ((7 * sum(combination) + 5 * place) % 4 - 1.5)
            added = (extra or {}).get(combination, 0) + (shift or {}).get(name, 0)
            drops[name][combination] = noise + added
    return drops


def agreement(low: float, high: float, q: float = 0.5) -> pl.DataFrame:
    """Return a table of split agreement of one dataset."""
    row = {
        "dataset": "a",
        "split_a": "train",
        "split_b": "validation",
        "spearman": (low + high) / 2,
        "spearman_low": low,
        "spearman_high": high,
        "noise_spearman": 0.4,
        "q": q,
    }
    return pl.DataFrame([row])


QUIET = tables_of(flat())
VITAL = tables_of(flat({(1,): 0.4}))["block_position_analysis"]
POSITIVE = {
    "most important": {
        "block_position_analysis": pl.concat(
            [
                VITAL.filter(level="combination"),
                QUIET["block_position_analysis"].filter(level="position"),
            ]
        )
    },
    "blocks (0-1) cost more than": {
        "block_position_analysis": pl.concat(
            [
                QUIET["block_position_analysis"].filter(level="combination"),
                VITAL.filter(level="position"),
            ]
        )
    },
    "type 1 loses more than type 0": {
        "task_type_comparison": tables_of(flat(shift={"c": 0.1, "d": 0.1}))["task_type_comparison"]
    },
    "1 cost less than they would": {
        "combination_vs_individual": tables_of(flat({(0,): 0.2, (1,): 0.2, (0, 1): 0.1}))[
            "combination_vs_individual"
        ]
    },
    "splits of 1 of 1 datasets agree: ": {"split_agreement": agreement(0.91, 0.99)},
    "splits of 1 of 1 datasets do not agree": {"split_agreement": agreement(0.1, 0.8)},
    "datasets differ by more than noise": {"split_agreement": agreement(0.1, 0.8, q=0.04)},
}


@pytest.mark.parametrize("phrase", POSITIVE)
def test_each_finding_stands_alone_where_its_test_holds(phrase):
    text = " ".join(findings(QUIET | POSITIVE[phrase], "%"))
    assert [each for each in POSITIVE if each in text] == [phrase]


def test_none_stands_where_none_holds():
    text = " ".join(findings(QUIET | {"split_agreement": agreement(0.5, 0.95)}, "%"))
    assert [
        phrase
        for phrase in (*POSITIVE, "respond more alike", "respond less alike")
        if phrase in text
    ] == []
    assert "For 6 of 6 blocks, removing the block alone is not shown to cost anything" in text
    assert "No task type is shown to lose more" in text
    assert "No interaction between blocks is shown in 3 combinations" in text


def test_nothing_is_found_where_no_error_is_known():
    rows = planted_evaluations(flat(), dict.fromkeys(DATASETS, 1.0))
    unknown = [
        pl.lit(None, pl.Float64).alias(name) for name in ("se", "ci_low", "ci_high", "relative_se")
    ]
    rows = rows.with_columns(unknown, n_clusters=pl.lit(1, pl.UInt32))
    results = all_analyses(planted_evidence(rows))
    assert findings(results, "%") == []
    (sentence,) = what_samples_can_tell(results["pruning_recommendations"], "%")
    assert sentence.endswith("have no intervals: they support no finding.")


@pytest.mark.parametrize(("se", "expected"), [(0.01, False), (0.2, True)])
def test_a_run_with_intervals_wider_than_its_largest_limit_has_that_sentence_alone(se, expected):
    results = tables_of(flat({(1,): 0.4}), se=se)
    (sentence,) = what_samples_can_tell(results["pruning_recommendations"], "%")
    assert ("support no finding" in sentence) == expected
    assert (findings(results, "%") == []) == expected


def test_three_samples_find_no_difference_of_task_types():
    table = tables_of(flat(shift={"c": 0.1, "d": 0.1}), se=0.08, clusters=3)["task_type_comparison"]
    assert "No task type is shown to lose more" in " ".join(
        findings(QUIET | {"task_type_comparison": table}, "%")
    )


def test_a_block_is_most_important_only_if_its_interval_lies_above_all_others():
    rows = VITAL.filter(level="combination", size=1)
    wide = pl.when(combination="5").then(90.0).otherwise("high").alias("high")
    text = " ".join(
        findings(QUIET | {"block_position_analysis": VITAL.filter(size=1).with_columns(wide)}, "%")
    )
    assert len(rows) == 6
    assert "most important" not in text


def test_untested_interactions_are_no_finding():
    pairs = QUIET["combination_vs_individual"].with_columns(untested=pl.lit("chosen"))
    text = " ".join(findings(QUIET | {"combination_vs_individual": pairs}, "%"))
    assert "nteraction" not in text


@pytest.mark.parametrize(("q", "expected"), [(0.0, True), (0.05, True), (0.06, False)])
def test_winners_curse_is_said_up_to_a_false_discovery_rate_of_5_percent(q, expected):
    row = {
        "scope": "dataset",
        "method": "pooled",
        "size": 2,
        "optimism": 1.5,
        "optimism_low": 1.0,
        "optimism_high": 2.0,
        "q": q,
    }
    sentences = list(winners_curse({"by_size": [row], "winners": []}, "%"))
    assert ["lose 1.50 % [1.00, 2.00] more" in sentence for sentence in sentences] == (
        [True] if expected else []
    )


def generic_list(datasets: int, regret: float, verdict: str) -> dict:
    """Return a document in which the generic list costs so much more at one size."""
    row = {
        "method": "pooled",
        "list": "generic",
        "size": 2,
        "datasets": datasets,
        "regret": regret,
        "low": regret - 0.5,
        "high": regret + 0.5,
        "verdict": verdict,
    }
    return {"measured": True, "match_rates": [], "mean_regret": [row], "rows": []}


def test_lists_of_their_own_that_lose_more_are_said_to():
    (sentence,) = lists(generic_list(3, -1.0, "costs less"), "%")
    assert sentence.startswith("One list is better than lists of their own: with 2 blocks")
    assert "1.00 % [0.50, 1.50] less" in sentence


@pytest.mark.parametrize("verdict", ["same list", "not shown to differ", "costs more"])
def test_one_dataset_says_nothing_of_one_list_for_all(verdict):
    assert list(lists(generic_list(1, 1.0, verdict), "%")) == []


@pytest.mark.parametrize(
    ("combination", "removed"),
    [
        ("4", "1 block"),
        ("4-5", "2 blocks"),
        ("4m", "1 half of a block"),
        ("4m-5m-9m", "3 halves of blocks"),
        ("4-5m", "1 block and 1 half of a block"),
    ],
)
def test_what_may_be_removed_counts_halves_apart(combination: str, removed: str) -> None:
    """Three halves are not three blocks."""
    strategy = {
        "max_drop": 3.0,
        "size": len(combination.split("-")),
        "combination": combination,
        "holdout": {"drop": 0.5, "low": 0.0, "high": 1.0},
        "end": "limit",
    }
    sentence = within_limit("Balanced", strategy, "%")
    assert sentence.startswith(f"Balanced: remove {combination} ({removed}).")
