"""Racing: what a round drops, what it must not drop, and how often it errs on planted truth."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted import planted_definition, planted_shard
from scipy import stats

from blocksieve.combination import Combination
from blocksieve.datasets.draw import draw_samples
from blocksieve.datasets.sample import Sample
from blocksieve.errors import DataError
from blocksieve.merging import merge_shards
from blocksieve.search.plan import Plan
from blocksieve.search.racing import Standing, race, survivors
from blocksieve.search.steps import (
    SHARES,
    TESTED_SHARES,
    search_steps,
    share_of_step,
    size_of_step,
    steps_before,
    steps_of_size,
)
from blocksieve.shards import by_cluster
from blocksieve.specs import Racing, SearchSpec
from blocksieve.statistics import clustered_mean
from blocksieve.units import Scale

BEAM_WIDTH = 3
NUM_CANDIDATES = 30
RULES: tuple[Racing, ...] = (0.001, 0.01, "halving")
Floats = np.typing.NDArray[np.float64]
drop_sums = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 6)),
    elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]),
)


def standing(drops: Floats, num_clusters: int, **fields: float) -> Standing:
    """Each sample a cluster of its own; `drops`: (candidates, samples seen)."""
    return Standing(drops, np.ones(drops.shape[1]), num_clusters, **fields)


def search_spec(racing: Racing, exhaustive_sizes: list[int], max_removed: int = 3) -> SearchSpec:
    return SearchSpec(max_removed, BEAM_WIDTH, exhaustive_sizes, jobs_per_step=1, racing=racing)


def test_a_raced_size_has_its_rounds_before_its_step() -> None:
    spec = search_spec("halving", [1, 2])
    unraced = ["baseline", "single", "remove2"]
    assert search_steps(spec) == [*unraced, "remove3-race1", "remove3-race2", "remove3"]
    assert search_steps(search_spec("off", [1])) == [*unraced, "remove3"]
    assert steps_before("remove3", spec) == ["remove3-race1", "remove3-race2"]
    assert steps_before("remove3-race2", spec) == ["remove3-race1"]
    assert steps_before("remove3-race1", spec) == steps_before("remove2", spec) == []
    assert steps_before("single", search_spec(0.01, [])) == []
    assert [size_of_step(step) for step in search_steps(spec)] == [0, 1, 2, 3, 3, 3]
    shares = [share_of_step(step, 0.01) for step in steps_of_size(2, search_spec(0.01, [1]))]
    assert shares == [*TESTED_SHARES, 1]
    assert share_of_step("remove2", 0.01) == share_of_step("finalists", 0.01) == 1


@given(drop_sums, st.integers(1, 4), st.sampled_from(RULES), st.integers(0, 6))
def test_the_leaders_and_their_equals_are_never_dropped(
    drops: Floats, beam_width: int, racing: Racing, unseen: int
) -> None:
    kept = survivors([standing(drops, drops.shape[1] + unseen)], beam_width, racing)
    means = drops.mean(axis=1)
    in_order = sorted(range(len(drops)), key=lambda place: (means[place], place))
    assert kept[:beam_width] == in_order[:beam_width]
    assert kept == [place for place in in_order if place in set(kept)]
    if racing == "halving":
        assert len(kept) == min(len(drops), max(beam_width, -(-len(drops) // 2)))
    else:
        last_leader = means[in_order[min(beam_width, len(drops)) - 1]]
        assert set(kept) >= {place for place, mean in enumerate(means) if mean <= last_leader}


@given(drop_sums, st.permutations(range(12)))
def test_the_order_of_candidates_decides_only_between_equals(
    drops: Floats, permutation: list[int]
) -> None:
    drops = drops + 0.001 * np.arange(len(drops))[:, None]  # no two means are equal
    places = [place for place in permutation if place < len(drops)]
    kept = survivors([standing(drops, 8)], 2, 0.01)
    permuted = survivors([standing(drops[places], 8)], 2, 0.01)
    assert [places[place] for place in permuted] == kept


def test_the_error_of_a_gap_is_clustered_paired_and_that_of_the_full_sample() -> None:
    rng = np.random.default_rng(0)
    drops = rng.normal(size=(2, 60))
    clusters = np.repeat(np.arange(20), 3)
    sums = np.array([np.bincount(clusters, each) for each in drops])
    gaps = Standing(sums, np.full(20, 3.0), num_clusters=80, unit=0.5).gaps(reference=0)
    expected = clustered_mean(drops[1] - drops[0], clusters)
    means, variances = gaps.contrasts(np.eye(2))
    assert means[1] == pytest.approx(expected.mean / 0.5)
    assert variances[1] == pytest.approx((expected.se / 0.5) ** 2 * (1 - 20 / 80))


def test_a_candidate_goes_exactly_where_the_test_says() -> None:
    gap = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    drops = np.array([np.zeros(10), gap])
    t = gap.mean() / (gap.std(ddof=1) / np.sqrt(10) * np.sqrt(1 - 10 / 40))
    level = float(stats.t.sf(t, 9))
    assert survivors([standing(drops, 40)], 1, 0.999 * level) == [0, 1]
    assert survivors([standing(drops, 40)], 1, 1.001 * level) == [0]
    # Without the correction for a finite number of images it would stay.
    assert survivors([standing(drops, 10**9)], 1, 1.001 * level) == [0, 1]


def test_datasets_count_by_weight_and_baseline_with_satterthwaites_freedom() -> None:
    rng = np.random.default_rng(1)
    gaps = [rng.normal(0.3, 1, 12), rng.normal(0.1, 0.5, 30)]
    units, weights = (0.5, 0.8), (1.0, 3.0)
    standings = []
    for gap, unit, weight in zip(gaps, units, weights, strict=True):
        drops = np.array([np.zeros(len(gap)), gap])
        standings.append(standing(drops, 2 * len(gap), unit=unit, weight=weight))
    variances, freedoms, means = [], [], []
    for gap, unit, weight in zip(gaps, units, weights, strict=True):
        variances.append((weight / 4) ** 2 * gap.var(ddof=1) / len(gap) / 2 / unit**2)
        freedoms.append(len(gap) - 1)
        means.append(weight / 4 * gap.mean() / unit)
    terms = [variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True)]
    freedom = sum(variances) ** 2 / sum(terms)
    level = float(stats.t.sf(sum(means) / np.sqrt(sum(variances)), freedom))
    assert survivors(standings, 1, 0.999 * level) == [0, 1]
    assert survivors(standings, 1, 1.001 * level) == [0]


def test_few_images_that_all_show_the_same_gap_drop_nothing() -> None:
    for seen in (1, 2, 3):
        drops = np.array([np.zeros(seen), np.ones(seen)])
        assert survivors([standing(drops, 30)], 1, 0.01) == [0, 1]


def planted_search(rng: np.random.Generator, num_clusters: int, per_cluster: int) -> Floats:
    """Return drops (candidates, clusters) of near-equal candidates, of which only luck tells some.

    A candidate spoils whole images half the time, and mends some answers.
    """
    rates = 0.15 * np.exp(0.3 * rng.normal(size=(NUM_CANDIDATES, 1)))
    spoiled_images = rng.random((NUM_CANDIDATES, num_clusters)) < rates
    shape = (NUM_CANDIDATES, num_clusters, per_cluster)
    spoiled = spoiled_images[:, :, None] & (rng.random(shape) < 0.8)
    mended = rng.random(shape) < 0.3 * rates[:, :, None]
    return spoiled.sum(axis=2) - mended.sum(axis=2).astype(float)


def decisions(
    racing: Racing, draws: int, num_clusters: int, per_cluster: int, num_datasets: int = 1
) -> Iterator[tuple[int, int, int]]:
    """Race planted searches; yield members of the full sample's beam, those dropped, and kept."""
    rng = np.random.default_rng(0)
    for _ in range(draws):
        searches = [planted_search(rng, num_clusters, per_cluster) for _ in range(num_datasets)]
        mean = np.mean([drops.mean(axis=1) for drops in searches], axis=0)
        beam = set(np.argsort(mean, kind="stable")[:BEAM_WIDTH].tolist())
        alive = np.arange(NUM_CANDIDATES)
        for share in SHARES[racing]:
            seen = int(np.ceil(share * num_clusters))
            counts = np.full(seen, float(per_cluster))
            standings = [Standing(each[alive, :seen], counts, num_clusters) for each in searches]
            kept = alive[sorted(survivors(standings, BEAM_WIDTH, racing))]
            members = beam & set(alive.tolist())
            yield len(members), len(members - set(kept.tolist())), len(kept)
            alive = kept


