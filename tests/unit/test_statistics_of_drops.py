"""Comparisons of combinations on the same samples: closed forms, scipy, simulated known answers."""

import numpy as np
import pytest
from scipy import stats

from blocksieve.statistics import (
    Drops,
    cluster_bootstrap,
    clustered_mean,
    correlation,
    detectable,
    false_discovery,
    false_discovery_of_signs,
    macro_contrasts,
    mcnemar,
    p_values,
    paired_drops,
    samples_needed,
    tied_with_best,
)


def simulated(
    rng, n: int, rates: list[float], images: int | None = None, graded: bool = False
) -> tuple:
    """Draw baseline scores (n,), drops (combinations, n) and clusters (n,); samples share images.

    Each combination spoils a share of the right answers. A spoiled answer loses all, or if graded
    a share of its score; an image's answers tend to be spoiled together.
    """
    clusters = np.arange(n) if images is None else np.repeat(np.arange(images), n // images)
    if graded:
        baseline = rng.choice([0.0, 0.3, 0.6, 1.0], n)
    else:
        baseline = (rng.random(n) < 0.8).astype(float)
    image_luck = rng.random(clusters.max() + 1)[clusters]
    drops = []
    for rate in rates:
        luck = rng.random(n)
        spoiled = luck < rate
        if images:
            spoiled = np.where(luck < 0.5, image_luck, rng.random(n)) < rate
        share = rng.choice([0.5, 1.0], n) if graded else 1.0
        drops.append(spoiled * baseline * share)
    return baseline, np.array(drops), clusters


def drops_of(baseline, drops, clusters, max_change=0):
    sums = np.array([np.bincount(clusters, drop) for drop in drops])
    return paired_drops(
        sums, np.bincount(clusters, baseline), np.bincount(clusters), False, max_change
    )


@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("images", [None, 50])
@pytest.mark.parametrize("graded", [False, True])
def test_intervals_cover_the_truth_95_times_in_100(n, images, graded):
    rng = np.random.default_rng(n + 7 * graded)
    rate = 0.3 if images else 0.16
    truth = rate * (0.475 * 0.75 if graded else 0.8)
    covered = []
    for _ in range(1000):
        _, drops, clusters = simulated(rng, n, [rate], images, graded)
        estimate = clustered_mean(drops[0], clusters, max_change=1)
        covered.append(estimate.low <= truth <= estimate.high)
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.5])
def test_intervals_hold_for_rare_and_common_losses_in_clusters(size, rate):
    rng, draws, images = np.random.default_rng(8), 3000, 200 // size
    image_luck = rng.random((draws, images)).repeat(size, axis=1)
    shared = rng.random((draws, 200)) < (0.5 if size > 1 else 0)
    luck = np.where(shared, image_luck, rng.random((draws, 200)))
    sums = (luck < rate).reshape(draws, images, size).sum(2)
    drops = paired_drops(sums, np.ones(images), np.full(images, size), False, max_change=1)
    se = np.sqrt((drops.influences**2).sum(1) + drops.added**2)
    half_width = stats.t.ppf(0.975, images - 1) * se
    assert 0.93 <= np.mean(np.abs(drops.means - rate) <= half_width) <= 0.985


def test_where_nothing_changed_the_interval_is_that_of_two_changes():
    for estimate in (
        clustered_mean(np.zeros(50), np.arange(50), 8.0),
        cluster_bootstrap(np.zeros(50), np.arange(50), 0, 8.0),
    ):
        assert estimate.se == pytest.approx(np.sqrt(50 / 49 * 2) * 8 / 50)
        assert estimate.high == -estimate.low == pytest.approx(stats.t.ppf(0.975, 49) * estimate.se)


def test_where_all_changed_alike_the_interval_is_that_of_two_changes_too():
    assert clustered_mean(np.ones(50), np.arange(50), 1).se == pytest.approx(
        np.sqrt(50 / 49 * 2) / 50
    )


def test_bootstrap_is_widened_as_the_clustered_interval_is():
    values = np.zeros(60)
    values[:4] = (3.0, 1.0, 2.0, -1.0)
    clusters = np.arange(60)
    plain = cluster_bootstrap(values, clusters, seed=0)
    widened = cluster_bootstrap(values, clusters, seed=0, max_change=2.0)
    widening = (
        clustered_mean(values, clusters, max_change=2.0).se / clustered_mean(values, clusters).se
    )
    assert widened.se / plain.se == pytest.approx(widening)
    plain_half_width = plain.high - plain.mean
    assert (widened.high - widened.mean) / plain_half_width == pytest.approx(widening)


