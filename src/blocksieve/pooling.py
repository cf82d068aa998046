"""Shrunken drops: each dataset's drops, drawn towards those of others as far as they agree."""

from collections.abc import Sequence

import numpy as np

from blocksieve.statistics import Drops, Floats


def sampling_noise(drops: Drops) -> float:
    """Return the mean sampling variance of combinations' drops around their common mean.

    Their common mean is no part of it: what all combinations lose alike favours none. nan where
    errors are not known.
    """
    deviations = drops.influences - drops.influences.mean(axis=0)  # (combinations, clusters)
    variances = (deviations**2).sum(axis=1) + drops.added**2
    return float(variances.mean())


def shrunken_drops(drops: Floats, noise: Floats, task_types: Sequence[str]) -> Floats:
    """Return what each dataset's drops are likely to be, given the drops of all datasets.

    `drops`: (datasets, combinations) of one size, nan where not measured. `noise`: (datasets,),
    see `sampling_noise`. The result has the same shape, and counts from each dataset's mean over
    the combinations that all datasets have: it orders combinations, it does not measure them.

    Drops of one combination are taken as random effects of the datasets: measured z = true t plus
    noise, with covariances S of t and N of the noise, which is independent between datasets. Then
    S (S + N)^-1 z is the best linear unbiased prediction of t: Searle, Casella and McCulloch,
    "Variance Components", 1992, 7.4. A dataset with little noise keeps its own drops; one with much
    noise takes those of datasets that agree with it, of its task type above all.
    """
    is_measured = ~np.isnan(drops)
    is_common = is_measured.all(axis=0)  # (combinations,)
    if is_common.sum() < 2:
        return drops
    centred = drops - drops[:, is_common].mean(axis=1, keepdims=True)
    variances = (centred[:, is_common] ** 2).mean(axis=1)
    # A dataset whose errors are not known decides nothing.
    known_noise = np.where(np.isnan(noise), variances, noise)
    signal = signal_covariance(centred[:, is_common], known_noise, task_types)
    total = signal + np.diag(known_noise)

    shrunken = np.full_like(drops, np.nan)
    for pattern in np.unique(is_measured, axis=1).T:  # (datasets,) for each set of datasets
        rows = np.flatnonzero(pattern)
        columns = np.flatnonzero((is_measured == pattern[:, None]).all(axis=0))
        among_rows = np.ix_(rows, rows)
        weights = signal[among_rows] @ np.linalg.pinv(total[among_rows], hermitian=True)
        block = np.ix_(rows, columns)
        shrunken[block] = weights @ centred[block]
    return shrunken


def signal_covariance(centred: Floats, noise: Floats, task_types: Sequence[str]) -> Floats:
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
    types = np.array(task_types)
    is_same_type = types[:, None] == types
    is_pair = ~np.eye(len(types), dtype=bool)
    between_types = _correlation(products, largest, ~is_same_type)
    within_types = _correlation(products, largest, is_same_type & is_pair)
    correlations = np.where(is_same_type, max(within_types, between_types), between_types)
    np.fill_diagonal(correlations, 1)
    covariance: Floats = correlations * largest
    return covariance


def _correlation(products: Floats, largest: Floats, pairs: Floats) -> float:
    """Return the common correlation of these pairs of datasets, in [0, 1]; 0 without any."""
    possible = largest[pairs].sum()
    if possible == 0:
        return 0.0
    return float(np.clip(products[pairs].sum() / possible, 0, 1))
