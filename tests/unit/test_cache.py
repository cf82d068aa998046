import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocksieve.search.cache import Cache, CacheRow

keys = st.tuples(st.sampled_from(["none", "1", "2-3"]), st.sampled_from("abcd"))
batches = st.lists(
    st.tuples(st.lists(keys, min_size=1, max_size=5, unique=True), st.booleans()), max_size=5
)


def rows(pairs: list[tuple[str, str]]) -> list[CacheRow]:
    return [
        CacheRow(name, sample_id, f"{name} {sample_id}", [len(name), 2], False, False, None)
        for name, sample_id in pairs
    ]


def frame(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        pairs, schema={"combination": pl.String, "sample_id": pl.String}, orient="row"
    )


@settings(max_examples=50, deadline=None)
@given(batches, st.lists(keys, unique=True))
def test_look_up_returns_what_was_added_once(
    batches: list[tuple[list, bool]], asked: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache, added = Cache(Path(folder), "context"), set()
        for pairs, close in batches:
            cache.append(rows(pairs))
            added |= set(pairs)
            if close:
                cache.close()
        found = cache.look_up(frame(asked))
        assert set(found.select("combination", "sample_id").rows()) == added & set(asked)
        assert len(found) == len(added & set(asked))
        assert all(
            row["prediction"] == f"{row['combination']} {row['sample_id']}"
            for row in found.to_dicts()
        )


def test_close_leaves_one_part_a_job_and_those_of_other_jobs(tmp_path: Path) -> None:
    first, second = Cache(tmp_path, "context"), Cache(tmp_path, "context")
    for sample in "abc":
        first.append(rows([("1", sample)]))
        second.append(rows([("2-3", sample)]))
    first.close()
    assert len(list((tmp_path / "context").glob("*.parquet"))) == 4
    assert len(second.look_up(frame([("1", "a"), ("2-3", "c"), ("none", "a")]))) == 2


def test_contexts_do_not_mix(tmp_path: Path) -> None:
    Cache(tmp_path, "one").append(rows([("1", "a")]))
    assert Cache(tmp_path, "two").look_up(frame([("1", "a")])).is_empty()


def test_a_corrupt_part_is_named_set_aside_and_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path, "context")
    cache.append(rows([("1", "a")]))
    cache.append(rows([("1", "b")]))
    part = cache.added[0]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 4
    part.write_bytes(content)
    found = cache.look_up(frame([("1", "a"), ("1", "b")]))
    assert found["sample_id"].to_list() == ["b"]
    assert f"{part} is corrupt; set aside as {part.name}.corrupt" in caplog.text
    assert part.with_name(f"{part.name}.corrupt").read_bytes() == content
    cache.append(rows([("1", "a")]))
    cache.close()
    assert len(Cache(tmp_path, "context").look_up(frame([("1", "a"), ("1", "b")]))) == 2
