"""Shrunken drops: each dataset's drops, drawn towards those of others as far as they agree."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksieve.choices import best_first
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence
from blocksieve.statistics import ROUNDING, Drops, Floats


@dataclass(frozen=True)
class Drawn:
    """Mean drops of a dataset's combinations in draws of its samples.

    `means`: (draws, combinations), in % or pp and in the order of row_index. `noise`: how many
    times the sampling variance of all samples theirs is.
    """

    means: Floats
    noise: float = 1.0


@dataclass(frozen=True)
class DropsOfSize:
    """The drops of all combinations of a size, from which scopes choose by pooling them.

    `task_types`: by dataset, in the order of rows. `drops`: (datasets, combinations), nan where not
    measured. `expected`: the sums of the single blocks' drops, nan where one was not measured.
    `noise`: (datasets,), see `sampling_noise`. `weights`: (datasets,) in means over several, 0 for
    those that do not count.
    """

    combinations: Sequence[Combination]
    task_types: dict[str, str]
    drops: Floats
    expected: Floats
    noise: Floats
    weights: Floats

    @classmethod
    def of(cls, evidence: Evidence, combinations: Sequence[Combination]) -> "DropsOfSize":
        """Gather the drops of combinations of one size, on the datasets that measured some."""
        whole = {}
        for dataset, drops in evidence.drops.items():
            single_draw = drops.means[None]
            whole[dataset] = Drawn(single_draw)
        draws = cls.of_draws(evidence, combinations, whole)
        return next(draws)

    @classmethod
    def of_draws(
        cls, evidence: Evidence, combinations: Sequence[Combination], drawn: Mapping[str, Drawn]
    ) -> Iterator["DropsOfSize"]:
        """Yield the same for each draw of the samples of some datasets."""
        task_types = {}
        drops = []  # for each dataset (draws, combinations), as `expected`
        expected = []
        noise = []
        for dataset, task_type in evidence.task_types.items():
            index = evidence.row_index[dataset]
            measured = [each for each in combinations if each in index]
            if dataset in drawn and measured:
                means = drawn[dataset].means
                task_types[dataset] = task_type
                drops.append(_measured_drops(index, means, combinations))
                expected.append(_sums_of_singles(index, means, combinations))
                of_dataset = evidence.subset(dataset, measured)
                noise.append(drawn[dataset].noise * sampling_noise(of_dataset))
        is_counted = np.isin(list(task_types), evidence.counted(task_types))
        if not task_types:
            return
        # Both (draws, datasets, combinations).
        stacked = zip(np.stack(drops, axis=1), np.stack(expected, axis=1), strict=True)
        for drops_of_draw, expected_of_draw in stacked:
            yield cls(
                combinations=combinations,
                task_types=task_types,
                drops=drops_of_draw,
                expected=expected_of_draw,
                noise=np.array(noise),
                weights=is_counted * np.array(evidence.weights_of(task_types)),
            )

    def least(
        self,
        datasets: Collection[str],
        unseen: str | None = None,
        weights: Floats | None = None,
    ) -> Combination | None:
        """Return what to remove on some datasets; None where none was measured on all of them.

        They borrow from all datasets but the unseen one. Where they are all of these there is
        nothing to borrow, and their drops count as measured. Equal means: the least mean over all
        datasets, then as `best_first` says. `weights`: of all datasets in the mean over those
        chosen on, in place of the run's.
        """
        if not set(datasets) <= self.task_types.keys():
            return None
        is_chosen_on = np.array([dataset in datasets for dataset in self.task_types])
        is_seen = np.array([dataset != unseen for dataset in self.task_types])
        if (is_chosen_on == is_seen).all():
            drops = self.drops
        else:
            drops = self.shrunken if is_seen.all() else self._shrunken(is_seen)
        # nan where not measured on all
        weights = self.weights if weights is None else weights
        means = _means(drops[is_chosen_on], weights[is_chosen_on])
        least_mean = np.fmin.reduce(means)
        # Only what may be equal to the least is put in order: this is asked very often.
        near = np.flatnonzero(means <= least_mean + ROUNDING).tolist()
        combinations = [self.combinations[place] for place in near]
        if len(near) < 2:
            return combinations[0] if near else None
        means_of_all = _means(self.drops[is_seen][:, near], self.weights[is_seen])
        return combinations[best_first(combinations, means[near], means_of_all)[0]]

    @cached_property
    def shrunken(self) -> Floats:
        """`shrunken_drops` of all datasets: (datasets, combinations)."""
        return self._shrunken(np.full(len(self.drops), True))

    def _shrunken(self, is_seen: NDArray[np.bool_]) -> Floats:
        """Shrink the drops of the datasets that are seen; those of others are nan."""
        shrunken = np.full_like(self.drops, np.nan)
        shrunken[is_seen] = shrunken_drops(
            drops=self.drops[is_seen],
            expected=self.expected[is_seen],
            noise=self.noise[is_seen],
            task_types=np.array(list(self.task_types.values()))[is_seen],
        )
        return shrunken


def _means(drops: Floats, weights: Floats) -> Floats:
    """Average drops (datasets, combinations); where no dataset counts, all do alike."""
    if not weights.any():
        weights = np.ones_like(weights)
    means: Floats = weights @ drops / weights.sum()
    return means


def _measured_drops(
    index: Mapping[Combination, int], means: Floats, combinations: Sequence[Combination]
) -> Floats:
    """Return the drops (draws, combinations) of a dataset, nan where not measured.

    `means`: (draws, combinations of the index).
    """
    drops = np.full((len(means), len(combinations)), np.nan)
    for place, combination in enumerate(combinations):
        if combination in index:
            drops[:, place] = means[:, index[combination]]
    return drops


def _sums_of_singles(
    index: Mapping[Combination, int], means: Floats, combinations: Sequence[Combination]
) -> Floats:
    """Return sums of the blocks' drops (draws, combinations), nan where one was not measured."""
    sums = np.full((len(means), len(combinations)), np.nan)
    for place, combination in enumerate(combinations):
        if all(single in index for single in combination.singles):
            singles = [index[single] for single in combination.singles]
            sums[:, place] = means[:, singles].sum(axis=1)
    return sums


