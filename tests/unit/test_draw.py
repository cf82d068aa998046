import hashlib
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocksieve.datasets.draw import Repeats, draw_samples, role_of
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
        Sample(
            question=f"{cluster} {number} {split}", references=("x",), cluster=cluster, split=split
        )
        for cluster, number, split in questions
    ]
    counts = {"search": 2 * wanted, "holdout": 2 * wanted}
    pools: dict[tuple[Role, str], dict[str, Sample]] = {
        (role, split): {} for role in counts for split in SPLITS
    }
    for sample in samples:
        pools[role_of(sample.cluster, seed), sample.split].setdefault(sample.sample_id, sample)
    if min(map(len, pools.values())) < wanted:
        # The coin is not enough: dealt out, or refused.
        try:
            dealt = draw_samples(samples, counts, SPLITS, seed)
        except DataError:
            return
        for role, split in pools:
            places = [(place, sample.split) for place, sample in dealt]
            assert places.count((role, split)) == wanted
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
    with pytest.raises(DataError) as raised:
        draw_samples([*POOL, POOL[0]], {"search": 1000, "holdout": 0}, SPLITS, 0)
    message = str(raised.value)
    assert "split 'train': 181 samples read, of which 1 repeat an earlier one" in message
    assert (
        "180 of 500 for search and 0 of 0 for holdout; split 'validation': 180 samples" in message
    )
    assert "samples.search: 360 with samples.holdout: 0 would work" in message
    assert "\n" not in message


@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=12),
    st.integers(2, 20),
    st.integers(0, 20),
    st.integers(0, 3),
)
def test_the_numbers_that_a_line_names_do_work(
    sizes: list[int], search: int, holdout: int, seed: int
) -> None:
    samples = small_dataset(sizes)
    try:
        drawn = draw_samples(samples, {"search": search, "holdout": holdout}, ["train"], seed)
    except DataError as error:
        named = re.search(
            r"samples.search: (\d+) with samples.holdout: (\d+) would work", str(error)
        )
        assert named is not None
        search, holdout = int(named[1]), int(named[2])
        drawn = draw_samples(samples, {"search": search, "holdout": holdout}, ["train"], seed)
    check_roles(drawn, search, holdout)


def small_dataset(sizes: list[int]) -> list[Sample]:
    """One picture per size, with so many questions."""
    samples = []
    for image, size in enumerate(sizes):
        for number in range(size):
            samples.append(Sample(f"{image} {number}", ("x",), cluster=str(image), split="train"))
    return samples


def check_roles(drawn: list[tuple[Role, Sample]], search: int, holdout: int) -> None:
    clusters: dict[str, set[str]] = {"search": set(), "holdout": set()}
    roles = [role for role, _ in drawn]
    assert (roles.count("search"), roles.count("holdout")) == (search, holdout)
    for role, sample in drawn:
        clusters[role].add(sample.cluster)
    assert not clusters["search"] & clusters["holdout"]


@pytest.mark.parametrize("seed", range(5))
def test_a_small_dataset_is_dealt_out_where_the_coin_is_not_enough(seed: int) -> None:
    samples = small_dataset([1] * 20)
    drawn = draw_samples(samples, {"search": 10, "holdout": 10}, ["train"], seed)
    check_roles(drawn, 10, 10)
    coin = [role_of(sample.cluster, seed) for sample in samples]
    if coin.count("search") >= 4 and coin.count("holdout") >= 4:
        for role, sample in draw_samples(samples, {"search": 4, "holdout": 4}, ["train"], seed):
            assert role == role_of(sample.cluster, seed)


@pytest.mark.parametrize(
    ("search", "holdout", "numbers"),
    [("all", "all", (12, 9)), ("all", 5, (16, 5)), (5, "all", (5, 16)), ("all", 0, (21, 0))],
)
def test_all_takes_what_the_other_role_leaves(search, holdout, numbers) -> None:
    """Both: half of the images each. Nothing is lost but the rest of a number's last image."""
    samples = small_dataset([3] * 7)
    drawn = draw_samples(samples, {"search": search, "holdout": holdout}, ["train"], 0)
    roles = [role for role, _ in drawn]
    num_search, num_holdout = roles.count("search"), roles.count("holdout")
    lost = 21 - num_search - num_holdout
    assert 0 <= lost <= 2
    assert abs(num_search - numbers[0]) <= lost
    assert abs(num_holdout - numbers[1]) <= lost
    check_roles(drawn, num_search, num_holdout)


def test_all_of_nearly_nothing_is_too_few() -> None:
    with pytest.raises(DataError, match=r"1 samples read, .* no number would work"):
        draw_samples(small_dataset([1]), {"search": "all", "holdout": 0}, ["train"], 0)


def test_rows_of_one_picture_and_question_become_one_sample() -> None:
    """Each annotator's row adds its answers; a row that repeats another wholly is dropped."""
    rows = small_dataset([1] * 12)
    annotators = [replace(rows[3], references=(answer,)) for answer in ("y", "z", "y")]
    elsewhere = replace(rows[3], split="validation", cluster="other", references=("w",))
    repeats = Repeats()
    drawn = draw_samples(
        [*rows, *annotators, elsewhere], {"search": 12, "holdout": 0}, ["train"], 0, repeats
    )
    answers = {sample.sample_id: sample.references for _, sample in drawn}
    assert len(answers) == len(drawn) == 12
    assert answers[rows[3].sample_id] == ("x", "y", "z", "w")
    assert repeats == Repeats(duplicates={"train": 1}, joined={"train": 2, "validation": 1})


@given(st.integers(2, 30), st.integers(0, 15), st.integers(1, 15), st.integers(0, 10))
def test_verify_samples_share_no_image_and_leave_the_search_samples(
    search: int, holdout: int, verify: int, more: int
) -> None:
    def with_verify(*numbers: int) -> list[tuple[Role, Sample]]:
        roles: list[Role] = ["search", "holdout", "verify"]
        return draw_samples(POOL, dict(zip(roles, numbers, strict=True)), SPLITS, 0)

    drawn = with_verify(search, holdout, verify)
    roles_of_cluster: dict[str, set[str]] = {}
    for role, sample in drawn:
        roles_of_cluster.setdefault(sample.cluster, set()).add(role)
    assert all(len(roles) == 1 for roles in roles_of_cluster.values())
    assert sum(role == "verify" for role, _ in drawn) == verify
    assert set(drawn) <= set(with_verify(search + more, holdout + more, verify + more))
    without = [sample for role, sample in draw(search, holdout) if role == "search"]
    assert without == [sample for role, sample in drawn if role == "search"]


def test_too_few_samples_for_verify_are_refused_with_numbers_that_work() -> None:
    samples = small_dataset([1] * 20)
    counts: dict[Role, int] = {"search": 20, "holdout": 10, "verify": 10}
    with pytest.raises(DataError, match=r"for verify; samples\.search: ") as error:
        draw_samples(samples, counts, ["train"], 0)
    advised = re.findall(r"samples\.(\w+): (\d+)", str(error.value))
    working: dict[Role, int] = {role: int(number) for role, number in advised}  # type: ignore[misc]
    assert sum(working.values()) == 20
    assert working["verify"] == working["holdout"] == 5
    assert len(draw_samples(samples, working, ["train"], 0)) == 20


def test_roles_are_about_even() -> None:
    share = sum(role_of(f"image {i}", 0) == "search" for i in range(2000)) / 2000
    assert 0.45 < share < 0.55
