"""Whether the choice holds under other data: samples, datasets, the other half, the other split."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import Method, Scope
from blocksieve.combination import Combination, Site
from blocksieve.evidence import Evidence, wide_sums
from blocksieve.search.finalists import Chooser, choices_of, choosers

RESAMPLES = 500
SEED = 0
SCOPES = (Scope.DATASET, Scope.TASK_TYPE, Scope.GENERIC)
TOP = 5

Floats = NDArray[np.float64]
Picks = dict[tuple[Method, int], list[Combination]]
"""For each method and size the combination that each draw chooses."""
RunChoices = Mapping[tuple[Method, Scope, str, int], Combination]
"""What the run chose, by method, scope, name and size."""


class Share(TypedDict):
    """A combination and the share of draws that choose it."""

    combination: str
    share: float


class Agreement(TypedDict):
    """How often draws choose the same as what they are compared with, and what they choose."""

    draws: int
    same: float
    overlap: float
    distinct: int
    top: list[Share]
    removed: dict[str, float]


class StabilityRow(Agreement):
    """The agreement of a method's choices for a scope and name, at one size, under one scheme."""

    method: str
    size: int
    scope: str
    name: str
    scheme: str


class StabilityDocument(TypedDict):
    """Content of stability.json."""

    measured: bool
    samples: int
    seed: int
    rows: list[StabilityRow]


@dataclass(frozen=True)
class Draws:
    """Other data under which to choose again.

    `means`: for each dataset mean drops (draws, combinations), in the order of `row_index`.
    `complements`: the same on what each draw left out; None: compare with the run's choice.
    `resample_datasets`: whether datasets are drawn, with replacement, and not samples.
    """

    scheme: str
    means: Mapping[str, Floats]
    complements: Mapping[str, Floats] | None = None
    resample_datasets: bool = False


@dataclass(frozen=True)
class Clusters:
    """A dataset's samples by cluster.

    `drops`: sums of drops (combinations, clusters). `totals`: (clusters,), what they are shares of:
    sums of the baseline, or numbers of samples. `splits`: (clusters,), the split of each.
    """

    drops: Floats
    totals: Floats
    splits: NDArray[np.str_]

    def means(self, weights: NDArray[np.generic]) -> Floats:
        """Return mean drops (draws, combinations); clusters count by weights (draws, clusters)."""
        counts = np.asarray(weights, dtype=np.float64)
        # (draws, clusters) @ (clusters, combinations)
        sums = counts @ self.drops.T
        totals = (counts @ self.totals)[:, None]  # (draws, 1)
        # Samples without any baseline score say nothing of a share of it.
        means: Floats = np.divide(sums, totals, where=totals != 0, out=np.zeros_like(sums))
        return means


def analyse(evidence: Evidence) -> StabilityDocument:
    """Choose again under other data, from evaluated combinations; schema stability.schema.json.

    One of `rows` per method, scope, name, size and scheme.
    samples: clusters drawn with replacement; datasets: datasets drawn with replacement; either's
    choices are compared with the run's. halves: a random half of the clusters, compared with the
    other half; splits: a source split, compared with another.
    `same`: the share of draws with the same choice; `overlap`: the mean share of blocks in common;
    `top`: the most frequent choices; `removed`: how often each block is.

    A bootstrap adds its noise to that of the samples, so that its shares are rather too low.
    Nothing is evaluated anew: what the search never tried is never chosen. A given table comes
    without samples, and has no rows.
    """
    rows: list[StabilityRow] = []
    if evidence.paired:
        run_choices = {
            (choice.method, choice.scope, choice.name, choice.size): choice.combination
            for choice in choices_of(evidence)
        }
        for draws in _schemes(evidence):
            for chooser in _choosers(evidence, draws):
                rows += _agreements(evidence, draws, chooser, run_choices)
    return {
        "measured": evidence.paired,
        "samples": sum(evidence.samples.values()),
        "seed": SEED,
        "rows": rows,
    }


def _schemes(evidence: Evidence) -> Iterator[Draws]:
    clusters = {dataset: _clusters(evidence, dataset) for dataset in evidence.datasets}
    rng = np.random.default_rng(SEED)
    bootstrap: dict[str, Floats] = {}
    every_cluster: dict[str, Floats] = {}
    first_half: dict[str, Floats] = {}
    second_half: dict[str, Floats] = {}
    for dataset, data in clusters.items():
        num_clusters = len(data.totals)
        equal = np.full(num_clusters, 1 / num_clusters)
        counts = rng.multinomial(num_clusters, equal, RESAMPLES)  # (draws, clusters)
        bootstrap[dataset] = data.means(counts)
        # (draws, clusters): in each draw one half of the clusters is 0, the other 1.
        alternating = np.tile(np.arange(num_clusters) % 2, (RESAMPLES, 1))
        half = rng.permuted(alternating, axis=1)
        first_half[dataset] = data.means(half == 0)
        second_half[dataset] = data.means(half == 1)
        every_cluster[dataset] = data.means(np.ones((1, num_clusters)))
    yield Draws("samples", bootstrap)
    yield Draws("datasets", every_cluster, resample_datasets=True)
    yield Draws("halves", first_half, second_half)
    yield from _splits(clusters)