def test_macro_interval_over_datasets_covers_95_times_in_100():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(1000):
        parts = [
            drops_of(*simulated(rng, n, [0.1], images), True)
            for n, images in ((200, None), (300, 60), (400, 50))
        ]
        mean = macro_contrasts(parts, [np.eye(1)] * 3)
        covered.append(mean.low[0] <= 0.08 <= mean.high[0])
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("rate", [0.005, 0.02])
def test_means_over_combinations_cover_what_the_same_few_samples_lose(rate):
    """Where few samples change, and under any removal, none of 16 combinations saw the others."""
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(500):
        is_fragile = rng.random(256) < rate
        breaks = rng.random((16, 256)) < 0.8
        drops = (is_fragile & breaks).astype(float)
        samples = drops_of(np.ones(256), drops, np.arange(256), max_change=1)
        mean = macro_contrasts([samples], [np.full((1, 16), 1 / 16)])
        covered.append(mean.low[0] <= 0.8 * rate <= mean.high[0])
    assert np.mean(covered) >= 0.93


def test_contrast_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    baseline, drops, clusters = simulated(rng, 300, [0.1, 0.2])
    gap = macro_contrasts([drops_of(baseline, drops, clusters)], [np.array([[1.0, -1.0]])])
    expected = stats.ttest_rel(drops[0], drops[1])
    assert gap.means[0] == pytest.approx(drops[0].mean() - drops[1].mean())
    assert p_values(gap.means, gap.se, gap.freedom)[0] == pytest.approx(expected.pvalue)
    assert (gap.low[0], gap.high[0]) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_datasets_of_equal_weight_and_satterthwaites_freedom_match_welch():
    rng = np.random.default_rng(1)
    parts, raw = [], []
    for n in (40, 90):
        baseline, drops, clusters = simulated(rng, n, [0.3])
        parts.append(drops_of(baseline, drops, clusters))
        raw.append(drops[0])
    gap = macro_contrasts(parts, [np.array([[1.0]]), np.array([[-1.0]])])
    expected = stats.ttest_ind(*raw, equal_var=False)
    assert p_values(gap.means, gap.se, gap.freedom)[0] == pytest.approx(expected.pvalue)


def test_weights_and_constants_of_datasets_are_those_of_the_closed_form():
    parts = [
        Drops(np.array([mean]), np.zeros((1, 0)), np.array([se]), freedom=freedom)
        for mean, se, freedom in ((1.0, 0.3, 9), (5.0, 0.4, 19))
    ]
    alone = [np.ones((1, 1))] * 2
    average = macro_contrasts(parts, alone, [3, 1], [0.5, -0.5])
    assert average.means[0] == pytest.approx((3 * 1.5 + 4.5) / 4)
    variances = np.array([0.9**2, 0.4**2]) / 16
    assert average.se[0] ** 2 == pytest.approx(variances.sum())
    freedom = variances.sum() ** 2 / (variances**2 / [9, 19]).sum()
    assert average.freedom[0] == pytest.approx(freedom)
    equal = macro_contrasts(parts, alone, [2, 2])
    assert equal.means == pytest.approx(macro_contrasts(parts, alone).means)
    assert equal.se == pytest.approx(macro_contrasts(parts, alone).se)


def test_weights_of_datasets_decide_which_combination_is_best():
    means = [np.array([0.0, 2.0]), np.array([1.0, 0.0])]
    parts = [Drops(each, np.zeros((2, 0)), np.full(2, 0.1), freedom=99) for each in means]
    assert tied_with_best(parts, [1, 1]).tolist() == [True, False]
    assert tied_with_best(parts, [1, 5]).tolist() == [False, True]


def test_p_without_variance():
    assert p_values([0.0, 0.2, np.nan], [0.0, 0.0, np.nan], [9, 9, 0])[:2].tolist() == [1.0, 0.0]


def test_false_synergies_stay_below_5_percent_and_planted_ones_are_found():
    rng = np.random.default_rng(3)
    false_labels, planted_labels = [], []
    weights = np.array([[1.0, -1.0, -1.0]] * 20)
    for _ in range(60):
        p = []
        for pair in range(20):
            n, rates = 400, (0.05, 0.08)
            first, second = rng.random(n) < rates[0], rng.random(n) < rates[1]
            planted = pair < 4
            # Planted: together they cost 12 points more than the sum. Otherwise: exactly the sum,
            # sample by sample.
            third = rng.random(n) < 0.12 if planted else np.zeros(n, bool)
            both = first.astype(float) + second + third
            # Changes that cancel out.
            noise = rng.permutation(np.repeat([1.0, -1.0, 0.0], [20, 20, n - 40]))
            sums = np.array([both + noise, first, second], dtype=float)
            drops = paired_drops(sums, np.ones(n), np.ones(n), False, True)
            interaction = macro_contrasts([drops], [weights[:1]])
            p.append(p_values(interaction.means, interaction.se, interaction.freedom)[0])
        labelled = false_discovery(p) <= 0.05
        planted_labels.append(labelled[:4].mean())
        false_labels.append(labelled[4:].sum() / max(labelled.sum(), 1))
    assert np.mean(false_labels) <= 0.05
    assert np.mean(planted_labels) >= 0.95