def check_errors(racing: float, draws: int, *shape: int) -> None:
    """No more members of the beam are dropped than the level says, and most others are."""
    rows = np.array(list(decisions(racing, draws, *shape)))
    tests, errors, _ = rows.sum(axis=0)
    # The level is the probability of each test: what 99.9 % of such numbers of errors stay below.
    assert errors <= stats.binom.ppf(0.999, tests, racing)
    assert rows[len(TESTED_SHARES) - 1 :: len(TESTED_SHARES), 2].mean() < 0.8 * NUM_CANDIDATES


@pytest.mark.parametrize("shape", [(96, 1), (60, 4), (40, 2, 3)])
def test_a_beam_loses_no_more_members_than_the_level_says(shape: tuple[int, ...]) -> None:
    check_errors(0.01, 100, *shape)


@pytest.mark.long
@pytest.mark.parametrize("racing", [0.001, 0.01])
@pytest.mark.parametrize("shape", [(12, 1), (24, 1), (96, 1), (100, 5), (96, 1, 4)])
def test_beams_of_many_searches_lose_no_more_members(racing: float, shape: tuple[int, ...]) -> None:
    rows = np.array(list(decisions(racing, 1000, *shape)))
    tests, errors, _ = rows.sum(axis=0)
    assert errors <= stats.binom.ppf(0.999, tests, racing)