def _splits(clusters: Mapping[str, Clusters]) -> Iterator[Draws]:
    """Yield for each pair of splits the datasets that have both."""
    splits_of = {dataset: set(data.splits.tolist()) for dataset, data in clusters.items()}
    every_split = sorted(set().union(*splits_of.values()))
    for first_split, second_split in combinations(every_split, 2):
        first: dict[str, Floats] = {}
        second: dict[str, Floats] = {}
        for dataset, data in clusters.items():
            if {first_split, second_split} <= splits_of[dataset]:
                # A single draw of the clusters of one split: (1, clusters).
                first[dataset] = data.means(data.splits[None] == first_split)
                second[dataset] = data.means(data.splits[None] == second_split)
        yield Draws(f"splits {first_split}/{second_split}", first, second)


def _clusters(evidence: Evidence, dataset: str) -> Clusters:
    wide = wide_sums(evidence.sums_of(dataset))
    names = [str(combination) for combination in evidence.row_index[dataset]]
    totals = wide["baseline" if evidence.scale == "relative" else "n"]
    return Clusters(
        drops=wide.select(names).to_numpy().T,
        totals=totals.cast(pl.Float64).to_numpy(),
        splits=wide["split"].to_numpy().astype(str),
    )


def _choosers(evidence: Evidence, draws: Draws) -> Iterator[Chooser]:
    """Yield the choosers of SCOPES whose datasets the draws have."""
    for chooser in choosers(evidence):
        has_data = set(chooser.datasets) <= draws.means.keys()
        can_resample = not draws.resample_datasets or len(chooser.datasets) > 1
        if chooser.scope in SCOPES and has_data and can_resample:
            yield chooser


def _agreements(
    evidence: Evidence, draws: Draws, chooser: Chooser, run_choices: RunChoices
) -> list[StabilityRow]:
    """Compare what the draws choose with the choice on their complements, or with the run's."""
    picks = _picks(evidence, draws.means, chooser.datasets, draws.resample_datasets)
    references: Picks = {}
    if draws.complements is not None:
        references = _picks(evidence, draws.complements, chooser.datasets)
    rows: list[StabilityRow] = []
    for (method, size), picked in picks.items():
        if draws.complements is None:
            run_choice = run_choices[method, chooser.scope, chooser.name, size]
            references[method, size] = [run_choice] * len(picked)
        rows.append(
            {
                "method": method,
                "size": size,
                "scope": chooser.scope,
                "name": chooser.name,
                "scheme": draws.scheme,
                **_agreement(picked, references[method, size]),
            }
        )
    return rows


def _picks(
    evidence: Evidence,
    means: Mapping[str, Floats],
    datasets: Sequence[str],
    resample_datasets: bool = False,
) -> Picks:
    """Return what each draw chooses on some datasets, or on as many drawn from them."""
    measured = evidence.measured_on(datasets)
    drops = _mean_drops(evidence, means, measured, datasets, resample_datasets)
    singles = [column for column, combination in enumerate(measured) if combination.is_single]
    # Each draw's singles by their drop, (draws, singles); equal drops keep the blocks' order.
    by_drop = np.argsort(drops[:, singles], axis=1, kind="stable")
    picks: Picks = {}
    for size in sorted({combination.size for combination in measured}):
        of_size = [
            column for column, combination in enumerate(measured) if combination.size == size
        ]
        least = drops[:, of_size].argmin(axis=1)  # (draws,)
        picks[Method.BEAM, size] = [measured[of_size[place]] for place in least]
        if size < len(singles):
            picks[Method.SCORES, size] = []
            for places in by_drop[:, :size]:
                least_important = [measured[singles[place]] for place in places]
                picks[Method.SCORES, size].append(_together(least_important))
    return picks


def _mean_drops(
    evidence: Evidence,
    means: Mapping[str, Floats],
    measured: Sequence[Combination],
    datasets: Sequence[str],
    resample_datasets: bool,
) -> Floats:
    """Average each draw's drops over datasets, or over as many drawn: (draws, combinations)."""
    by_dataset = []
    over = evidence.counted(datasets)
    for dataset in over:
        index = evidence.row_index[dataset]
        columns = [index[combination] for combination in measured]
        by_dataset.append(means[dataset][:, columns])
    stacked = np.stack(by_dataset)  # (datasets, draws, combinations)
    weights = np.array(evidence.weights_of(over))
    if not resample_datasets:
        average: Floats = np.average(stacked, axis=0, weights=weights)
        return average
    # There is one draw of the samples, and RESAMPLES of the datasets: (draws, datasets).
    num_datasets = len(over)
    equal = np.full(num_datasets, 1 / num_datasets)
    times_drawn = np.random.default_rng(SEED).multinomial(num_datasets, equal, RESAMPLES)
    drawn_weights = times_drawn * weights  # (draws, datasets)
    resampled: Floats = drawn_weights @ stacked[:, 0] / drawn_weights.sum(axis=1, keepdims=True)
    return resampled


def _together(singles: Iterable[Combination]) -> Combination:
    sites: list[Site] = []
    for single in singles:
        sites += single.sites
    return Combination.of(sites)


def _agreement(picked: Sequence[Combination], references: Sequence[Combination]) -> Agreement:
    """Compare each draw's choice with its reference."""
    num_draws = len(picked)
    same = 0
    overlap = 0.0
    for choice, reference in zip(picked, references, strict=True):
        same += choice == reference
        overlap += choice.overlap(reference)
    counts = Counter(picked)
    site_counts: Counter[Site] = Counter()
    for combination, count in counts.items():
        for site in combination.sites:
            site_counts[site] += count
    return {
        "draws": num_draws,
        "same": same / num_draws,
        "overlap": overlap / num_draws,
        "distinct": len(counts),
        "top": [
            {"combination": str(combination), "share": count / num_draws}
            for combination, count in counts.most_common(TOP)
        ],
        "removed": {str(site): site_counts[site] / num_draws for site in sorted(site_counts)},
    }
