"""Key findings in sentences; each stands only where its test holds."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from blocksieve.analysis.task_specific_vs_generic import SAME
from blocksieve.evidence import PERCENT
from blocksieve.statistics import CONFIDENCE, ROUNDING, false_discovery

AGREEMENT = 0.9
SIGNIFICANT = 1 - CONFIDENCE
SHUFFLES = 2000
Tables = Mapping[str, Any]


def findings(tables: Tables, unit: str) -> list[str]:
    """All findings that hold, from the tables and documents of the analyses, by their names; `unit` is % or pp."""
    makers = (
        _removable,
        _blocks,
        _task_types,
        _positions,
        _interactions,
        _pairs,
        _splits,
        _lists,
        _curse,
        _routing,
    )
    return [sentence for maker in makers for sentence in maker(tables, unit)]


def _removable(tables: Tables, unit: str) -> Iterator[str]:
    """The largest size within each limit; how many combinations share the first place."""
    chosen = tables["pruning_recommendations"]
    for name, strategy in chosen["strategies"].items():
        if strategy["size"]:
            again = strategy["holdout"]
            measured = (
                f"{again['drop']:+.2f} {unit} on samples never used to choose, " if again else ""
            )
            yield (
                f"{name.capitalize()}: removing {strategy['combination']} ({_blocks_of(strategy['size'])}) costs"
                f" {measured}{strategy['drop']:+.2f} {unit} on those that chose it, there at most"
                f" {strategy['high']:+.2f} {unit} by its 95 % interval, within the limit of"
                f" {strategy['max_drop']:g} {unit}."
            )
        else:
            yield (
                f"{name.capitalize()}: the best combination of no size is shown to lose at most"
                f" {strategy['max_drop']:g} {unit}."
            )
    crowded = [
        entry for entry in chosen["sizes"] if len(entry["tied"]) > 1 and entry["low"] is not None
    ]
    for entry in crowded:
        yield (
            f"With {_blocks_of(entry['size'])} removed, {len(entry['tied'])} of {entry['candidates']} combinations are"
            f" statistically tied with the best, {entry['combination']}."
        )


def _blocks(tables: Tables, unit: str) -> Iterator[str]:
    """The most important block, if it is one beyond doubt."""
    rows = (
        tables["block_position_analysis"]
        .filter(level="combination", size=1)
        .sort("mean", descending=True)
    )
    if len(rows) < 2 or rows["low"].null_count():
        return
    first, others = rows.row(0, named=True), rows[1:]
    if first["low"] > max(*others["high"], 0):
        yield (
            f"Block {first['combination']} is the most important: alone it costs {first['mean']:.2f} {unit}"
            f" [{first['low']:.2f}, {first['high']:.2f}], more than any other block."
        )
    harmless = rows.filter(pl.col("low") <= 0)
    if len(harmless):
        yield (
            f"For {len(harmless)} of {len(rows)} blocks, removing the block alone is not shown to cost anything on"
            " average over the datasets."
        )


def _task_types(tables: Tables, unit: str) -> Iterator[str]:
    """Pairs of task types whose means differ (independent samples, adjusted for the number of pairs)."""
    rows = tables["task_type_comparison"].drop_nulls("low").sort("mean")
    # From the intervals, since those know how few clusters there may be.
    errors = rows.with_columns(
        error=(pl.col("high") - pl.col("low")) / (2 * stats.norm.ppf((1 + CONFIDENCE) / 2))
    )
    pairs = list(combinations(errors.to_dicts(), 2))
    if not pairs:
        return
    z = [
        (more["mean"] - less["mean"]) / max(np.hypot(less["error"], more["error"]), ROUNDING)
        for less, more in pairs
    ]
    q = false_discovery(2 * stats.norm.sf(np.abs(z)))
    apart = [pair for pair, value in zip(pairs, q, strict=True) if value <= SIGNIFICANT]
    if apart:
        less, more = max(apart, key=lambda pair: pair[1]["mean"] - pair[0]["mean"])
        yield (
            f"{more['task_type']} loses more than {less['task_type']}: {more['mean']:.2f} against {less['mean']:.2f}"
            f" {unit} on average over the same combinations; {len(apart)} of {len(pairs)} pairs of task types differ."
        )
    else:
        yield "No task type is shown to lose more than another."


def _positions(tables: Tables, unit: str) -> Iterator[str]:
    """Thirds of the decoder whose intervals do not touch."""
    rows = tables["block_position_analysis"].filter(level="position", size=1).drop_nulls("low")
    known = {row["position"]: row for row in rows.to_dicts()}
    for one, other in combinations(("early", "middle", "late"), 2):
        if one in known and other in known:
            more, less = sorted((known[one], known[other]), key=lambda row: -row["mean"])
            if more["low"] > less["high"]:
                yield (
                    f"{more['position'].capitalize()} blocks ({more['blocks']}) cost more than {less['position']} ones"
                    f" ({less['blocks']}): {more['mean']:.2f} against {less['mean']:.2f} {unit}."
                )


def _interactions(tables: Tables, unit: str) -> Iterator[str]:
    """How many combinations interact."""
    table = tables["combination_vs_individual"]
    if table.is_empty():
        return
    counts = {label: table.filter(label=label).height for label in ("synergy", "antagonism")}
    if not sum(counts.values()):
        yield f"No interaction between blocks is shown in {len(table):,} combinations."
        return
    yield (
        f"Of {len(table):,} combinations, {counts['synergy']} cost less than the sum of their blocks (synergy) and"
        f" {counts['antagonism']} cost more (antagonism), at a 5 % false discovery rate."
    )
    beyond = (
        table.filter(pl.col("label") == "synergy", pl.col("summed") > PERCENT).height
        if unit == "%"
        else 0
    )
    if beyond:
        yield f"Of these synergies {beyond} have sums above 100 %, more than anything can cost."


def _pairs(tables: Tables, unit: str) -> Iterator[str]:
    """Whether datasets of one task type are more alike than others, by shuffling the task types of the datasets."""
    known = tables["dataset_pairwise_comparison"].drop_nulls("pearson")
    ends = (known.select(dataset=f"dataset_{end}", task_type=f"task_type_{end}") for end in "ab")
    types = pl.concat(ends).unique().sort("dataset")
    names, labels = types["dataset"].to_list(), types["task_type"].to_numpy()
    first, second = (
        np.array([names.index(name) for name in known[f"dataset_{end}"]], dtype=int) for end in "ab"
    )
    r = known["pearson"].to_numpy()

    def gap(labels: Any) -> float:
        same = labels[first] == labels[second]
        return float(r[same].mean() - r[~same].mean()) if same.any() and not same.all() else 0.0

    found, rng = gap(labels), np.random.default_rng(0)
    reached = sum(abs(gap(rng.permutation(labels))) >= abs(found) - 1e-12 for _ in range(SHUFFLES))
    if (1 + reached) / (1 + SHUFFLES) <= SIGNIFICANT:
        yield (
            f"Datasets of one task type respond {'more' if found > 0 else 'less'} alike than datasets of different"
            f" types: their mean correlations differ by {abs(found):.2f}."
        )


def _splits(tables: Tables, unit: str) -> Iterator[str]:
    """Datasets whose splits agree or disagree beyond doubt."""
    pairs = (
        tables["split_agreement"]
        .unique(["dataset", "split_a", "split_b"])
        .drop_nulls("spearman_low")
    )
    known = pairs["dataset"].n_unique()
    for word, why, found in (
        ("agree", "", pairs.filter(pl.col("spearman_low") >= AGREEMENT)),
        (
            "do not agree",
            ", by noise in the drops or in truth",
            pairs.filter(pl.col("spearman_high") < AGREEMENT),
        ),
    ):
        if names := found["dataset"].unique().sort().to_list():
            yield (
                f"The orders of blocks measured on the splits of {len(names)} of {known} datasets {word}{why}:"
                f" Spearman's correlation {'above' if word == 'agree' else 'below'} {AGREEMENT} with its whole interval"
                f" ({', '.join(names)})."
            )


def _lists(tables: Tables, unit: str) -> Iterator[str]:
    """Whether one list is enough, by the regret of the generic list over the datasets' own."""
    means = [
        row
        for row in tables["task_specific_vs_generic"]["mean_regret"]
        if row["list"] == "generic" and row["method"] == "beam"
    ]
    dearer = [row for row in means if row["verdict"] == "costs more"]
    for row in dearer:
        yield (
            f"Lists of their own pay: with {_blocks_of(row['size'])} removed, the generic list costs"
            f" {row['regret']:.2f} {unit} [{row['low']:.2f}, {row['high']:.2f}] more than the datasets' own, on samples"
            " never used to choose."
        )
    if means and all(row["verdict"] == SAME for row in means):
        yield "One list is enough: at every size the generic list is that of every dataset."
    elif means and not dearer and all(row["high"] is not None for row in means):
        most = max(means, key=lambda row: row["high"])
        yield (
            "One list is enough as far as these samples tell: at no size is the generic list shown to be worse than the"
            f" datasets' own; at most it costs {most['high']:.2f} {unit} more on average, by the 95 % interval at size"
            f" {most['size']}."
        )