def test_best_is_in_the_tied_set_95_times_in_100_and_bad_ones_are_not():
    rng = np.random.default_rng(4)
    kept, bad = [], []
    for _ in range(400):
        tied = tied_with_best([drops_of(*simulated(rng, 500, [0.05] * 10 + [0.055, 0.3]), True)])
        kept.append(tied[0])
        bad.append(tied[-1])
    assert np.mean(kept) >= 0.95
    assert np.mean(bad) <= 0.01


def test_false_discovery_is_scipys_and_passes_over_unknown_values():
    p = np.array([0.001, np.nan, 0.02, 0.4])
    adjusted = false_discovery(p)
    assert adjusted[[0, 2, 3]] == pytest.approx(stats.false_discovery_control(p[[0, 2, 3]]))
    assert np.isnan(adjusted[1])


def test_findings_of_one_sign_do_not_vouch_for_those_of_the_other():
    """Half of the effects are above 0, none is below it."""
    rng = np.random.default_rng(5)
    truth = np.repeat([4.0, 0.0], 60)
    false_signs, together, missed = [], [], []
    for _ in range(400):
        z = rng.normal(truth)
        p = p_values(z, np.ones(120), np.full(120, np.inf))
        q = false_discovery_of_signs(p, z)
        false_signs.append(((q <= 0.05) & (z < 0)).any())
        together.append(((false_discovery(p) <= 0.05) & (z < 0)).any())
        missed.append((q[:60] > 0.05).mean())
    assert np.mean(false_signs) <= 0.05
    assert np.mean(together) > 0.3
    assert np.mean(missed) < 0.1


def test_effects_of_one_sign_are_adjusted_as_always():
    p, effects = np.array([0.001, np.nan, 0.02, 0.4]), np.array([3.0, np.nan, 2.0, 1.0])
    for sign in (-1, 1):
        adjusted = false_discovery_of_signs(p, sign * effects)
        assert adjusted == pytest.approx(false_discovery(p), nan_ok=True)
    without_sign = false_discovery_of_signs([0.001, 1.0], [1.0, 0.0])
    assert without_sign == pytest.approx([0.002, 1.0])


def test_mcnemar_is_the_exact_binomial_test():
    assert mcnemar(3, 12) == pytest.approx(stats.binomtest(3, 15, 0.5).pvalue)
    assert mcnemar(0, 0) == 1


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_correlation_interval_covers_95_times_in_100(kind):
    rng, truth = np.random.default_rng(6), 0.6
    rank_truth = 6 / np.pi * np.arcsin(truth / 2)  # Spearman's, for normal values
    covered = []
    for _ in range(1000):
        x = rng.normal(size=60)
        y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=60)
        _, low, high = correlation(x, y, kind)
        covered.append(low <= (truth if kind == "pearson" else rank_truth) <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_correlation_where_there_is_none_to_give():
    assert np.isnan(correlation([1, 1, 1, 1], [1, 2, 3, 4], "pearson")).all()
    r, low, high = correlation([1, 2, 3, 4], [2, 4, 6, 8], "spearman")
    assert r == pytest.approx(1)
    assert np.isnan([low, high]).all()


def test_power_is_what_a_simulation_finds():
    rng, se = np.random.default_rng(7), 0.01
    drop = float(detectable(se))
    z = rng.normal(drop, se, 100_000) / se
    assert np.mean(np.abs(z) > stats.norm.ppf(0.975)) == pytest.approx(0.8, abs=0.01)
    n = samples_needed(se**2, 0, 500, drop / 2)
    assert n == pytest.approx(2000, abs=1)


@pytest.mark.parametrize("rates", [(0.03, 0.01), (0.06, 0.04)])
def test_so_many_samples_as_asked_for_find_the_drop(rates):
    """A few samples, of which few change, ask for how many the drop is found with."""
    rng = np.random.default_rng(9)
    drop = rates[0] - rates[1]

    def drawn(n: int):
        changes = rng.choice([1.0, -1.0, 0.0], n, p=[*rates, 1 - sum(rates)])
        return paired_drops(changes[None], np.ones(n), np.ones(n), False, max_change=1)

    asked = []
    for _ in range(400):
        few = drawn(96)
        seen = (few.influences**2).sum()
        asked.append(samples_needed(max(seen, drop * (1 - drop) / 96), few.added**2, 96, drop))
    n = int(np.median(asked))
    significant = []
    for _ in range(2000):
        many = drawn(n)
        _, variances = many.contrasts(np.eye(1))
        significant.append(many.means[0] > stats.norm.ppf(0.975) * np.sqrt(variances[0]))
    assert 0.7 <= np.mean(significant) <= 0.9
