"""Key findings in sentences; each stands only where its test holds.

Every finding takes the result of one analysis, and the unit, % or pp.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.combination import Combination
from blocksieve.report.columns import Record
from blocksieve.report.held_out import HeldOut
from blocksieve.report.numbers import bracket, count_blocks, count_removed, number, percent
from blocksieve.report.pruning_recommendations import Recommendations, supports_findings
from blocksieve.report.routing import Routing
from blocksieve.report.task_specific_vs_generic import TaskSpecificVsGeneric
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery, p_of_interval
from blocksieve.verdicts import AGREEMENT, End, Verdict

SHUFFLES = 2000
FINDINGS_SAMPLES = (
    "Ties, single blocks, positions, task types, and pairs and splits of datasets are told from"
    " search samples."
)
MORE = {
    End.LIMIT: "",
    End.SEARCH: " This is not the end: every size searched keeps it; raise search.max_removed.",
    End.NOT_CONFIRMED: " What larger sizes cost on such samples is not known.",
}
"""What is said of sizes above the one that keeps a limit."""
THAN_OWN = "than the datasets' own, on samples never used to choose."


def findings(results: Mapping[str, Any], unit: str) -> list[str]:
    """Return what holds besides the answer; `results`: tables and documents by analyses' names.

    Nothing where intervals are wider than the largest limit: such samples support no finding.
    """
    if not supports_findings(results["pruning_recommendations"]):
        return []
    sentences: list[str] = []
    for analysis, find in FINDINGS:
        sentences += find(results[analysis], unit)
    return sentences


def verified(document: Recommendations, unit: str) -> Iterator[str]:
    """Yield what the strategies' combinations cost on samples kept for this alone."""
    drops = document["verified"] or {}
    num_counted = document["num_datasets"] - len(document["left_out"])
    for name, drop in drops.items():
        strategy = document["strategies"][name]
        removed = count_removed(Combination.parse(strategy["combination"]))
        over = ""
        if drop["datasets"] < num_counted:
            over = f" over {drop['datasets']} of {num_counted} datasets"
        yield (
            f"Verified: removing {strategy['combination']} ({name}, {removed}) costs"
            f" {drop['drop']:+.2f} {unit}"
            f" {bracket(drop['low'], drop['high'])}{over} on samples that neither search nor"
            " choice has seen."
        )


def within_limits(document: Recommendations, unit: str) -> Iterator[str]:
    """Yield the largest size within each limit, judged on holdout samples alone."""
    for name, strategy in document["strategies"].items():
        yield within_limit(name.capitalize(), strategy, unit)


def within_limit(title: str, strategy: Record, unit: str) -> str:
    """Return what may be removed within one limit, behind a title such as `Balanced`."""
    limit = f"the limit of {strategy['max_drop']:g} {unit}"
    if strategy["size"]:
        holdout = strategy["holdout"]
        removed = count_removed(Combination.parse(strategy["combination"]))
        return (
            f"{title}: remove {strategy['combination']} ({removed})."
            f" The mean drop is {holdout['drop']:+.2f} {unit}"
            f" {bracket(holdout['low'], holdout['high'])} on samples never used to choose:"
            f" its 95 % interval keeps {limit}.{MORE[strategy['end']]}"
        )
    if strategy["end"] == End.NOT_CONFIRMED:
        return (
            f"{title}: not confirmed, since what the recommended lists cost on holdout samples is"
            " not known: they were not measured there (samples.holdout), or a baseline is 0."
        )
    return f"{title}: no combination is shown to keep {limit} on samples never used to choose."


def ties(document: Recommendations, unit: str) -> Iterator[str]:
    """Yield how many combinations share the first place of a size."""
    for entry in document["sizes"]:
        num_tied = len(entry["tied"])
        if num_tied > 1 and entry["low"] is not None:
            among = ""
            if entry["combination"] in entry["tied"]:
                among = f", the recommended {entry['combination']} among them"
            yield (
                f"With {count_blocks(entry['size'])} removed, {num_tied} of {entry['candidates']}"
                f" combinations are statistically tied for the first place{among}."
            )


