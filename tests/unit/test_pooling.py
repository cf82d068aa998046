"""Shrunken drops: datasets that agree decide together, others for themselves."""

from dataclasses import replace

import numpy as np
import pytest

from blocksieve.combination import Combination
from blocksieve.pooling import DropsOfSize, sampling_noise, shrunken_drops, signal_covariance
from blocksieve.statistics import Drops

TYPES = ["a", "a", "b", "b"]
UNKNOWN = np.nan


def effects(rng, common, of_type, of_dataset, count=4000):
    """Draw true drops (4, count) that are sums of independent normal effects."""
    by_type = rng.normal(size=(2, count))
    own = rng.normal(size=(4, count))
    shared = rng.normal(size=count)
    return common * shared + of_type * by_type[[0, 0, 1, 1]] + of_dataset * own


def test_covariances_of_planted_effects_come_back():
    rng = np.random.default_rng(0)
    true = effects(rng, common=3, of_type=2, of_dataset=1)
    measured = true + rng.normal(size=true.shape) * np.array([[1], [2], [3], [4]])
    centred = measured - measured.mean(axis=1, keepdims=True)
    covariance = signal_covariance(centred, np.array([1.0, 4, 9, 16]), TYPES)
    assert np.diag(covariance) == pytest.approx(14, rel=0.1)
    assert covariance[0, 1] == pytest.approx(13, rel=0.1)
    assert covariance[0, 2] == pytest.approx(9, rel=0.1)


@pytest.mark.parametrize("shares", [(3, 0, 0), (0, 3, 0), (0, 0, 3), (2, 1, 1)])
def test_shrunken_drops_err_least_whoever_agrees(shares):
    rng = np.random.default_rng(1)
    true = effects(rng, *shares)
    noise = np.array([4.0, 9, 4, 9])
    measured = true + rng.normal(size=true.shape) * np.sqrt(noise)[:, None]
    shrunken = shrunken_drops(measured, np.full_like(measured, UNKNOWN), noise, TYPES)
    errors = [measured, np.tile(measured.mean(axis=0), (4, 1)), shrunken]
    own, generic, pooled = [((each - true) ** 2).mean() for each in errors]
    assert pooled < min(own, generic)


def test_a_dataset_without_noise_keeps_its_drops_and_one_of_noise_takes_the_others():
    rng = np.random.default_rng(2)
    true = effects(rng, common=2, of_type=0, of_dataset=1)
    measured = true.copy()
    measured[3] = rng.normal(size=true.shape[1])
    noise = np.array([0.0, 0, 0, (measured[3] ** 2).mean() + 1])
    shrunken = shrunken_drops(measured, np.full_like(measured, UNKNOWN), noise, TYPES)
    centred = measured - measured.mean(axis=1, keepdims=True)
    assert np.allclose(shrunken[:3], centred[:3])
    assert np.allclose(shrunken[3], 0)


def test_what_a_dataset_did_not_measure_is_expected_from_the_blocks_alone():
    drops = np.array([[1.0, 2, 3, 9], [1, 2, 3, UNKNOWN], [1, 2, 3, UNKNOWN]])
    expected = np.tile([1.0, 2, 3, 9], (3, 1))
    noise = np.array([4.0, 4, 4])
    shrunken = shrunken_drops(drops, expected, noise, ["a", "a", "a"])
    assert np.isnan(shrunken[1:, 3]).all()
    # The others, too, expect 9 there, so that the drop is taken at its word more than alone.
    nothing_expected = np.full_like(drops, UNKNOWN)
    unexpected = shrunken_drops(drops, nothing_expected, noise, ["a", "a", "a"])
    assert shrunken[0, 3] > unexpected[0, 3]


def test_noise_is_that_of_differences_between_combinations():
    rng = np.random.default_rng(3)
    alike = np.tile(rng.normal(size=50), (5, 1))  # all combinations err in the same way
    drops = Drops(np.zeros(5), alike, np.zeros(5), 49)
    assert sampling_noise(drops) == pytest.approx(0)
    apart = Drops(np.zeros(5), rng.normal(size=(5, 50)), np.zeros(5), 49)
    assert sampling_noise(apart) == pytest.approx(50 * 4 / 5, rel=0.3)


def of_size(drops, task_types, noise=1.0):
    combinations = [Combination.parse(f"{number}-{number + 1}") for number in range(drops.shape[1])]
    expected = np.full_like(drops, UNKNOWN)
    types = {str(row): task_type for row, task_type in enumerate(task_types)}
    noises = np.full(len(drops), noise)
    return DropsOfSize(combinations, types, drops, expected, noises, weights=np.ones(len(drops)))


def test_own_choices_of_noise_are_the_generic_choice():
    rng = np.random.default_rng(4)
    drops = of_size(rng.normal(size=(4, 30)), TYPES, noise=50)
    generic = drops.least(list("0123"))
    assert {drops.least([dataset]) for dataset in "0123"} == {generic}
    assert {drops.combinations[place] for place in drops.drops.argmin(axis=1)} != {generic}


def test_own_choices_without_noise_are_what_each_measured():
    rng = np.random.default_rng(5)
    drops = of_size(rng.normal(size=(4, 30)), TYPES, noise=0.0)
    for row, dataset in enumerate("0123"):
        assert drops.least([dataset]) == drops.combinations[drops.drops[row].argmin()]


def test_own_choices_with_unknown_errors_are_what_each_measured():
    rng = np.random.default_rng(5)
    drops = of_size(rng.normal(size=(4, 30)), TYPES, noise=UNKNOWN)
    for row, dataset in enumerate("0123"):
        assert drops.least([dataset]) == drops.combinations[drops.drops[row].argmin()]


def test_an_unseen_dataset_has_no_part_in_the_choice():
    rng = np.random.default_rng(6)
    drops = of_size(rng.normal(size=(4, 30)), TYPES)
    changed = of_size(np.vstack([rng.normal(size=30) * 9, drops.drops[1:]]), TYPES)
    assert drops.least(["1"], unseen="0") == changed.least(["1"], unseen="0")
    assert drops.least(["1", "2", "3"], unseen="0") == changed.least(["1", "2", "3"], unseen="0")


def test_ties_do_not_favour_early_blocks():
    firsts = []
    for start in range(40):
        combinations = [Combination.parse(f"{start + number}") for number in range(10)]
        drops = np.zeros((2, 10))
        types = {"a": "t", "b": "t"}
        size = DropsOfSize(combinations, types, drops, drops, np.zeros(2), np.ones(2))
        firsts.append(combinations.index(size.least(["a"])))
    assert 2 < np.mean(firsts) < 7


def test_a_generic_choice_weighs_datasets():
    drops = of_size(np.array([[0.0, 3], [1, 0]]), ["a", "b"])
    first, second = drops.combinations
    assert drops.least(["0", "1"]) == first
    assert replace(drops, weights=np.array([1.0, 9])).least(["0", "1"]) == second
    assert replace(drops, weights=np.array([0.0, 1])).least(["0", "1"]) == second
    assert replace(drops, weights=np.array([0.0, 1])).least(["0"]) == first  # it has no other


def test_what_was_not_measured_on_a_dataset_is_not_chosen_there():
    drops = np.array([[0.0, 1, 2], [UNKNOWN, 1, 2]])
    size = of_size(drops, ["a", "b"], noise=0.1)
    assert size.least(["1"]) == size.combinations[1]
    assert size.least(["0", "1"]) == size.combinations[1]
    assert size.least(["0"]) == size.combinations[0]
    assert size.least(["no such dataset"]) is None