def _curse(tables: Tables, unit: str) -> Iterator[str]:
    """Sizes at which winners lose more on other samples than on those that chose them."""
    for row in tables["held_out"]["by_size"]:
        if (
            row["scope"] == "dataset"
            and row["method"] == "beam"
            and row["optimism"] > 0
            and (row["q"] or 1) <= SIGNIFICANT
        ):
            yield (
                f"Winner's curse: with {_blocks_of(row['size'])} removed, the datasets' own winners lose"
                f" {row['optimism']:.2f} {unit} [{row['optimism_low']:.2f}, {row['optimism_high']:.2f}] more on samples"
                " never used to choose than on those that chose them."
            )


def _routing(tables: Tables, unit: str) -> Iterator[str]:
    """Whether a list picked by the prompt loses less than one list for all, on holdout samples."""
    sizes = (
        tables["routing"]["sizes"] if tables["routing"]["detection"] else []
    )  # else there is nothing to pick by
    shown = [
        entry
        for entry in sizes
        if entry["gain"]["q"] is not None and entry["gain"]["q"] <= SIGNIFICANT
    ]
    for entry in shown:
        gain, seen = entry["gain"], 100 * tables["routing"]["detection"]["seen"]
        yield (
            f"With {_blocks_of(entry['size'])} removed, picking the list by the prompt loses {abs(gain['drop']):.2f}"
            f" {unit} {'less' if gain['drop'] > 0 else 'more'} than one list for all (95 % interval of the gain"
            f" {gain['low']:+.2f} to {gain['high']:+.2f}), on samples never used to choose; the router knows the"
            f" wording of {seen:.0f} % of their prompts."
        )
    if sizes and not shown:
        yield "Picking the list by the prompt is not shown to lose less than one list for all, at any size."


def _blocks_of(size: int) -> str:
    return f"{size} block{'' if size == 1 else 's'}"
