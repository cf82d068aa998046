"""The statistics against closed forms, scipy, and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from blocksieve.errors import DataError
from blocksieve.statistics import (
    Estimate,
    cluster_bootstrap,
    clustered_mean,
    clustered_relative_drop,
    macro_mean,
    population_interval,
    spread,
)


def clustered_draw(
    rng: np.random.Generator, num_clusters: int = 50, size: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Draw 200 values of mean 0 in clusters of 4 whose members share half of their variance."""
    shared = np.repeat(rng.normal(size=num_clusters), size)
    return shared + rng.normal(size=num_clusters * size), np.repeat(np.arange(num_clusters), size)


def test_one_sample_a_cluster_is_the_one_sample_t_interval():
    values = np.random.default_rng(1).normal(0.1, 0.4, 60)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    estimate = clustered_mean(values, np.arange(60))
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.se == pytest.approx(stats.sem(values))


def test_unequal_clusters_match_the_closed_form():
    # Mean 3; residual sums -3, 1 and 2: se^2 = 3/2 * (9 + 1 + 4) / 16.
    estimate = clustered_mean([1.0, 2.0, 4.0, 5.0], ["a", "a", "b", "c"])
    assert estimate.mean == 3
    assert estimate.se == pytest.approx(np.sqrt(1.5 * 14 / 16))
    assert estimate.high == pytest.approx(3 + stats.t.ppf(0.975, 2) * np.sqrt(1.5 * 14 / 16))


def test_repeating_every_sample_within_its_cluster_adds_no_certainty():
    values = np.random.default_rng(2).normal(size=40)
    once = clustered_mean(values, np.arange(40))
    thrice = clustered_mean(values.repeat(3), np.arange(40).repeat(3))
    assert thrice.se == pytest.approx(once.se)


def test_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(3)
    estimates = [clustered_mean(*clustered_draw(rng)) for _ in range(2000)]
    assert 0.93 <= np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates]) <= 0.97


def test_bootstrap_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(4)
    estimates = [
        cluster_bootstrap(*clustered_draw(rng), seed=seed, resamples=500) for seed in range(1000)
    ]
    assert 0.93 <= np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates]) <= 0.97