@settings(max_examples=20, deadline=None)
@given(st.integers(4, 40), st.integers(1, 2))
def test_rounds_are_nested_and_hold_whole_images(search: int, num_splits: int) -> None:
    splits = ["train", "validation"][:num_splits]
    samples = [
        Sample(f"question {number}", ("yes",), f"image {number // 6}", splits[number % num_splits])
        for number in range(120)
    ]
    drawn = draw_samples(samples, {"search": search, "holdout": 0}, splits, seed=0)
    table = pl.DataFrame(
        [
            {
                "role": role,
                "split": each.split,
                "cluster": each.cluster,
                "sample_id": each.sample_id,
            }
            for role, each in drawn
        ]
    )
    prefixes = []
    for share in (*TESTED_SHARES, 1):
        num_samples = int(np.ceil(share * len(table)))
        prefixes.append(Plan("remove2-race1", (), num_samples=num_samples).samples(table))
        assert len(prefixes[-1]) >= num_samples
    for smaller, larger in itertools.pairwise(prefixes):
        assert set(smaller["sample_id"]) <= set(larger["sample_id"])
        key = ["split", "cluster"]
        unseen = table.join(smaller, on="sample_id", how="anti")
        assert unseen.join(smaller, on=key, how="semi").is_empty()
    assert prefixes[-1].equals(table)


def write_shards(
    folder: Path, dataset: str, scores: dict[str, list[float]], seen: int
) -> list[Path]:
    """Write the baseline with all samples, and a round of the others with the first ones."""
    clusters = [f"image {number:02d}" for number in range(len(scores["none"]))]
    shard = planted_shard(scores, clusters, dataset=dataset)
    paths = [folder / dataset / "single.0.parquet", folder / dataset / "remove2-race1.0.parquet"]
    (folder / dataset).mkdir()
    single = pl.col("size") < 2
    in_round = pl.col("cluster").is_in(clusters[:seen])
    shard.filter(single).write_parquet(paths[0])
    shard.filter(~single & in_round).write_parquet(paths[1])
    return paths


