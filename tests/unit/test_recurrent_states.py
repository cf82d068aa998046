"""Drafts on types whose caches hold states of convolutions and scans, which no token can leave."""

import functools
from typing import Any

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import generated, load, until
from test_shared_engine import texts

from blocksieve.combination import NONE, Combination
from blocksieve.engine import continuation, unfinished
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.ways import PREFILL

TYPES = ("lfm2", "qwen3_next")
LENGTH = 12  # longer than the chunks in which Bamba scans
ROWS = 4
COMBINATIONS = [Combination.of(removed) for removed in ((), (0,), (2,), (1, 3), (0, 5))]


@functools.cache
def prepared(name: str) -> tuple[Any, dict[str, torch.Tensor], Engine]:
    """A model, prompts of different lengths, and the engine."""
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model, rows=ROWS)
    return model, inputs, start_engine("shared", load(model), Batch(inputs), LENGTH)


@functools.cache
def reference(name: str, combination: Combination) -> list[list[int]]:
    model, inputs, _ = prepared(name)
    return generated(zoo.prune(model, combination.blocks), inputs, length=LENGTH)


def check(
    name: str, rows: list[int], combinations: list[Combination], drafts: Any, end: int | None = None
) -> None:
    """All answers to these prompts must be the reference's."""
    model, inputs, engine = prepared(name)
    assert engine.rung == "drafts", engine.reason
    batch = Batch({key: value[rows] for key, value in inputs.items()})
    model.generation_config.eos_token_id = end
    try:
        answered = dict(engine.answer_batch(batch, combinations, drafts))
    finally:
        model.generation_config.eos_token_id = None
    assert set(answered) == set(combinations)
    for combination, answers in answered.items():
        expected = [until(reference(name, combination)[row], end) for row in rows]
        assert [answer.tokens for answer in answers] == expected, f"without {combination}"


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=4, deadline=None)
@given(data=st.data(), ended=st.booleans())
def test_whatever_the_batch_and_the_drafts_no_wrong_token_stays_in_a_state(
    name: str, data: st.DataObject, ended: bool
) -> None:
    combinations = data.draw(st.lists(st.sampled_from(COMBINATIONS), min_size=1, unique=True))
    rows = data.draw(st.permutations(range(ROWS)))[: data.draw(st.integers(1, ROWS))]
    end = reference(name, NONE)[0][LENGTH // 2] if ended else None
    noise = st.lists(st.integers(0, 159), max_size=3)
    drafts = []
    for row in rows:  # some combination's answer up to a place, then noise
        answer = reference(name, data.draw(st.sampled_from(combinations)))[row]
        drafts.append(answer[: data.draw(st.integers(0, LENGTH))] + data.draw(noise))
    check(name, rows, combinations, drafts, end)


@pytest.mark.parametrize("place", [0, LENGTH // 2, LENGTH - 2])
def test_a_draft_that_is_wrong_in_one_place_leaves_no_trace(place: int) -> None:
    # LENGTH - 2 is the last token that is read. One draft is short, one right, two are wrong.
    drafts = [list(answer) for answer in reference("bamba", NONE)]
    del drafts[0][place + 1 :]
    for row in (2, 3):
        drafts[row][place] = 30 + (drafts[row][place] + 1) % 100
    check("bamba", list(range(ROWS)), COMBINATIONS, drafts)


def test_right_drafts_save_passes() -> None:
    _, inputs, engine = prepared("bamba")
    calls = []
    way = engine.way
    hook = engine.loaded.model.lm_head.register_forward_hook(lambda *_: calls.append(1))
    for engine.way in (PREFILL, way):
        list(engine.answer_batch(Batch(inputs), [NONE], reference("bamba", NONE)))
        calls.append(0)
    hook.remove()
    assert calls == [*[1] * LENGTH, 0, 1, 1, 0]  # a pass over the prompts, and one over the drafts


def keep_states(layer: Any, state: Any) -> None:
    """Leave the drafts in the states."""


def other_rows(layer: Any, rows: torch.Tensor) -> Any:
    """Take the states of other rows."""
    return recurrent_rows(layer, rows.roll(1))


def first_part_alone(layer: Any, parts: list[Any]) -> None:
    """Forget the states of all combinations but the first."""
    join_recurrent_rows(layer, [parts[0], *((num_rows, None) for num_rows, _ in parts[1:])])


recurrent_rows = unfinished.recurrent_rows
join_recurrent_rows = continuation.join_recurrent_rows


@pytest.mark.parametrize(
    ("owner", "function", "fault"),
    [
        (unfinished, "restore_layer", keep_states),
        (unfinished, "recurrent_rows", other_rows),
        (continuation, "join_recurrent_rows", first_part_alone),
    ],
)
def test_the_self_check_notices_a_wrong_state(
    monkeypatch: pytest.MonkeyPatch, owner: Any, function: str, fault: Any
) -> None:
    model, inputs, _ = prepared("lfm2")
    monkeypatch.setattr(owner, function, fault)
    engine = start_engine("shared", load(model), Batch(inputs), LENGTH)
    assert engine.rung == "prefill"
    assert "not drafts: without " in engine.reason


def test_a_common_prefix_is_not_shared_since_a_gap_may_follow_it() -> None:
    model, _, _ = prepared("lfm2")
    batch = texts([10, 12, 9, 11])
    assert batch.prefix is not None
    engine = start_engine("shared", load(model), batch, LENGTH)
    assert engine.rung == "drafts"
    assert "not prefixes: without none: UnsupportedError: states of" in engine.reason
    for combination, answers in engine.answer_batch(batch, COMBINATIONS, None):
        expected = generated(zoo.prune(model, combination.blocks), batch.inputs, length=LENGTH)
        assert [answer.tokens for answer in answers] == expected
