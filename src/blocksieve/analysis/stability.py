"""Whether the choice holds under other data: samples, datasets, the other half, the other split."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import Method, Scope, match
from blocksieve.choosing import Chooser, by_size, choices_of, choosers
from blocksieve.combination import Combination, Site, singles_of_one_kind
from blocksieve.evidence import Evidence, wide_sums
from blocksieve.pooling import Drawn, DropsOfSize
from blocksieve.units import PERCENT

RESAMPLES = 100
SEED = 0
SCOPES = (Scope.DATASET, Scope.TASK_TYPE, Scope.GENERIC)
TOP = 5

Floats = NDArray[np.float64]
Picks = dict[tuple[Method, int], list[Combination]]
"""For each method and size the combination that each draw chooses."""
RunChoices = Mapping[tuple[Method, Scope, str, int], Combination]
"""What the run chose, by method, scope, name and size."""
TiedSets = Mapping[tuple[Scope, str, int], Set[Combination]]
"""The combinations tied for the first place, by scope, name and size."""


class Share(TypedDict):
    """A combination and the share of draws that choose it."""

    combination: str
    share: float


class Agreement(TypedDict):
    """How often draws choose the same as what they are compared with, and what they choose."""

    draws: int
    same: float
    tied: float
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

    `drawn`: the draws of each dataset's samples. `complements`: what each draw left out; None:
    compare with the run's choice.
    `resample_datasets`: whether datasets are drawn, with replacement, and not samples.
    """

    scheme: str
    drawn: Mapping[str, Drawn]
    complements: Mapping[str, Drawn] | None = None
    resample_datasets: bool = False


@dataclass(frozen=True)
class Clusters:
    """A dataset's samples by cluster.

    `drops`: 100 times the sums of drops (combinations, clusters). `totals`: (clusters,), what they
    are shares of: sums of the baseline, or numbers of samples. `splits`: (clusters,), the split of
    each.
    """

    drops: Floats
    totals: Floats
    splits: NDArray[np.str_]

    def drawn(self, weights: NDArray[np.generic]) -> Drawn:
        """Return draws whose clusters count by weights (draws, clusters)."""
        counts = np.asarray(weights, dtype=np.float64)
        # (draws, clusters) @ (clusters, combinations)
        sums = counts @ self.drops.T
        totals = (counts @ self.totals)[:, None]  # (draws, 1)
        # Samples without any baseline score say nothing of a share of it.
        means: Floats = np.divide(sums, totals, where=totals != 0, out=np.zeros_like(sums))
        return Drawn(means, noise=len(self.totals) / counts[0].sum())


def analyse(evidence: Evidence) -> StabilityDocument:
    """Choose again under other data, from evaluated combinations; schema stability.schema.json.

    One of `rows` per method, scope, name, size and scheme.
    samples: clusters drawn with replacement; datasets: datasets drawn with replacement; either's
    choices are compared with the run's. halves: a random half of the clusters, compared with the
    other half; splits: a source split, compared with another.
    `same`: the share of draws with the same choice; `tied`: with a choice that is the same or, as
    the other, in the tied set of the run's samples; `overlap`: the mean share of blocks in common;
    `top`: the most frequent choices; `removed`: how often each block is.

    A bootstrap is drawn around the run's own choice: among near ties it repeats that far more often
    than other samples would. Halves are of half as many samples, and agree rather too seldom.
    pooled takes the sampling noise of a draw to be that of the run's samples, for halves twice it.
    Nothing is evaluated anew: what the search never tried is never chosen. A given table comes
    without samples, and has no rows.
    """
    rows: list[StabilityRow] = []
    if evidence.paired:
        run_choices = {
            (choice.method, choice.scope, choice.name, choice.size): choice.combination
            for choice in choices_of(evidence)
        }
        tied = _tied(evidence)
        for draws in _schemes(evidence):
            rows += _agreements(evidence, draws, run_choices, tied)
    return {
        "measured": evidence.paired,
        "samples": sum(evidence.samples.values()),
        "seed": SEED,
        "rows": rows,
    }


