"""Shrunken drops: each dataset's drops, drawn towards those of others as far as they agree."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blocksieve.combination import Combination
from blocksieve.evidence import Evidence
from blocksieve.statistics import ROUNDING, Drops, Floats

# Drops in % or pp that agree so far are equal: the rest is rounding.
DECIMALS = 9


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
        task_types = {}
        drops = []
        expected = []
        noise = []
        for dataset, task_type in evidence.task_types.items():
            index = evidence.row_index[dataset]
            is_measured = np.array([combination in index for combination in combinations])
            if is_measured.any():
                measured = [each for each in combinations if each in index]
                of_dataset = evidence.subset(dataset, measured)
                row = np.full(len(combinations), np.nan)
                row[is_measured] = of_dataset.means
                task_types[dataset] = task_type
                drops.append(row)
                expected.append(_sums_of_singles(evidence, dataset, combinations))
                noise.append(sampling_noise(of_dataset))
        is_counted = np.isin(list(task_types), evidence.counted(task_types))
        return cls(
            combinations=combinations,
            task_types=task_types,
            drops=np.array(drops),
            expected=np.array(expected),
            noise=np.array(noise),
            weights=is_counted * np.array(evidence.weights_of(task_types)),
        )

    def least(self, datasets: Collection[str], unseen: str | None = None) -> Combination | None:
        """Return what to remove on some datasets; None where none was measured on all of them.

        They borrow from all datasets but the unseen one. Where they are all of these there is
        nothing to borrow, and their drops count as measured. Equal means: the least mean over all
        datasets, then the first by a hash, which favours no block.
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
        means = _means(drops[is_chosen_on], self.weights[is_chosen_on])
        means_of_all = _means(self.drops[is_seen], self.weights[is_seen])
        keys = []
        for column, combination in enumerate(self.combinations):
            if not np.isnan(means[column]):
                mean = round(means[column], DECIMALS)
                mean_of_all = round(np.nan_to_num(means_of_all[column], nan=np.inf), DECIMALS)
                keys.append((mean, mean_of_all, _hash(combination), combination))
        return min(keys)[-1] if keys else None

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
    means: Floats = np.average(drops, axis=0, weights=weights)
    return means


def _sums_of_singles(
    evidence: Evidence, dataset: str, combinations: Sequence[Combination]
) -> Floats:
    """Return for each combination the sum of its blocks' drops, nan where one was not measured."""
    index = evidence.row_index[dataset]
    means = evidence.drops[dataset].means
    sums = np.full(len(combinations), np.nan)
    for place, combination in enumerate(combinations):
        if all(single in index for single in combination.singles):
            sums[place] = sum(means[index[single]] for single in combination.singles)
    return sums


def _hash(combination: Combination) -> bytes:
    return hashlib.sha256(str(combination).encode()).digest()


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

    shrunken = np.full_like(drops, np.nan)
    for pattern in np.unique(is_measured, axis=1).T:  # (datasets,) for each set of datasets
        columns = (is_measured == pattern[:, None]).all(axis=0)
        noise_here = np.where(pattern, known_noise, np.maximum(known_noise, filled_noise))
        total = signal + np.diag(noise_here)
        weights = signal @ np.linalg.pinv(total, hermitian=True)
        shrunken[:, columns] = weights @ centred[:, columns]
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
        guess = np.full_like(measured, measured[is_measured].mean())
        if not np.isnan(expected[row]).any() and np.ptp(expected[row, is_measured]) > ROUNDING:
            slope, start = np.polyfit(expected[row, is_measured], measured[is_measured], 1)
            guess = start + slope * expected[row]
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
