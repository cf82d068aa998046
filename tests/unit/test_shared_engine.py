"""The shared engine on one tiny model: any combinations, batches and drafts; troubles; the work it counts."""

import functools
from typing import Any

import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import generated, load, questions

from blocksieve.combination import NONE, Combination
from blocksieve.engine.answers import Refused, judge
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch, find_prefix
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks

LENGTH = 6
COMBINATIONS = st.lists(
    st.builds(Combination.of, st.sets(st.integers(0, zoo.BLOCKS - 1), max_size=4)), min_size=1, max_size=6, unique=True
)


@functools.cache
def llava() -> tuple[Any, dict[str, torch.Tensor], list[list[int]], Engine]:
    """A model, six prompts about two images, which belong together, and the engine on its fastest rung."""
    model = zoo.make_model("llava")
    firsts = zoo.make_inputs("llava", model, rows=2)
    inputs, groups = questions(model, firsts)
    engine = start_engine("shared", load(model), Batch(inputs, find_prefix(inputs, firsts, groups, 5)), LENGTH)
    assert engine.rung == "prefixes"
    return model, inputs, groups, engine


@functools.cache
def reference(combination: Combination, end: int | None) -> list[list[int]]:
    model, inputs, _, _ = llava()
    return [row[:LENGTH] for row in generated(zoo.prune(model, combination.removed), inputs, end)]


def batch_of(rows: list[int], prefixes: bool) -> Batch:
    """Some of the prompts, in any order."""
    _, inputs, groups, _ = llava()
    chosen = {name: value[rows] for name, value in inputs.items()}
    members = [[place for place, row in enumerate(rows) if row in group] for group in groups]
    members = [group for group in members if group]
    if not prefixes or len(members) == len(rows):
        return Batch(chosen)
    firsts = {name: value[[group[0] for group in members]] for name, value in chosen.items()}
    return Batch(chosen, find_prefix(chosen, firsts, members, 5))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), combinations=COMBINATIONS, prefixes=st.booleans(), ended=st.booleans())