def _schemes(evidence: Evidence) -> Iterator[Draws]:
    clusters = {dataset: clusters_of(evidence, dataset) for dataset in evidence.datasets}
    rng = np.random.default_rng(SEED)
    bootstrap: dict[str, Drawn] = {}
    every_cluster: dict[str, Drawn] = {}
    first_half: dict[str, Drawn] = {}
    second_half: dict[str, Drawn] = {}
    for dataset, data in clusters.items():
        num_clusters = len(data.totals)
        equal = np.full(num_clusters, 1 / num_clusters)
        counts = rng.multinomial(num_clusters, equal, RESAMPLES)  # (draws, clusters)
        bootstrap[dataset] = data.drawn(counts)
        # (draws, clusters): in each draw one half of the clusters is 0, the other 1.
        alternating = np.tile(np.arange(num_clusters) % 2, (RESAMPLES, 1))
        half = rng.permuted(alternating, axis=1)
        first_half[dataset] = data.drawn(half == 0)
        second_half[dataset] = data.drawn(half == 1)
        every_cluster[dataset] = data.drawn(np.ones((1, num_clusters)))
    yield Draws("samples", bootstrap)
    yield Draws("datasets", every_cluster, resample_datasets=True)
    yield Draws("halves", first_half, second_half)
    yield from _splits(clusters)


def _splits(clusters: Mapping[str, Clusters]) -> Iterator[Draws]:
    """Yield for each pair of splits the datasets that have both."""
    splits_of = {dataset: set(data.splits.tolist()) for dataset, data in clusters.items()}
    every_split = sorted(set().union(*splits_of.values()))
    for first_split, second_split in combinations(every_split, 2):
        first: dict[str, Drawn] = {}
        second: dict[str, Drawn] = {}
        for dataset, data in clusters.items():
            if {first_split, second_split} <= splits_of[dataset]:
                # A single draw of the clusters of one split: (1, clusters).
                first[dataset] = data.drawn(data.splits[None] == first_split)
                second[dataset] = data.drawn(data.splits[None] == second_split)
        yield Draws(f"splits {first_split}/{second_split}", first, second)


def clusters_of(evidence: Evidence, dataset: str) -> Clusters:
    """Return the clusters of a dataset, its combinations in the order of row_index."""
    wide = wide_sums(evidence.sums_of(dataset))
    names = [str(combination) for combination in evidence.row_index[dataset]]
    totals = wide["baseline" if evidence.scale == "relative" else "n"]
    return Clusters(
        drops=PERCENT * wide.select(names).to_numpy().T,
        totals=totals.cast(pl.Float64).to_numpy(),
        splits=wide["split"].to_numpy().astype(str),
    )


def _choosers(evidence: Evidence, draws: Draws) -> Iterator[Chooser]:
    """Yield the choosers of SCOPES whose datasets the draws have."""
    for chooser in choosers(evidence):
        has_data = set(chooser.datasets) <= draws.drawn.keys()
        can_resample = not draws.resample_datasets or len(chooser.datasets) > 1
        if chooser.scope in SCOPES and has_data and can_resample:
            yield chooser


def _tied(evidence: Evidence) -> TiedSets:
    """Return the tied set of each chooser of SCOPES and size."""
    tied: dict[tuple[Scope, str, int], set[Combination]] = {}
    for chooser in choosers(evidence):
        if chooser.scope in SCOPES:
            for size in by_size(evidence.coverage):
                of_size = evidence.tied(size, chooser.datasets)
                tied[chooser.scope, chooser.name, size] = of_size
    return tied


def _agreements(
    evidence: Evidence, draws: Draws, run_choices: RunChoices, tied: TiedSets
) -> list[StabilityRow]:
    """Compare what the draws choose with the choice on their complements, or with the run's."""
    over = list(_choosers(evidence, draws))
    picks = _picks(evidence, draws.drawn, over, draws.resample_datasets)
    complements: list[Picks] = [{} for _ in over]
    if draws.complements is not None:
        complements = _picks(evidence, draws.complements, over)
    rows: list[StabilityRow] = []
    for chooser, of_chooser, references in zip(over, picks, complements, strict=True):
        for (method, size), picked in of_chooser.items():
            run_choice = run_choices.get((method, chooser.scope, chooser.name, size))
            if run_choice is None or not picked:
                continue  # measured, but not searched on all the datasets
            compared_with = references.get((method, size), [run_choice] * len(picked))
            rows.append(
                {
                    "method": method,
                    "size": size,
                    "scope": chooser.scope,
                    "name": chooser.name,
                    "scheme": draws.scheme,
                    **_agreement(picked, compared_with, tied[chooser.scope, chooser.name, size]),
                }
            )
    return rows