def single_blocks(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield the most important block, if it is one beyond doubt, and how many are harmless."""
    blocks = table.filter(level="combination", size=1).sort("mean", descending=True)
    if len(blocks) < 2 or blocks["low"].null_count():
        return
    first = blocks.row(0, named=True)
    highest_rival = max(blocks["high"][1:].to_list())
    if first["low"] > max(highest_rival, 0):
        yield (
            f"Block {first['combination']} is the most important: alone it costs"
            f" {first['mean']:.2f} {unit} [{first['low']:.2f}, {first['high']:.2f}], more than any"
            " other block."
        )
    num_harmless = len(blocks.filter(pl.col("low") <= 0))
    if num_harmless:
        yield (
            f"For {num_harmless} of {len(blocks)} blocks, removing the block alone is not shown to"
            " cost anything on average over the datasets."
        )


def task_types(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield which task type loses most more than another, at a false discovery rate over pairs."""
    types = table.drop_nulls("low").sort("mean").to_dicts()
    pairs = list(combinations(types, 2))
    if not pairs:
        return
    p = [_p_of_difference(less, more) for less, more in pairs]
    q = false_discovery(p)
    different = [
        pair for pair, value in zip(pairs, q, strict=True) if value <= FALSE_DISCOVERY_RATE
    ]
    if not different:
        yield "No task type is shown to lose more than another."
        return
    less, more = max(different, key=lambda pair: pair[1]["mean"] - pair[0]["mean"])
    yield (
        f"{more['task_type']} loses more than {less['task_type']}: {more['mean']:.2f} against"
        f" {less['mean']:.2f} {unit} on average over the same combinations; {len(different)} of"
        f" {len(pairs)} pairs of task types differ."
    )


def _p_of_difference(less: Record, more: Record) -> float:
    """Return the two-sided p of the means of two task types, whose samples are independent."""
    gap = more["mean"] - less["mean"]
    half_width = float(np.hypot(more["high"] - more["low"], less["high"] - less["low"])) / 2
    return p_of_interval(gap, gap - half_width, gap + half_width)


def positions(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield the thirds of the decoder whose intervals do not touch."""
    rows = table.filter(level="position", size=1).drop_nulls("low").to_dicts()
    by_position = {row["position"]: row for row in rows}
    thirds = [by_position[name] for name in ("early", "middle", "late") if name in by_position]
    for pair in combinations(thirds, 2):
        more, less = sorted(pair, key=lambda row: -row["mean"])
        if more["low"] > less["high"]:
            yield (
                f"{more['position'].capitalize()} blocks ({more['blocks']}) cost more than"
                f" {less['position']} ones ({less['blocks']}): {more['mean']:.2f} against"
                f" {less['mean']:.2f} {unit}."
            )


def interactions(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield how many combinations cost less or more than independent blocks would."""
    tested = table.filter(pl.col("untested").is_null())
    if tested.is_empty():
        return
    synergies = table.filter(label="synergy")
    antagonisms = table.filter(label="antagonism")
    if synergies.is_empty() and antagonisms.is_empty():
        yield f"No interaction between blocks is shown in {len(tested):,} combinations."
        return
    yield (
        f"Of {len(tested):,} combinations, {len(synergies)} cost less than they would if their"
        f" blocks spoiled answers independently (synergy) and {len(antagonisms)} cost more"
        " (antagonism), at a 5 % false discovery rate, on samples that did not choose them."
    )


def pairs_of_datasets(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield whether datasets of one task type respond more alike than others.

    The test shuffles the task types of the datasets.
    """
    pairs = table.drop_nulls("spearman")
    datasets, types = _types_of_datasets(pairs)
    correlations = pairs["spearman"].to_numpy()
    first = np.array([datasets.index(name) for name in pairs["dataset_a"]], dtype=int)
    second = np.array([datasets.index(name) for name in pairs["dataset_b"]], dtype=int)

    def gap(shuffled: NDArray[np.object_]) -> float:
        """Return the mean correlation of pairs of one type, minus that of different types."""
        same = shuffled[first] == shuffled[second]
        if same.all() or not same.any():
            return 0.0
        return float(correlations[same].mean() - correlations[~same].mean())

    observed = gap(types)
    rng = np.random.default_rng(0)
    shuffled_gaps = [gap(rng.permutation(types)) for _ in range(SHUFFLES)]
    num_reached = sum(abs(value) >= abs(observed) - 1e-12 for value in shuffled_gaps)
    # A permutation test's p counts the observed order as one of the shuffles.
    if (1 + num_reached) / (1 + SHUFFLES) <= FALSE_DISCOVERY_RATE:
        word = "more" if observed > 0 else "less"
        yield (
            f"Datasets of one task type respond {word} alike than datasets of different types:"
            f" their mean correlations differ by {abs(observed):.2f}."
        )


def _types_of_datasets(pairs: pl.DataFrame) -> tuple[list[str], NDArray[np.object_]]:
    """Return the datasets of some pairs, by name, and their task types."""
    ends = [
        pairs.select(dataset=f"dataset_{end}", task_type=f"task_type_{end}") for end in ("a", "b")
    ]
    datasets = pl.concat(ends).unique().sort("dataset")
    return datasets["dataset"].to_list(), datasets["task_type"].to_numpy()


def splits(table: pl.DataFrame, unit: str) -> Iterator[str]:
    """Yield the datasets whose splits agree or disagree beyond doubt, and what noise explains."""
    pairs = table.unique(["dataset", "split_a", "split_b"]).drop_nulls("spearman")
    num_datasets = pairs["dataset"].n_unique()
    agree = _datasets_of(pairs.filter(pl.col("spearman_low") >= AGREEMENT))
    if agree:
        yield (
            f"The orders of blocks measured on the splits of {len(agree)} of {num_datasets}"
            f" datasets agree: Spearman's correlation above {AGREEMENT} with its whole interval"
            f" ({', '.join(agree)})."
        )
    truly_differ = pl.col("q").fill_null(1.0) <= FALSE_DISCOVERY_RATE
    differ = _datasets_of(pairs.filter(truly_differ))
    if differ:
        yield (
            f"The orders of blocks measured on the splits of {len(differ)} of {num_datasets}"
            " datasets differ by more than noise: samples dealt to two parts at random agree better"
            f" ({', '.join(differ)})."
        )
    disagree = pairs.filter(pl.col("spearman_high") < AGREEMENT, ~truly_differ)
    names = _datasets_of(disagree)
    if names:
        by_noise = float(np.mean(disagree["noise_spearman"].to_list()))
        yield (
            f"The orders of blocks measured on the splits of {len(names)} of {num_datasets}"
            f" datasets do not agree: Spearman's correlation below {AGREEMENT} with its whole"
            f" interval. Noise alone may explain it: samples dealt to two parts at random reach"
            f" {number(by_noise)} on average ({', '.join(names)})."
        )


def _datasets_of(pairs: pl.DataFrame) -> list[str]:
    return pairs["dataset"].unique().sort().to_list()


def lists(document: TaskSpecificVsGeneric, unit: str) -> Iterator[str]:
    """Yield whether one list is enough for several datasets, by the regret of the generic list."""
    regrets = [
        row
        for row in document["mean_regret"]
        if row["list"] == Scope.GENERIC and row["method"] == RECOMMENDED and row["datasets"] > 1
    ]
    if not regrets:
        return
    if all(row["verdict"] == Verdict.SAME for row in regrets):
        yield "One list is enough: at every size the generic list is that of every dataset."
        return
    for row in regrets:
        if row["verdict"] == Verdict.COSTS_MORE:
            yield (
                f"Lists of their own pay: {_at_size(row)} {row['regret']:.2f} {unit}"
                f" [{row['low']:.2f}, {row['high']:.2f}] more {THAN_OWN}"
            )
        if row["verdict"] == Verdict.COSTS_LESS:
            yield (
                f"One list is better than lists of their own: {_at_size(row)}"
                f" {-row['regret']:.2f} {unit} [{-row['high']:.2f}, {-row['low']:.2f}] less"
                f" {THAN_OWN}"
            )
    dearer = any(row["verdict"] == Verdict.COSTS_MORE for row in regrets)
    if dearer or any(row["high"] is None for row in regrets):
        return
    most = max(regrets, key=lambda row: row["high"])
    if most["high"] > 0:
        yield (
            "One list is enough as far as these samples tell: at no size is the generic list shown"
            f" to be worse than the datasets' own; at most it costs {most['high']:.2f} {unit} more"
            f" on average, by the 95 % interval at size {most['size']}."
        )


def _at_size(row: Record) -> str:
    return f"with {count_blocks(row['size'])} removed, the generic list costs"


def winners_curse(document: HeldOut, unit: str) -> Iterator[str]:
    """Yield the sizes at which winners lose more on samples that did not choose them."""
    for row in document["by_size"]:
        if row["scope"] != "dataset" or row["method"] != RECOMMENDED:
            continue
        if row["optimism"] > 0 and _is_significant(row["q"]):
            yield (
                f"Winner's curse: with {count_blocks(row['size'])} removed, the datasets' own"
                f" winners lose {row['optimism']:.2f} {unit} [{row['optimism_low']:.2f},"
                f" {row['optimism_high']:.2f}] more on samples never used to choose than on those"
                " that chose them."
            )


def routing(document: Routing, unit: str) -> Iterator[str]:
    """Yield whether a list picked by the prompt loses less than one list for all."""
    detection, sizes = document["detection"], document["sizes"]
    if detection is None or not sizes:
        return
    significant = [entry for entry in sizes if _is_significant(entry["gain"]["q"])]
    if not significant:
        yield (
            "Picking the list by the prompt is not shown to lose less than one list for all, at any"
            " size."
        )
    for entry in significant:
        gain = entry["gain"]
        word = "less" if gain["drop"] > 0 else "more"
        yield (
            f"With {count_blocks(entry['size'])} removed, picking the list by the prompt loses"
            f" {abs(gain['drop']):.2f} {unit} {word} than one list for all (95 % interval of the"
            f" gain {gain['low']:+.2f} to {gain['high']:+.2f}), on samples never used to choose;"
            f" the router knows the wording of {percent(detection['seen'], digits=0)} % of their"
            " prompts."
        )


def _is_significant(q: float | None) -> bool:
    return q is not None and q <= FALSE_DISCOVERY_RATE


FINDINGS: tuple[tuple[str, Callable[[Any, str], Iterable[str]]], ...] = (
    ("pruning_recommendations", ties),
    ("block_position_analysis", single_blocks),
    ("task_type_comparison", task_types),
    ("block_position_analysis", positions),
    ("combination_vs_individual", interactions),
    ("dataset_pairwise_comparison", pairs_of_datasets),
    ("split_agreement", splits),
    ("task_specific_vs_generic", lists),
    ("held_out", winners_curse),
    ("routing", routing),
)
"""The analysis of each finding and its function, in the order of the report."""