def sampling_noise(drops: Drops) -> float:
    """Return the mean sampling variance of combinations' drops around their common mean.

    Their common mean is no part of it: what all combinations lose alike favours none. nan where
    errors are not known.
    """
    deviations = drops.influences - drops.influences.mean(axis=0)  # (combinations, clusters)
    variances = (deviations**2).sum(axis=1) + drops.added**2
    return float(variances.mean())


def shrunken_drops(drops: Floats, expected: Floats, noise: Floats, task_types: ArrayLike) -> Floats:
    """Return what each dataset's drops are likely to be, given the drops of all datasets.

    `drops`: (datasets, combinations) of one size, nan where not measured. `expected`: the same
    shape, what was to be expected of each, such as the sum of its blocks' drops; nan if not known.
    `noise`: (datasets,), see `sampling_noise`. The result has the shape of `drops`, and counts from
    each dataset's mean: it orders combinations, it does not measure them.

    Drops of one combination are taken as random effects of the datasets: measured z = true t plus
    noise, with covariances S of t and N of the noise, which is independent between datasets. Then
    S (S + N)^-1 z is the best linear unbiased prediction of t: Searle, Casella and McCulloch,
    "Variance Components", 1992, 7.4. A dataset with little noise keeps its own drops; one with much
    noise takes those of datasets that agree with it, of its task type above all. A beam's own
    combinations are missing elsewhere, since they looked worse there: see `_filled`.
    """
    is_measured = ~np.isnan(drops)
    filled, filled_noise = _filled(drops, expected)
    centred = filled - filled.mean(axis=1, keepdims=True)
    # A dataset whose errors are not known keeps its own drops.
    known_noise = np.nan_to_num(noise, nan=0.0)
    signal = signal_covariance(centred, known_noise, task_types)

    # Which sets of datasets measured something, (sets, datasets), and that of each combination.
    sets, set_of = np.unique(is_measured.T, axis=0, return_inverse=True)
    noise_of_set = np.where(sets, known_noise, np.maximum(known_noise, filled_noise))
    total = signal + noise_of_set[:, :, None] * np.eye(len(drops))  # (sets, datasets, datasets)
    weights = signal @ np.linalg.pinv(total, hermitian=True)
    shrunken = np.full_like(drops, np.nan)
    for number, weights_of_set in enumerate(weights):
        columns = set_of == number
        shrunken[:, columns] = weights_of_set @ centred[:, columns]
    return np.where(is_measured, shrunken, np.nan)


def _filled(drops: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Fill in drops that were not measured, and return them with the variance of such guesses.

    A guess lies on the dataset's least-squares line of measured drops over expected ones; without
    expectations it is the mean.
    """
    filled = drops.copy()
    variances = np.zeros(len(drops))
    for row, measured in enumerate(drops):
        is_measured = ~np.isnan(measured)
        mean = measured[is_measured].mean()
        guess = np.full_like(measured, mean)
        if not np.isnan(expected[row]).any() and np.ptp(expected[row, is_measured]) > ROUNDING:
            deviations = expected[row] - expected[row, is_measured].mean()
            squares = (deviations[is_measured] ** 2).sum()
            slope = deviations[is_measured] @ measured[is_measured] / squares
            guess = mean + slope * deviations
        variances[row] = ((measured - guess)[is_measured] ** 2).mean()
        filled[row, ~is_measured] = guess[~is_measured]
    return filled, variances


def signal_covariance(centred: Floats, noise: Floats, task_types: ArrayLike) -> Floats:
    """Estimate the covariance (datasets, datasets) of true drops by the method of moments.

    `centred`: (datasets, combinations), each dataset's mean taken out. Each dataset has a variance:
    what is measured minus the noise, or 0 (DerSimonian and Laird, "Meta-analysis in clinical
    trials", 1986). All pairs of datasets have one correlation, pairs of one task type another that
    is at least as large; products of different datasets have no noise in them.
    """
    products = centred @ centred.T / centred.shape[1]
    variances = np.maximum(np.diag(products) - noise, 0)
    deviations = np.sqrt(variances)
    largest = np.outer(deviations, deviations)  # the covariances of datasets that agree fully
    types = np.asarray(task_types)
    is_same_type = types[:, None] == types
    is_pair = ~np.eye(len(types), dtype=bool)
    between_types = _correlation(products, largest, ~is_same_type)
    within_types = _correlation(products, largest, is_same_type & is_pair)
    correlations = np.where(is_same_type, max(within_types, between_types), between_types)
    np.fill_diagonal(correlations, 1)
    covariance: Floats = correlations * largest
    return covariance


def _correlation(products: Floats, largest: Floats, pairs: NDArray[np.bool_]) -> float:
    """Return the common correlation of these pairs of datasets, in [0, 1]; 0 without any."""
    possible = largest[pairs].sum()
    if possible == 0:
        return 0.0
    return float(np.clip(products[pairs].sum() / possible, 0, 1))