def _picks(
    evidence: Evidence,
    drawn: Mapping[str, Drawn],
    over: Sequence[Chooser],
    resample_datasets: bool = False,
) -> list[Picks]:
    """Return for each chooser what each draw chooses, or as many draws of the datasets."""
    means = {dataset: of_dataset.means for dataset, of_dataset in drawn.items()}
    picks = []
    for chooser in over:
        picks.append(_least(evidence, means, chooser.datasets, resample_datasets))
    for size, combinations_of_size in by_size(evidence.coverage).items():
        for drops in DropsOfSize.of_draws(evidence, combinations_of_size, drawn):
            for chooser, of_chooser in zip(over, picks, strict=True):
                pooled = of_chooser.setdefault((Method.POOLED, size), [])
                if resample_datasets:
                    pooled += _pooled_over_drawn_datasets(evidence, drops, chooser)
                else:
                    pooled += _known([drops.least(chooser.datasets)])
    return picks


def _pooled_over_drawn_datasets(
    evidence: Evidence, drops: DropsOfSize, chooser: Chooser
) -> list[Combination]:
    """Return what the mean of shrunken drops over each draw of the datasets chooses."""
    if not set(chooser.datasets) <= drops.task_types.keys():
        return []
    counted = evidence.counted(chooser.datasets)
    columns = [list(drops.task_types).index(dataset) for dataset in counted]
    weights = np.zeros((RESAMPLES, len(drops.task_types)))  # (draws, datasets)
    weights[:, columns] = _drawn_weights(evidence, counted)
    return _known([drops.least(chooser.datasets, weights=of_draw) for of_draw in weights])


def _known(choices: Sequence[Combination | None]) -> list[Combination]:
    """Return the choices, none where nothing was measured on all the datasets of a scope."""
    known = []
    for choice in choices:
        if choice is not None:
            known.append(choice)
    return known


def _drawn_weights(evidence: Evidence, datasets: Sequence[str]) -> Floats:
    """Draw as many of the datasets as there are; return their weights (draws, datasets)."""
    num_datasets = len(datasets)
    equal = np.full(num_datasets, 1 / num_datasets)
    rng = np.random.default_rng(SEED)
    times_drawn = rng.multinomial(num_datasets, equal, RESAMPLES)  # (draws, datasets)
    of_datasets = evidence.weights_of(datasets)
    weights: Floats = times_drawn * np.array(of_datasets)
    return weights


def _least(
    evidence: Evidence,
    means: Mapping[str, Floats],
    datasets: Sequence[str],
    resample_datasets: bool,
) -> Picks:
    """Return what each draw chooses by least drop (beam) and by scores."""
    measured = evidence.measured_on(datasets)
    drops = _mean_drops(evidence, means, measured, datasets, resample_datasets)
    one_kind = set(singles_of_one_kind(measured))
    singles = [column for column, combination in enumerate(measured) if combination in one_kind]
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
    if not resample_datasets:
        weights = evidence.weights_of(over)
        average: Floats = np.average(stacked, axis=0, weights=weights)
        return average
    # There is one draw of the samples, and RESAMPLES of the datasets: (draws, datasets).
    drawn_weights = _drawn_weights(evidence, over)
    totals = drawn_weights.sum(axis=1, keepdims=True)  # (draws, 1)
    resampled: Floats = drawn_weights @ stacked[:, 0] / totals
    return resampled


def _together(singles: Iterable[Combination]) -> Combination:
    sites: list[Site] = []
    for single in singles:
        sites += single.sites
    return Combination.of(sites)


def _agreement(
    picked: Sequence[Combination], references: Sequence[Combination], tied: Set[Combination]
) -> Agreement:
    """Compare each draw's choice with its reference."""
    num_draws = len(picked)
    same = 0
    num_tied = 0
    overlap = 0.0
    for choice, reference in zip(picked, references, strict=True):
        same += choice == reference
        num_tied += match(choice, reference, tied)
        overlap += choice.overlap(reference)
    counts = Counter(picked)
    site_counts: Counter[Site] = Counter()
    for combination, count in counts.items():
        for site in combination.sites:
            site_counts[site] += count
    return {
        "draws": num_draws,
        "same": same / num_draws,
        "tied": num_tied / num_draws,
        "overlap": overlap / num_draws,
        "distinct": len(counts),
        "top": [
            {"combination": str(combination), "share": count / num_draws}
            for combination, count in counts.most_common(TOP)
        ],
        "removed": {str(site): site_counts[site] / num_draws for site in sorted(site_counts)},
    }
