"""The shared engine on one tiny model: any combinations, batches and drafts; troubles; its work."""

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from accelerate import dispatch_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import generated, load, questions, until

from blocksieve.combination import NONE, Combination
from blocksieve.engine import engines, verification
from blocksieve.engine.answers import NEAR_TIE_STEPS, Answer, Refused, Watch
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.prefixes import find_prefix
from blocksieve.engine.self_check import effect_of_padding, margin_drift, with_longer_first
from blocksieve.engine.ways import PREFILL, PREFIXES, REFERENCE, Way
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks

LENGTH = 6
COMBINATIONS = st.lists(
    st.builds(Combination.of, st.sets(st.integers(0, zoo.BLOCKS - 1), max_size=4)),
    min_size=1,
    max_size=6,
    unique=True,
)


# Types that any search space is tried on: shared prefixes, windows shorter than the prompts, three
# kinds of position.
SEARCHED = {"llava": "prefixes", "llava:alternating windows": "drafts", "qwen2_vl": "prefixes"}


@functools.cache
def prepared(name: str = "llava") -> tuple[Any, dict[str, torch.Tensor], list[list[int]], Engine]:
    """A model, six prompts about two images, which belong together, and the engine's best rung."""
    model = zoo.make_model(name)
    firsts = zoo.make_inputs(name, model, rows=2)
    inputs, groups = questions(model, firsts)
    probe = Batch(inputs, find_prefix(inputs, firsts, groups, 5))
    engine = start_engine("shared", load(model), probe, LENGTH)
    assert engine.rung == SEARCHED[name], engine.reason
    return model, inputs, groups, engine


@functools.cache
def reference(combination: Combination, end: int | None, name: str = "llava") -> list[list[int]]:
    model, inputs, _, _ = prepared(name)
    return [row[:LENGTH] for row in generated(zoo.prune(model, combination.blocks), inputs, end)]


def batch_of(rows: list[int], prefixes: bool, name: str = "llava") -> Batch:
    """Some of the prompts, in any order."""
    _, inputs, groups, _ = prepared(name)
    by_patches = name == "qwen2_vl"  # patches of a row's image lie one after the other
    if by_patches:
        by_row = inputs["pixel_values"].unflatten(0, (len(inputs["input_ids"]), -1))
        inputs = inputs | {"pixel_values": by_row}
    chosen = {key: value[rows] for key, value in inputs.items()}
    chosen_groups = []
    for group in groups:
        places = [place for place, row in enumerate(rows) if row in group]
        if places:
            chosen_groups.append(places)
    first_places = [places[0] for places in chosen_groups]
    firsts = {key: value[first_places] for key, value in chosen.items()}
    if by_patches:
        for batch_inputs in (chosen, firsts):
            batch_inputs["pixel_values"] = batch_inputs["pixel_values"].flatten(0, 1)
    if not prefixes or len(chosen_groups) == len(rows):
        return Batch(chosen)
    return Batch(chosen, find_prefix(chosen, firsts, chosen_groups, 5))