def test_whatever_the_batch_and_the_drafts_the_answers_are_the_references(
    data: st.DataObject, combinations: list[Combination], prefixes: bool, ended: bool
) -> None:
    model, _, _, engine = llava()
    end = reference(NONE, None)[0][LENGTH // 2] if ended else None
    rows = data.draw(st.permutations(range(6)).flatmap(lambda order: st.integers(1, 6).map(lambda n: order[:n])))
    truth = st.sampled_from([reference(combination, end) for combination in combinations])
    tokens = st.lists(st.integers(10, 159), max_size=LENGTH + 2)
    cut = st.tuples(truth, st.integers(0, LENGTH), tokens)  # some combination's answer up to a place, then noise
    drafts = [data.draw(cut.map(lambda drawn, row=row: drawn[0][row][: drawn[1]] + drawn[2])) for row in rows]
    given_drafts = data.draw(st.sampled_from([drafts, None]))
    model.generation_config.eos_token_id = end
    try:
        found = dict(engine.answer_batch(batch_of(rows, prefixes), combinations, given_drafts))
    finally:
        model.generation_config.eos_token_id = None
    assert set(found) == set(combinations)
    for combination, answers in found.items():
        assert [answer.tokens for answer in answers] == [until(reference(combination, end)[row], end) for row in rows]


def until(tokens: list[int], end: int | None) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def test_no_work_is_done_twice_and_the_plain_loop_does_more() -> None:
    _, _, _, engine = llava()
    work = engine.work
    work.done = work.plain = work.bound = 0
    combinations = [Combination((block,)) for block in range(zoo.BLOCKS)]
    for _ in engine.answer_batch(batch_of(list(range(6)), True), combinations, reference(NONE, None)):
        pass
    assert 0 < work.bound <= work.done < work.plain


@pytest.fixture
def broken() -> Any:
    return zoo.make_model("llava")


def test_logits_that_are_no_numbers_are_told_for_every_combination_that_has_them(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    with torch.no_grad():
        engine.loaded.blocks.blocks[3].mlp.down_proj.weight[0, 0] = float("nan")
    combinations = [Combination.parse(text) for text in ("none", "0", "3", "1-3", "5")]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        assert {answer.non_finite for answer in answers} == {3 not in combination.removed}


def test_a_combination_that_fails_is_refused_with_the_reason_and_the_others_are_answered(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)

    class NeedsTwo(torch.nn.Module):
        """A block that works only right after block 1."""

        def __init__(self, block: Any) -> None:
            super().__init__()
            self.block = block

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            if self.block.self_attn.layer_idx != 2:
                raise RuntimeError("where is block 1?\nlast seen elsewhere")
            return self.block(*args, **kwargs)

    engine.loaded.blocks.blocks[2] = NeedsTwo(engine.loaded.blocks.blocks[2])
    combinations = [Combination.parse(text) for text in ("none", "0", "2", "4")]
    for _ in range(2):
        found = dict(engine.answer_batch(Batch(inputs), combinations, None))
        reason = "the model fails without these blocks: RuntimeError: where is block 1?"
        assert found[Combination((0,))] == Refused(reason)
        assert all(isinstance(found[c], list) for c in combinations if c != Combination((0,)))
    engine.loaded.blocks.blocks[2] = engine.loaded.blocks.blocks[2].block
    for combination in (NONE, Combination((4,))):
        expected = generated(zoo.prune(broken, combination.removed), inputs)
        assert [answer.tokens for answer in found[combination]] == [row[:LENGTH] for row in expected]


def test_a_model_that_fails_as_a_whole_is_an_error(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    with pytest.raises(Exception, match="size"):
        list(engine.answer_batch(Batch(inputs | {"pixel_values": inputs["pixel_values"][:, :, :5]}), [NONE], None))


@pytest.mark.parametrize("setting", [{"repetition_penalty": 1.5}, {"suppress_tokens": list(range(60, 160))}])
def test_generation_settings_that_change_scores_count(broken: Any, setting: dict[str, Any]) -> None:
    broken.generation_config.update(**setting)
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "drafts", engine.reason
    for combination, answers in engine.answer_batch(Batch(inputs), [NONE, Combination((1,)), Combination((4,))], None):
        expected = generated(zoo.prune(broken, combination.removed), inputs)
        assert [answer.tokens for answer in answers] == [row[:LENGTH] for row in expected]


def test_a_setting_that_looks_at_positions_is_left_to_the_models_own_decoding(broken: Any) -> None:
    broken.generation_config.update(no_repeat_ngram_size=2)
    engine = start_engine("shared", load(broken), Batch(zoo.make_inputs("llava", broken)), LENGTH)
    assert engine.rung == "prefill"
    assert "NoRepeatNGramLogitsProcessor" in engine.reason


def test_the_reference_runs_where_it_is_wanted(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("reference", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "reference"
    assert len(list(engine.answer_batch(Batch(inputs), [NONE, Combination((1,))], None))) == 2
    assert engine.work.done == engine.work.plain > engine.work.bound > 0


def test_near_ties_are_those_within_two_steps_of_the_number_format() -> None:
    scores = torch.tensor([[4.0, 4.0 - 1.5 / 32, 0.0], [4.0, 4.0 - 2.5 / 32, 0.0], [float("nan"), 1.0, 0.0]])
    assert judge(scores, torch.bfloat16).near_tie.tolist()[:2] == [True, False]  # steps of 1/32 from 4 to 8
    assert judge(scores, torch.float32).near_tie.tolist() == [False, False, False]
    assert judge(scores, torch.float32).non_finite.tolist() == [False, False, True]


def test_in_bfloat16_rows_without_near_ties_are_the_references() -> None:
    model = zoo.make_model("llava").bfloat16()
    inputs = zoo.make_inputs("llava", model)
    inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    engine = start_engine("shared", load(model), Batch(inputs), LENGTH)
    compared = 0
    for combination, answers in engine.answer_batch(Batch(inputs), [NONE, Combination((1,)), Combination((4,))], None):
        expected = generated(zoo.prune(model, combination.removed), inputs)
        for answer, row in zip(answers, expected, strict=True):
            if not answer.near_tie:
                compared += 1
                assert answer.tokens == row[:LENGTH]
    assert compared > 3


def test_removing_everything_or_nothing_known_is_refused() -> None:
    _, _, _, engine = llava()
    combinations = [Combination.of(range(6)), Combination((6,))]
    found = dict(engine.answer_batch(batch_of([0], False), combinations, None))
    reasons = {answer.reason for answer in found.values()}
    assert reasons == {"no block would be left", "the model has blocks 0 to 5 only"}


def test_a_block_list_that_is_not_there_is_named() -> None:
    model = llava()[0]
    assert find_blocks(model, "model.language_model.layers").blocks is find_blocks(model).blocks
    with pytest.raises(ModelError, match=r"is no list of modules in this model; it has .*language_model.layers \(6\)"):
        find_blocks(model, "model.nothing")