def test_relative_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(5)
    clusters = np.arange(50).repeat(4)
    covered = []
    for _ in range(2000):
        baselines = 1 + 0.3 * clustered_draw(rng)[0]
        drops = 0.2 * baselines + 0.1 * clustered_draw(rng)[0]
        estimate = clustered_relative_drop(drops, baselines, clusters)
        covered.append(estimate.low <= 0.2 <= estimate.high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_bootstrap_agrees_with_the_clustered_error_and_repeats_with_its_seed():
    values, clusters = clustered_draw(np.random.default_rng(6))
    estimate = cluster_bootstrap(values, clusters, seed=7)
    expected = clustered_mean(values, clusters)
    assert estimate == cluster_bootstrap(values, clusters, seed=7)
    assert estimate != cluster_bootstrap(values, clusters, seed=8)
    assert estimate.mean == expected.mean
    assert estimate.se == pytest.approx(expected.se, rel=0.1)


def test_relative_drop_of_constant_baselines_is_the_scaled_mean():
    values, clusters = clustered_draw(np.random.default_rng(9))
    relative = clustered_relative_drop(values, np.full(200, 0.5), clusters)
    mean = clustered_mean(values, clusters)
    assert (relative.mean, relative.se) == pytest.approx((mean.mean * 2, mean.se * 2))


def test_drops_in_proportion_to_the_baselines_leave_no_doubt():
    baselines = np.array([0.2, 0.8, 1.0, 0.4])
    estimate = clustered_relative_drop(baselines / 10, baselines, [1, 1, 2, 3])
    assert (estimate.mean, estimate.se) == pytest.approx((0.1, 0))


def test_zero_baseline_has_no_relative_drop():
    assert np.isnan(clustered_relative_drop([0.0, -1.0], [0.0, 0.0], [1, 2]).mean)


def test_no_difference_anywhere_has_a_zero_error():
    assert clustered_mean(np.zeros(9), np.arange(9) // 2) == Estimate(0, 0, 0, 0)
    assert cluster_bootstrap(np.zeros(9), np.arange(9) // 2, seed=0) == Estimate(0, 0, 0, 0)


@pytest.mark.parametrize("estimate", [clustered_mean, lambda v, c: cluster_bootstrap(v, c, seed=0)])
def test_one_cluster_leaves_the_error_unknown(estimate):
    unsure = estimate([1.0, 2.0], ["a", "a"])
    assert unsure.mean == 1.5
    assert np.isnan([unsure.se, unsure.low, unsure.high]).all()


@pytest.mark.parametrize(
    ("values", "clusters"), [([], []), ([1.0, 2.0], ["a"]), ([1.0, np.nan], ["a", "b"])]
)
def test_unusable_values_are_refused(values, clusters):
    with pytest.raises(DataError, match="mean over clusters"):
        clustered_mean(values, clusters)


def test_macro_mean_matches_the_closed_form_and_keeps_the_spread_apart():
    average = macro_mean([Estimate(1, 0.3, 0.4, 1.6), Estimate(5, 0.4, 4.2, 5.8)])
    assert (average.mean, average.se) == pytest.approx((3, 0.25))
    assert (average.low, average.high) == pytest.approx((2.5, 3.5))
    assert spread([1, 5], [0, 0]) == pytest.approx(np.sqrt(8))
    weighted = macro_mean([Estimate(1, 0.3, 0.4, 1.6), Estimate(5, 0.4, 4.2, 5.8)], [3, 1])
    assert (weighted.mean, weighted.se) == pytest.approx((2, np.hypot(0.9, 0.4) / 4))
    assert weighted.low == pytest.approx(2 - np.hypot(3 * 0.6, 0.8) / 4)


def test_macro_mean_of_one_dataset_is_that_dataset_and_has_no_spread():
    lopsided = Estimate(1, 0.3, 0.7, 2.0)
    average = macro_mean([lopsided])
    assert (average.mean, average.se, average.low, average.high) == pytest.approx(
        (1, 0.3, 0.7, 2.0)
    )
    assert spread([1], [0]) is None


def test_spread_is_that_of_the_truth_and_not_of_the_noise():
    assert spread([1, 5], [2, 4]) == pytest.approx(np.sqrt(8 - 3))
    assert spread([1, 2], [2, 4]) == 0
    assert spread([1, 5], [2, np.nan]) is None
    rng = np.random.default_rng(8)
    for truth in (0.0, 3.0):
        noise = rng.uniform(0.5, 3, 8)
        squares = []
        for _ in range(500):
            means = rng.normal(0, truth, 8) + rng.normal(0, noise)
            squares.append(np.var(means, ddof=1) - (noise**2).mean())
            estimate = spread(means.tolist(), (noise**2).tolist())
            assert estimate == pytest.approx(np.sqrt(max(0, squares[-1])))
        assert np.mean(squares) == pytest.approx(truth**2, abs=0.8)


def test_population_interval_is_students_t_over_datasets_and_covers_their_kind():
    means = [1.0, 2.0, 4.0]
    low, high = population_interval(means, 2, 2.5)
    expected = stats.ttest_1samp(means, 0).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high))
    # Weights that are all alike change nothing; a dataset of weight 2 is no two datasets.
    assert population_interval(means, np.nan, np.nan, [2, 2, 2]) == pytest.approx((low, high))
    assert np.isnan(population_interval([1.0], 0, 2)).all()
    # No narrower than the interval for these datasets.
    assert population_interval([1.0, 1.1], -9, 12) == (-9, 12)
    rng = np.random.default_rng(9)
    covered = []
    fixed = []
    for _ in range(500):
        drops = rng.normal(2, 3, 8) + rng.normal(0, 1, 8)
        low, high = population_interval(drops.tolist(), drops.mean(), drops.mean())
        covered.append(low <= 2 <= high)
        fixed.append(abs(drops.mean() - 2) <= 1.96 * 1 / np.sqrt(8))
    assert 0.93 <= np.mean(covered) <= 0.97
    # What the interval for these very datasets covers of the mean over all of their kind.
    assert np.mean(fixed) < 0.6


def test_macro_mean_without_datasets_is_refused():
    with pytest.raises(DataError, match="no dataset"):
        macro_mean([])


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 5)), min_size=2), st.floats(-10, 10))
def test_scaling_the_values_scales_the_estimate(samples, factor):
    values, clusters = map(np.array, zip(*samples, strict=True))
    estimate = clustered_mean(values, clusters)
    scaled = clustered_mean(values * factor, clusters)
    assert scaled.mean == pytest.approx(estimate.mean * factor, abs=1e-9)
    assert scaled.se == pytest.approx(estimate.se * abs(factor), abs=1e-9, nan_ok=True)