@pytest.mark.parametrize("name", SEARCHED)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), combinations=COMBINATIONS, prefixes=st.booleans(), ended=st.booleans())
def test_whatever_the_batch_and_the_drafts_the_answers_are_the_references(
    name: str, data: st.DataObject, combinations: list[Combination], prefixes: bool, ended: bool
) -> None:
    model, _, _, engine = prepared(name)
    end = reference(NONE, None, name)[0][LENGTH // 2] if ended else None
    order = data.draw(st.permutations(range(6)))
    rows = order[: data.draw(st.integers(1, 6))]
    right = st.sampled_from([reference(combination, end, name) for combination in combinations])
    noise = st.lists(st.integers(0, 159), max_size=LENGTH + 2)  # padding, image and end tokens too
    drafts = []
    for row in rows:  # some combination's answer up to a place, then noise
        answer = data.draw(right)[row]
        drafts.append(answer[: data.draw(st.integers(0, LENGTH))] + data.draw(noise))
    drafts_or_none = data.draw(st.sampled_from([drafts, None]))
    batch = batch_of(rows, prefixes, name)
    model.generation_config.eos_token_id = end
    try:
        answered = dict(engine.answer_batch(batch, combinations, drafts_or_none))
    finally:
        model.generation_config.eos_token_id = None
    assert set(answered) == set(combinations)
    for combination, answers in answered.items():
        expected = reference(combination, end, name)
        assert [answer.tokens for answer in answers] == [until(expected[row], end) for row in rows]


def test_no_work_is_done_twice_and_the_plain_loop_does_more() -> None:
    _, _, _, engine = prepared()
    work = engine.work
    work.done = work.plain = work.bound = 0
    combinations = [Combination.of((block,)) for block in range(zoo.BLOCKS)]
    batch = batch_of(list(range(6)), True)
    for _ in engine.answer_batch(batch, combinations, reference(NONE, None)):
        pass
    assert 0 < work.bound <= work.done < work.plain


@contextmanager
def switched(engine: Engine, way: Way) -> Iterator[None]:
    best = engine.way
    engine.way = way
    try:
        yield
    finally:
        engine.way = best


@pytest.mark.parametrize(
    ("way", "ingredient", "saves_work"),
    [
        (PREFIXES, "replay", True),
        # Where generate runs once for all combinations, it has read the images once as well.
        (PREFILL, "encoder_memo", True),
        (PREFIXES, "prefixes", True),
        (PREFIXES, "drafts", False),  # it reads the same tokens in fewer passes
        (PREFIXES, "merge_continuations", False),
    ],
)
def test_an_ingredient_that_is_switched_off_changes_no_answer(
    way: Way, ingredient: str, saves_work: bool
) -> None:
    _, _, _, engine = prepared()
    batch = batch_of(list(range(6)), True)
    combinations = [Combination.of((block,)) for block in range(zoo.BLOCKS)]
    drafts = reference(NONE, None)
    done = []
    for some_way in (way, replace(way, **{ingredient: False})):
        engine.work.done = 0
        with switched(engine, some_way):
            answered = dict(engine.answer_batch(batch, combinations, drafts))
        done.append(engine.work.done)
        for combination, answers in answered.items():
            expected = reference(combination, None)
            assert [answer.tokens for answer in answers] == expected
    assert done[1] > done[0] or not saves_work


@pytest.mark.parametrize(
    ("ingredient", "removed"),
    [
        ("drafts", [()]),  # whose draft is right
        ("merge_continuations", [(0,), (1,), (2,), (3,)]),
    ],
)
def test_drafts_and_merged_continuations_save_calls_of_blocks(
    ingredient: str, removed: list[tuple[int, ...]]
) -> None:
    _, _, _, engine = prepared()
    batch = batch_of(list(range(6)), True)
    combinations = [Combination.of(blocks) for blocks in removed]
    calls = []

    def count(*_: Any) -> None:
        calls[-1] += 1

    hooks = [block.mlp.register_forward_hook(count) for block in engine.loaded.blocks.blocks]
    for way in (PREFIXES, replace(PREFIXES, **{ingredient: False})):
        calls.append(0)
        with switched(engine, way):
            list(engine.answer_batch(batch, combinations, reference(NONE, None)))
    for hook in hooks:
        hook.remove()
    assert calls[0] < calls[1]


def test_the_host_waits_for_the_device_a_few_times_per_combination_and_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    syncs = importlib.import_module("syncs")
    _, _, _, engine = prepared()
    batch = batch_of(list(range(6)), True)
    right = reference(NONE, None)
    with syncs.SyncCounter() as verifying:
        list(engine.answer_batch(batch, [NONE], right))
    assert verifying.calls["tolist"] == 2  # its tokens and how far to trust them
    wrong = [[token + 1 if token < 100 else token - 1 for token in row] for row in right]
    combinations = [Combination.of((block,)) for block in range(zoo.BLOCKS)]
    with syncs.SyncCounter() as continuing:
        list(engine.answer_batch(batch, combinations, wrong))
    assert continuing.calls["tolist"] <= 2 * len(combinations) + 2 * LENGTH
    # Where to cut each combination, tokens and selected rows of each step; masks but now and then.
    assert continuing.calls["tensor"] <= len(combinations) + 2 * LENGTH + 2


def test_a_way_without_a_view_shares_nothing() -> None:
    with pytest.raises(ValueError, match="copies of the model have nothing to share"):
        replace(REFERENCE, replay=True)


@pytest.fixture
def broken() -> Any:
    return zoo.make_model("llava")


def test_logits_that_are_no_numbers_are_told_for_every_combination_that_has_them(
    broken: Any,
) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    with torch.no_grad():
        engine.loaded.blocks.blocks[3].mlp.down_proj.weight[0, 0] = float("nan")
    combinations = [Combination.parse(text) for text in ("none", "0", "3", "1-3", "5")]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        assert {answer.non_finite for answer in answers} == {3 not in combination.blocks}


def test_what_the_reference_answers_in_a_ways_place_counts_as_work(
    broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    assert engine.way.intercepts
    combination = Combination.of((2,))

    def failing(*_: Any) -> Any:
        yield combination, RuntimeError("not this way")

    monkeypatch.setattr(engines, "answer_batch_in", failing)
    answered = dict(engine.answer_batch(Batch(inputs), [combination], None))
    expected = generated(zoo.prune(broken, combination.blocks), inputs)
    assert [answer.tokens for answer in answered[combination]] == [row[:LENGTH] for row in expected]
    assert engine.work.done == engine.work.plain > 0


def test_a_combination_that_fails_is_refused_with_the_reason_and_the_others_are_answered(
    broken: Any,
) -> None:
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
    first_block = Combination.of((0,))
    for _ in range(2):
        answered = dict(engine.answer_batch(Batch(inputs), combinations, None))
        reason = "the model fails without these blocks: RuntimeError: where is block 1?"
        assert answered[first_block] == Refused(reason)
        assert all(isinstance(answered[c], list) for c in combinations if c != first_block)
    engine.loaded.blocks.blocks[2] = engine.loaded.blocks.blocks[2].block
    for combination in (NONE, Combination.of((4,))):
        expected = generated(zoo.prune(broken, combination.blocks), inputs)
        tokens = [answer.tokens for answer in answered[combination]]
        assert tokens == [row[:LENGTH] for row in expected]


def test_a_model_that_fails_as_a_whole_is_an_error(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    wrong_pixels = {"pixel_values": inputs["pixel_values"][:, :, :5]}
    with pytest.raises(Exception, match="size"):
        list(engine.answer_batch(Batch(inputs | wrong_pixels), [NONE], None))


@pytest.mark.parametrize(
    "setting", [{"repetition_penalty": 1.5}, {"suppress_tokens": list(range(60, 160))}]
)
def test_generation_settings_that_change_scores_count(broken: Any, setting: dict[str, Any]) -> None:
    broken.generation_config.update(**setting)
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "drafts", engine.reason
    combinations = [NONE, Combination.of((1,)), Combination.of((4,))]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        expected = generated(zoo.prune(broken, combination.blocks), inputs)
        assert [answer.tokens for answer in answers] == [row[:LENGTH] for row in expected]


def test_how_many_scores_are_looked_at_at_once_changes_no_answer(
    broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "drafts", engine.reason
    combinations = [NONE, Combination.of((1,)), Combination.of((4,))]
    num_scores = len(inputs["input_ids"]) * broken.config.text_config.vocab_size
    answers = []
    for num_steps in (1, 3, LENGTH):
        monkeypatch.setattr(verification, "SCORES_AT_ONCE", num_steps * num_scores)
        answers.append(dict(engine.answer_batch(Batch(inputs), combinations, None)))
    # With the margins by which each token won.
    assert answers[0] == answers[1] == answers[2]


def padded_with_an_end(
    model: Any, inputs: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """The inputs padded with a token that ends an answer, and two such tokens."""
    answers = generated(model, inputs)
    shortest_rows = [answers[number] for number in (1, 4)]
    ends = [row[LENGTH // 2] for row in shortest_rows]
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    model.generation_config.update(eos_token_id=ends, pad_token_id=ends[0])
    return inputs | {"input_ids": ids.masked_fill(mask == 0, ends[0])}, ends


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
@pytest.mark.parametrize("seed", range(3))
def test_padding_that_is_an_end_token_never_counts_as_said(name: str, seed: int) -> None:
    model = zoo.make_model(name, seed=seed)
    model.generation_config.update(repetition_penalty=1.5)
    firsts = zoo.make_inputs(name, model, rows=2)
    inputs, groups = questions(model, firsts)
    engine = start_engine("shared", load(model), with_prefix(inputs, firsts, groups), LENGTH)
    assert engine.rung == "prefixes", engine.reason
    # One question so long that the other prompts are shorter than what it does not share.
    inputs = with_longer_first(Batch(inputs)).inputs
    inputs, ends = padded_with_an_end(model, inputs)
    batch = with_prefix(inputs, firsts, groups)
    width = inputs["input_ids"].shape[1]
    combinations = [NONE, *(Combination.of((block,)) for block in range(zoo.BLOCKS))]
    answered = dict(engine.answer_batch(batch, combinations, None))
    for combination, answers in answered.items():
        output = zoo.prune(model, combination.blocks).generate(**inputs, max_new_tokens=LENGTH)
        expected = [row[: first_end(row, ends)] for row in output[:, width:].tolist()]
        assert [answer.tokens for answer in answers] == expected


ROTARY_LENGTHS = {
    # Prompts of two groups, in tokens. The embeddings change past 24 tokens.
    "below": [10, 12, 9, 11],
    "above": [30, 34, 29, 33],
    "crossing": [20, 22, 21, 19],
    "mixed": [10, 34, 22, 8],
}


def texts(lengths: list[int]) -> Batch:
    """Prompts of these lengths; those of the first and second half begin alike."""
    generator = torch.Generator().manual_seed(7)
    begins = torch.randint(20, 160, (2, 7), generator=generator).tolist()
    longest, groups = max(lengths), [[0, 1], [2, 3]]
    ids, mask = [], []
    for row, length in enumerate(lengths):
        rest = torch.randint(20, 160, (length - 7,), generator=generator).tolist()
        ids.append([0] * (longest - length) + begins[row // 2] + rest)
        mask.append([0] * (longest - length) + [1] * length)
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    firsts = {name: value[[0, 2]] for name, value in inputs.items()}
    return Batch(inputs, find_prefix(inputs, firsts, groups, None))


@pytest.mark.parametrize(
    ("name", "long_rung"), [("llama:dynamic rope", "view"), ("llama:longrope", "prefill")]
)
def test_rotary_embeddings_that_depend_on_the_length_are_those_of_a_fresh_model(
    name: str, long_rung: str
) -> None:
    model, fresh = zoo.make_model(name), zoo.make_model(name)
    engine = start_engine("shared", load(model), texts(ROTARY_LENGTHS["below"]), LENGTH)
    assert (engine.rung, engine.long_way.name) == ("prefixes", long_rung), engine.reason
    combinations = [NONE, *(Combination.of((block,)) for block in (0, 3, 5))]
    for where in ("above", "mixed", "crossing", "below", "mixed"):
        batch = texts(ROTARY_LENGTHS[where])
        expected = {}
        for combination in combinations:
            rows = generated(zoo.prune(fresh, combination.blocks), batch.inputs)
            expected[combination] = [row[:LENGTH] for row in rows]
        noise = [[*row[:3], 99, *row[4:]] for row in expected[NONE]]
        for drafts in (None, expected[NONE], noise):
            answered = dict(engine.answer_batch(batch, combinations, drafts))
            for combination, answers in answered.items():
                tokens = [answer.tokens for answer in answers]
                assert tokens == expected[combination], (where, combination)
    mixed = texts(ROTARY_LENGTHS["mixed"])
    effect = effect_of_padding(load(model), mixed, 3, mixed, LENGTH)
    assert effect == "its rotary embeddings depend on the longest prompt of a batch"


def test_the_self_check_of_long_prompts_is_made_on_long_ways() -> None:
    model = zoo.make_model("llama:longrope")
    engine = start_engine("shared", load(model), texts(ROTARY_LENGTHS["mixed"]), LENGTH)
    assert engine.rung == "prefill", engine.reason
    assert "past 24 tokens" in engine.reason


@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_no_draft_goes_past_the_learnt_positions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zoo.make_model(name)
    batch = texts([505, 450, 504, 503])  # there are 512 positions
    engine = start_engine("shared", load(model), batch, 20)
    assert engine.rung == "prefixes", engine.reason
    combinations = [NONE, Combination.of((2,))]
    answers = {}
    for combination in combinations:
        answers[combination] = generated(zoo.prune(model, combination.blocks), batch.inputs)
    ends = [row[2] for rows in answers.values() for row in rows]
    model.generation_config.eos_token_id = ends
    # A failure on a GPU ends the job: none may be left to the reference.
    monkeypatch.delattr(Engine, "_ask_the_reference")
    drafts = [[*row[:4], *range(30, 46)] for row in answers[NONE]]
    for combination, answered in engine.answer_batch(batch, combinations, drafts):
        expected = [row[: first_end(row, ends)] for row in answers[combination]]
        assert [answer.tokens for answer in answered] == expected


def with_prefix(
    inputs: dict[str, torch.Tensor], firsts: dict[str, torch.Tensor], groups: list[list[int]]
) -> Batch:
    return Batch(inputs, find_prefix(inputs, firsts, groups, 5))


def first_end(row: list[int], ends: list[int]) -> int:
    """How many tokens a row has up to and with the first that ends it."""
    return next((place + 1 for place, token in enumerate(row) if token in ends), len(row))


def test_a_setting_that_looks_at_positions_is_left_to_the_models_own_decoding(broken: Any) -> None:
    broken.generation_config.update(no_repeat_ngram_size=2)
    engine = start_engine("shared", load(broken), Batch(zoo.make_inputs("llava", broken)), LENGTH)
    assert engine.rung == "prefill"
    assert "NoRepeatNGramLogitsProcessor" in engine.reason


def test_settings_that_an_end_token_brings_into_play_are_seen_by_the_self_check(
    broken: Any,
) -> None:
    inputs = zoo.make_inputs("llava", broken)
    ends = [generated(broken, inputs)[0][1], 159]
    broken.generation_config.update(min_new_tokens=4, eos_token_id=ends)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "prefill"
    assert "MinNewTokensLengthLogitsProcessor" in engine.reason
    width = inputs["input_ids"].shape[1]
    combinations = [NONE, Combination.of((1,))]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        output = zoo.prune(broken, combination.blocks).generate(**inputs, max_new_tokens=LENGTH)
        for answer, row in zip(answers, output[:, width:].tolist(), strict=True):
            assert len(answer.tokens) >= 4
            assert answer.tokens == row[: len(answer.tokens)]


def test_rows_that_cannot_go_on_together_are_left_to_the_reference(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("shared", load(broken), Batch(inputs), LENGTH)

    def no_more_than_a_batch(module: Any, args: Any) -> None:
        if len(args[0]) > len(inputs["input_ids"]):
            raise RuntimeError("too many rows")

    engine.loaded.blocks.blocks[0].register_forward_pre_hook(no_more_than_a_batch)
    combinations = [NONE, Combination.of((1,)), Combination.of((4,))]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, [[9], [9], [9]]):
        expected = generated(zoo.prune(broken, combination.blocks), inputs)
        assert [answer.tokens for answer in answers] == [row[:LENGTH] for row in expected]


def test_hooks_that_move_inputs_between_devices_stay(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    combinations = [NONE, Combination.of((1,)), Combination.of((4,))]
    expected = {}
    for combination in combinations:
        answers = generated(zoo.prune(broken, combination.blocks), inputs)
        expected[combination] = [row[:LENGTH] for row in answers]
    parts = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    parts += ["model.language_model.embed_tokens", "model.language_model.norm"]
    parts += [f"model.language_model.layers.{number}" for number in range(6)]
    spread = dispatch_model(
        broken, dict.fromkeys(parts, "cpu"), main_device="cpu", force_hooks=True
    )
    assert all(hasattr(block, "_hf_hook") for block in find_blocks(spread).blocks)
    engine = start_engine("shared", load(spread), Batch(inputs), LENGTH)
    assert engine.rung == "drafts", engine.reason
    tokens = {}
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        tokens[combination] = [answer.tokens for answer in answers]
    assert tokens == expected


def test_padding_that_changes_the_models_own_answers_is_noticed() -> None:
    sensitive = []
    for name in ("llava", "kosmos-2", "florence2"):
        model = zoo.make_model(name)
        inputs = zoo.make_inputs(name, model)
        ids, begin = inputs["input_ids"], int(inputs["attention_mask"][0].argmax())
        assert begin > 0  # the first prompt is the shortest
        alone = {
            key: value[:1, begin:] if value.shape == ids.shape else value[:1]
            for key, value in inputs.items()
        }
        effect = effect_of_padding(load(model), Batch(inputs), 0, Batch(alone), LENGTH)
        if effect is not None:
            sensitive.append(name)
    assert sensitive == ["kosmos-2", "florence2"]
    mask = inputs["attention_mask"]
    # Padded on the right, as encoders that count places are.
    order = mask.argsort(dim=1, descending=True, stable=True)
    right = inputs | {"input_ids": ids.gather(1, order), "attention_mask": mask.gather(1, order)}
    assert effect_of_padding(load(model), Batch(right), 0, Batch(alone), LENGTH) is None


def test_the_reference_runs_where_it_is_wanted(broken: Any) -> None:
    inputs = zoo.make_inputs("llava", broken)
    engine = start_engine("reference", load(broken), Batch(inputs), LENGTH)
    assert engine.rung == "reference"
    assert len(list(engine.answer_batch(Batch(inputs), [NONE, Combination.of((1,))], None))) == 2
    assert engine.work.done == engine.work.plain > engine.work.bound > 0


def test_near_ties_are_those_within_two_steps_of_the_number_format() -> None:
    scores = torch.tensor(
        [[4.0, 4.0 - 1.5 / 32, 0.0], [4.0, 4.0 - 2.5 / 32, 0.0], [float("nan"), 1.0, 0.0]]
    )
    verdicts = {}
    for dtype in (torch.bfloat16, torch.float32):
        watch = Watch(dtype)
        watch(torch.zeros(3, 1), scores)
        (verdicts[dtype],) = watch.take_verdicts()
        assert watch.take_verdicts() == []
    # Steps of 1/32 from 4 to 8.
    near_ties = [verdict.near_tie for verdict in verdicts[torch.bfloat16]]
    assert near_ties == [True, False, False]
    assert not any(verdict.near_tie for verdict in verdicts[torch.float32])
    assert [verdict.non_finite for verdict in verdicts[torch.float32]] == [False, False, True]


def answer_of(tokens: list[int], margins: tuple[float, ...]) -> Answer:
    return Answer(tokens, "", margins=margins)


def test_the_drift_of_margins_is_seen_as_long_as_tokens_are_equal() -> None:
    reference_row = answer_of([4, 5, 6], (9.0, 3.0, 50.0))
    assert margin_drift([reference_row], [reference_row]) == 0
    assert margin_drift([reference_row], [answer_of([4, 5, 6], (7.5, 3.0, 50.0))]) == 1.5
    assert margin_drift([reference_row], [answer_of([4, 7, 6], (9.0, 1.0, 2.0))]) == 4


def test_in_bfloat16_a_row_is_flagged_where_the_reference_could_be_tied() -> None:
    model = zoo.make_model("llava").bfloat16()
    inputs = zoo.make_inputs("llava", model)
    inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    engine = start_engine("shared", load(model), Batch(inputs), LENGTH)
    steps = engine.context.near_tie_steps
    assert steps > NEAR_TIE_STEPS  # the ways differ by rounding
    flagged_for_drift = 0
    combinations = [Combination.of((block,)) for block in range(zoo.BLOCKS)]
    for _, answers in engine.answer_batch(Batch(inputs), combinations, None):
        for answer in answers:
            least = min(answer.margins)
            assert answer.near_tie == (least < steps)
            flagged_for_drift += NEAR_TIE_STEPS <= least < steps
    assert flagged_for_drift


def test_in_bfloat16_rows_without_near_ties_are_the_references() -> None:
    model = zoo.make_model("llava").bfloat16()
    inputs = zoo.make_inputs("llava", model)
    inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    engine = start_engine("shared", load(model), Batch(inputs), LENGTH)
    compared = 0
    combinations = [NONE, Combination.of((1,)), Combination.of((4,))]
    for combination, answers in engine.answer_batch(Batch(inputs), combinations, None):
        expected = generated(zoo.prune(model, combination.blocks), inputs)
        for answer, row in zip(answers, expected, strict=True):
            if not answer.near_tie:
                compared += 1
                assert answer.tokens == row[:LENGTH]
    assert compared > 3


def test_removing_everything_or_nothing_known_is_refused() -> None:
    _, _, _, engine = prepared()
    combinations = [Combination.of(range(6)), Combination.of((6,))]
    refused = dict(engine.answer_batch(batch_of([0], False), combinations, None))
    reasons = {answer.reason for answer in refused.values()}
    assert reasons == {"no block would be left", "the model has blocks 0 to 5 only"}


def test_a_block_list_that_is_not_there_is_named() -> None:
    model = prepared()[0]
    assert find_blocks(model, "model.language_model.layers").blocks is find_blocks(model).blocks
    message = r"is no list of modules in this model; it has .*language_model.layers \(6\)"
    with pytest.raises(ModelError, match=message):
        find_blocks(model, "model.nothing")