N = 40
CANDIDATES = [Combination.of(blocks) for blocks in ((0, 1), (0, 2), (1, 2))]


Sampled = tuple[pl.DataFrame, dict[str, pl.DataFrame]]


def sampled(folder: Path, scores: dict[str, dict[str, list[float]]]) -> Sampled:
    """Return the evaluations and sums of a round of 20 of the 40 samples."""
    definitions = {dataset: planted_definition() for dataset in scores}
    paths = {each: write_shards(folder, each, by_name, 20) for each, by_name in scores.items()}
    evaluations = merge_shards(definitions, itertools.chain(*paths.values()), 0)
    return evaluations, {dataset: by_cluster(of_dataset) for dataset, of_dataset in paths.items()}


def refused(round_of: Sampled, pairs: list[tuple[str, str]]) -> Sampled:
    """Return the same where the model cannot run some combinations on some datasets."""
    evaluations, sums = round_of
    for name, dataset in pairs:
        is_refused = (pl.col("combination") == name) & (pl.col("dataset") == dataset)
        reason = pl.when(is_refused).then(pl.lit("no cache")).otherwise("not_evaluable")
        evaluations = evaluations.with_columns(not_evaluable=reason)
    return evaluations, sums


def raced(
    round_of: Sampled, scale: Scale | None, weights: dict[str, float] | None = None
) -> list[str]:
    """Race the candidates at a beam width of 1; return what survives."""
    document = race(*round_of, CANDIDATES, 1, 0.01, scale, weights or {})
    assert document["candidates"] == len(CANDIDATES)
    return [entry["combination"] for entry in document["beam"]]


def scores_of(**lost: int) -> dict[str, list[float]]:
    """Return scores on 40 samples, of which every third up to so many losses is lost."""
    scores = {"none": [1.0] * N, "0": [1.0] * N}
    for name, count in lost.items():
        text = name.removeprefix("x").replace("_", "-")
        scores[text] = [0.0 if place % 3 == 0 and place < 3 * count else 1.0 for place in range(N)]
    return scores


FIRST_LEADS = scores_of(x0_1=0, x0_2=7, x1_2=1)
SECOND_LEADS = scores_of(x0_1=7, x0_2=0, x1_2=7)


def test_a_dataset_alone_drops_what_it_shows_to_be_worse(tmp_path: Path) -> None:
    assert raced(sampled(tmp_path, {"a": FIRST_LEADS}), scale=None) == ["0-1", "1-2"]


def test_refused_combinations_never_matter(tmp_path: Path) -> None:
    both = sampled(tmp_path, {"a": FIRST_LEADS, "b": FIRST_LEADS})
    # Refused on one dataset alone, the best is no reference, and does not go on.
    assert raced(refused(both, [("0-1", "b")]), "relative") == ["1-2"]
    everything = itertools.product(map(str, CANDIDATES), "ab")
    with pytest.raises(DataError, match="no combination of this step can be evaluated"):
        raced(refused(both, list(everything)), "relative")


def test_all_datasets_together_drop_a_candidate_by_weight(tmp_path: Path) -> None:
    both = sampled(tmp_path, {"a": FIRST_LEADS, "b": SECOND_LEADS})
    assert raced(both, "relative", {"a": 30}) == ["0-1", "1-2"]
    assert raced(both, "relative", {"b": 30}) == ["0-2"]
    assert set(raced(both, "points")) == {"0-1", "0-2", "1-2"}


def test_datasets_without_baseline_do_not_count(tmp_path: Path) -> None:
    nothing = {name: [0.0] * N for name in FIRST_LEADS}
    both = sampled(tmp_path, {"a": FIRST_LEADS, "b": nothing})
    assert raced(both, "relative") == ["0-1", "1-2"]
