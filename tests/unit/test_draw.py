import hashlib
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.datasets.draw import ROLES, draw_samples, role_of
from blocksieve.datasets.sample import Role, Sample
from blocksieve.errors import DataError

SPLITS = ["train", "validation"]
POOL = [
    Sample(
        question=f"{split} {image} {question}",
        references=("x",),
        cluster=f"{split}-{image}",
        split=split,
    )
    for split in SPLITS
    for image in range(60)
    for question in range(3)
]


def draw(search: int, holdout: int, seed: int = 0) -> list[tuple[Role, Sample]]:
    return draw_samples(POOL, {"search": search, "holdout": holdout}, SPLITS, seed)


@given(st.integers(2, 40), st.integers(0, 40), st.integers(0, 20))
def test_larger_draws_contain_smaller_ones(search: int, holdout: int, more: int) -> None:
    assert set(draw(search, holdout)) <= set(draw(search + more, holdout + more))


@given(st.integers(2, 60), st.integers(0, 60), st.integers(0, 5))
def test_counts_splits_and_roles(search: int, holdout: int, seed: int) -> None:
    drawn = draw(search, holdout, seed)
    roles = [role for role, _ in drawn]
    assert (roles.count("search"), roles.count("holdout")) == (search, holdout)
    splits = [sample.split for role, sample in drawn if role == "search"]
    assert abs(splits.count("train") - splits.count("validation")) <= 1
    clusters: dict[str, set[str]] = {"search": set(), "holdout": set()}
    for role, sample in drawn:
        clusters[role].add(sample.cluster)
    assert not clusters["search"] & clusters["holdout"]


def test_draw_does_not_depend_on_the_order_of_the_source() -> None:
    counts = {"search": 20, "holdout": 20}
    backwards = []
    for start in reversed(range(0, len(POOL), 3)):
        backwards += POOL[start : start + 3]
    assert draw_samples(backwards, counts, SPLITS, 0) == draw(20, 20)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5), st.sampled_from(SPLITS)),
        max_size=60,
    ),
    st.integers(0, 6),
    st.integers(0, 3),
)
def test_what_is_kept_while_reading_is_the_beginning_of_everything_in_order(
    questions: list[tuple[str, int, str]], wanted: int, seed: int
) -> None:
    samples = [
        Sample(question=str(number), references=("x",), cluster=cluster, split=split)
        for cluster, number, split in questions
    ]
    counts = {"search": 2 * wanted, "holdout": 2 * wanted}
    pools: dict[tuple[Role, str], dict[str, Sample]] = {
        (role, split): {} for role in ROLES for split in SPLITS
    }
    for sample in samples:
        pools[role_of(sample.cluster, seed), sample.split].setdefault(sample.sample_id, sample)
    if min(map(len, pools.values())) < wanted:
        with pytest.raises(DataError):
            draw_samples(samples, counts, SPLITS, seed)
        return

    def order(sample: Sample) -> bytes:
        return hashlib.sha256(f"order {seed} {sample.cluster}".encode()).digest()

    drawn = []
    for (role, _), pool in pools.items():
        first = sorted(pool.values(), key=order)[:wanted]
        drawn += [(role, sample) for sample in first]
    assert draw_samples(samples, counts, SPLITS, seed) == drawn


def test_only_what_may_be_drawn_is_held_while_reading() -> None:
    alive: weakref.WeakSet[Sample] = weakref.WeakSet()

    def source() -> Iterator[Sample]:
        for number in range(3000):
            sample = Sample(
                question=str(number), references=("x",), cluster=str(number), split="train"
            )
            alive.add(sample)
            assert len(alive) <= 45  # 2 x 20 that may be drawn, and those on their way
            yield sample

    assert len(draw_samples(source(), {"search": 20, "holdout": 20}, ["train"], 0)) == 40


def test_seed_changes_the_draw_and_repeats_are_left_out() -> None:
    assert draw(20, 20, seed=1) != draw(20, 20, seed=2)
    doubled = draw_samples(POOL + POOL, {"search": 20, "holdout": 20}, SPLITS, 0)
    assert doubled == draw(20, 20)


def test_too_few_samples_say_which_split_and_role() -> None:
    with pytest.raises(
        DataError, match=r"split 'train' has \d+ samples for role 'search' but 500 are wanted"
    ):
        draw(1000, 0)


def test_roles_are_about_even() -> None:
    share = sum(role_of(f"image {i}", 0) == "search" for i in range(2000)) / 2000
    assert 0.45 < share < 0.55
