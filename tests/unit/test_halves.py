"""Halves of blocks: which there are, what a skipped one answers, and when they mean nothing."""

import functools
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import zoo
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conformance import corrupt_drafts, generated, load
from test_view import state

from blocksieve.combination import NONE, Combination, Site, block_sites, singles_of_one_kind
from blocksieve.engine import continuation
from blocksieve.engine.answers import Refused
from blocksieve.engine.engines import Engine, start_engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.residual import check_halves
from blocksieve.engine.self_check import checked_combinations
from blocksieve.engine.site_shares import site_shares
from blocksieve.errors import ModelError
from blocksieve.merging import with_removed_shares
from blocksieve.model_description import SiteShares
from blocksieve.models.blocks import BlockList
from blocksieve.models.view import refusal, view, without_blocks
from blocksieve.page.answers import _headline
from blocksieve.user_table import read_user_table

LENGTH = 4
# The usual halves, such as add themselves to the residual stream, two linear layers, convolutions.
TYPES = ("llava", "bloom", "opt", "lfm2")
COMBINATIONS = [Combination.parse(text) for text in ("2a-2m", "0m-1-2a-4a")]
NOT_ITS_INPUT = "block {block} is not its input plus two halves: with both skipped, it "
UNCLEAR = {
    "florence2": f"{NOT_ITS_INPUT}changes its input",  # cross-attention to the encoder stays
    "gemma3n_text": f"{NOT_ITS_INPUT}fails: ",  # keys and values of other blocks
    "gemma4": f"{NOT_ITS_INPUT}changes its input",  # inputs per layer, and a factor
    "git": "block {block} has no channel mixer of its own: "
    "a GitLayer holds attention, intermediate, output",
    "mamba": "block {block} has no token mixer of its own: a MambaBlock holds norm, mixer",
}


def checked(name: str) -> tuple[Any, dict[str, torch.Tensor], BlockList]:
    """A model, its prompts, and its blocks, whose halves were tried."""
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model)
    loaded = load(model)
    check_halves(loaded, Batch(inputs))
    return model, inputs, loaded.blocks


def reference_answers(model: Any, combination: Combination, inputs: Any) -> list[list[int]]:
    """Answers of a copy with zeros for weights, made without the package."""
    halves = tuple((site.block, site.part) for site in combination.halves)
    copied = zoo.prune(model, combination.whole_blocks, halves)
    return generated(copied, inputs, length=LENGTH)


@pytest.mark.parametrize("name", TYPES)
def test_a_skipped_half_answers_as_one_with_zeros_for_weights(name: str) -> None:
    model, inputs, block_list = checked(name)
    assert len(block_list.halves.sites) == 2 * zoo.BLOCKS
    before = state(model)
    for combination in COMBINATIONS:
        expected = reference_answers(model, combination, inputs)
        with view(model, block_list, combination):
            assert generated(model, inputs, length=LENGTH) == expected
        copied = without_blocks(model, combination)
        assert generated(copied, inputs, length=LENGTH) == expected
    assert state(model) == before
    both, whole = Combination.parse("2a-2m"), Combination.parse("2")
    assert reference_answers(model, both, inputs) == reference_answers(model, whole, inputs)


@pytest.mark.parametrize("name", UNCLEAR)
def test_halves_of_blocks_that_are_more_than_them_are_refused(name: str) -> None:
    model, _, block_list = checked(name)
    assert block_list.halves.sites == []
    for block in range(zoo.BLOCKS):
        reason = refusal(block_list, Combination((Site(block, "m"),)))
        assert reason is not None
        assert reason.startswith(UNCLEAR[name].format(block=block))
    refused = pytest.raises(ModelError, match="cannot be removed: block 3")
    with refused, view(model, block_list, Combination.parse("3a")):
        pass


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_caches_count_the_tokens_that_a_skipped_attention_did_not_read(
    name: str, kind: str
) -> None:
    model, inputs, block_list = checked(name)
    model.generation_config.cache_implementation = kind
    # Block 0 tells masks and positions how many tokens there are; gemma2's windows hold 4.
    combination = Combination.parse("0a-1a-3a")
    expected = reference_answers(model, combination, inputs)
    for _ in range(2):  # the first time, what a half returns is learnt from a call
        with view(model, block_list, combination):
            assert generated(model, inputs, length=LENGTH) == expected


def test_packed_weights_cannot_be_zeroed_and_a_shared_half_is_none() -> None:
    model = zoo.make_model("llama")
    blocks = model.model.layers
    blocks[4].mlp = blocks[1].mlp
    halves = load(model).blocks.halves
    assert halves.reasons == {
        1: "block 1 shares a half with block 4",
        4: "block 4 shares a half with block 1",
    }
    packed = torch.nn.Parameter(torch.ones(8, 64, dtype=torch.int8), requires_grad=False)
    blocks[0].mlp.up_proj.weight = packed
    with pytest.raises(ModelError, match=r"half 0m has weights of torch\.int8"):
        without_blocks(model, Combination.parse("0m"))


# Attention in windows and convolutions: both kinds of cache layers.
SEARCHED = ("llava:alternating windows", "lfm2")


@functools.cache
def prepared(name: str) -> tuple[Any, dict[str, torch.Tensor], Engine]:
    """A model, prompts of different lengths, and the engine, whose best way verifies drafts."""
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model)
    loaded = load(model)
    check_halves(loaded, Batch(inputs))
    engine = start_engine("shared", loaded, Batch(inputs), LENGTH)
    assert engine.rung == "drafts", engine.reason
    return model, inputs, engine


@functools.cache
def expected_answers(name: str, combination: Combination) -> list[list[int]]:
    """The answers of the reference to all prompts."""
    model, inputs, _ = prepared(name)
    return reference_answers(model, combination, inputs)


@st.composite
def combinations(draw: st.DrawFn) -> Combination:
    """Up to four sites, blocks and halves; a half of a block that is removed whole is left out."""
    combination = NONE
    halves = [Site(block, part) for block in range(zoo.BLOCKS) for part in ("a", "m")]
    for site in draw(st.lists(st.sampled_from(block_sites(zoo.BLOCKS) + halves), max_size=4)):
        longer = combination.children([site])
        combination = longer[0] if longer else combination
    return combination


@pytest.mark.parametrize("name", SEARCHED)
@settings(max_examples=5, deadline=None)
@given(data=st.data(), wanted=st.lists(combinations(), min_size=1, max_size=5, unique=True))
def test_blocks_and_halves_in_any_order_and_batch_answer_as_the_reference(
    name: str, data: st.DataObject, wanted: list[Combination]
) -> None:
    _, inputs, engine = prepared(name)
    rows = data.draw(st.permutations(range(3)))[: data.draw(st.integers(1, 3))]
    batch = Batch({key: value[rows] for key, value in inputs.items()})
    drafts = None
    if data.draw(st.booleans()):
        drafts = corrupt_drafts([expected_answers(name, wanted[-1])[row] for row in rows])
    answered = dict(engine.answer_batch(batch, wanted, drafts))
    assert set(answered) == set(wanted)
    for combination, answers in answered.items():
        if isinstance(answers, Refused):
            assert not combination.halves or name == "lfm2"
            continue
        expected = expected_answers(name, combination)
        assert [answer.tokens for answer in answers] == [expected[row] for row in rows]


def test_no_work_is_done_twice_and_halves_count_at_their_own_cost() -> None:
    _, inputs, engine = prepared("llava:alternating windows")
    costs = engine.work.costs
    for block in range(zoo.BLOCKS):
        halves = [costs.halves[Site(block, part)] for part in ("a", "m")]
        assert all(half > 0 for half in halves)
        # Norms are no products of matrices, which alone count.
        assert sum(halves) == pytest.approx(costs.blocks[block])
    work = engine.work
    work.done = work.plain = work.bound = 0
    wanted = [Combination.parse(text) for text in ("none", "5a", "5m", "4m", "4m-5a", "3-4a")]
    list(
        engine.answer_batch(
            Batch(inputs), wanted, expected_answers("llava:alternating windows", NONE)
        )
    )
    assert 0 < work.bound <= work.done < work.plain


def test_the_self_check_covers_halves_and_notices_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, inputs, engine = prepared("lfm2")
    tried = [str(each) for each in checked_combinations(engine.loaded.blocks) if each.halves]
    assert tried == ["0a", "3m", "0a-0m", "0m-3-5a", "1a"]  # block 1 is the first with attention

    def all_rows(mask: torch.Tensor, output: Any, call: Any) -> Any:
        return output

    monkeypatch.setattr(continuation, "added_where", all_rows)
    loaded = load(model)
    check_halves(loaded, Batch(inputs))
    broken = start_engine("shared", loaded, Batch(inputs), LENGTH)
    assert broken.rung == "prefill"
    assert "not drafts: without " in broken.reason


def test_an_engine_that_did_not_check_halves_refuses_them() -> None:
    model, inputs, _ = prepared("lfm2")
    engine = start_engine("reference", load(model), Batch(inputs), LENGTH)
    (answer,) = engine.answer_batch(Batch(inputs), [Combination.parse("2a")], None)
    assert answer[1] == Refused("the engine was started without a check of halves")


def test_shares_of_sites_are_those_of_the_model() -> None:
    model = zoo.make_model("lfm2").to("meta")
    block_list = load(model).blocks
    num_weights = sum(weight.numel() for weight in model.parameters())
    mlp = sum(weight.numel() for weight in block_list.blocks[1].feed_forward.parameters())
    shares = site_shares(model, block_list)
    assert list(shares) == [str(block) for block in range(6)] + [
        f"{block}{part}" for block in range(6) for part in ("a", "m")
    ]
    assert shares["1m"]["parameters"] == pytest.approx(mlp / num_weights)
    assert shares["1m"]["kv_cache"] == 0
    # Every other block has attention; convolutions cache no tokens.
    assert [shares[str(block)]["kv_cache"] for block in range(6)] == pytest.approx([0, 1 / 3] * 3)
    assert shares["1a"]["kv_cache"] == shares["1"]["kv_cache"]
    flops = [shares[str(block)]["flops"] for block in range(6)]
    assert sum(flops) == pytest.approx(1)  # type: ignore[arg-type]
    both = shares["1a"]["flops"] + shares["1m"]["flops"]  # type: ignore[operator]
    assert both == pytest.approx(shares["1"]["flops"])


def test_experts_cost_what_a_token_meets_of_them() -> None:
    model = zoo.make_model("qwen3_moe")
    num_blocks, width = 6, 64
    shares = site_shares(model.to("meta"), load(model).blocks)
    attention = shares["0a"]["flops"] * num_blocks  # type: ignore[operator]
    # Three matrices of width x 32 for each of 2 experts of 4, and the router's of width x 4.
    experts = 2 * (2 * 3 * width * 32 + width * 4)
    total = experts / (1 - attention)  # of one block, per token
    self_attn = model.model.layers[0].self_attn
    queries, keys = self_attn.q_proj.out_features, self_attn.k_proj.out_features
    products = 2 * width * (2 * queries + 2 * keys)
    scores = 4 * queries * 64  # in a prompt of 64 tokens, each meets all
    assert total == pytest.approx(experts + products + scores)


def test_what_a_combination_saves_is_the_sum_of_its_sites() -> None:
    sites: dict[str, SiteShares] = {
        "1": {"parameters": 0.3, "flops": 0.5, "kv_cache": None},
        "2a": {"parameters": 0.1, "flops": 0.125, "kv_cache": 0.5},
    }
    table = pl.DataFrame({"combination": ["none", "1", "1-2a", "2a", "3"]})
    saved = with_removed_shares(table, sites)
    assert saved["removed_parameters"].to_list() == pytest.approx([0, 0.3, 0.4, 0.1, None])
    assert saved["removed_flops"].to_list() == [0, 0.5, 0.625, 0.125, None]
    assert saved["removed_kv_cache"].to_list() == [0, None, None, 0.5, None]


def test_scores_are_of_the_kind_of_sites_that_a_search_removes() -> None:
    texts = ("none", "0", "0a", "0m", "1a", "0a-1")
    singles = singles_of_one_kind(map(Combination.parse, texts))
    assert [str(single) for single in singles] == ["0a", "0m", "1a"]
    texts = ("0", "1", "1a", "0-1")
    singles = singles_of_one_kind(map(Combination.parse, texts))
    assert [single.names for single in singles] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("combination", "text"),
    [
        ("4", "Remove 1 of 16 blocks"),
        ("2a-7", "Remove 1 of 16 blocks and 1 of 32 halves of blocks"),
        ("2a-2m", "Remove 2 of 32 halves of blocks"),
    ],
)
def test_the_page_does_not_call_a_half_a_block(combination: str, text: str) -> None:
    assert _headline(Combination.parse(combination), 16) == text


def test_a_table_of_halves_can_be_analysed_again(tmp_path: Path) -> None:
    counts = {"n": 8, "n_clusters": 8, "wins": 0, "losses": 1}
    numbers = {"baseline": 0.5, "score": 0.375, "drop": 0.125, "se": 0.1, "ci_low": 0.0}
    numbers |= {"ci_high": 0.25, "relative": 0.25, "relative_se": 0.2}
    rows: list[dict[str, Any]] = []
    for text in ("2a", "2m", "2a-2m", "2a-7"):
        combination = Combination.parse(text)
        key = {"dataset": "mine", "task_type": "VQA", "combination": text, "role": "search"}
        removed = {"removed": list(combination.blocks), "size": combination.size}
        rows.append(key | removed | counts | numbers)
    whole = counts | numbers | {"score": 0.5, "drop": 0.0, "losses": 0, "ci_high": 0.0, "se": 0.0}
    whole |= {"relative": 0.0, "relative_se": 0.0}
    none = {"dataset": "mine", "task_type": "VQA", "combination": "none", "role": "search"}
    rows.append(none | {"removed": [], "size": 0} | whole)
    pl.DataFrame(rows).write_parquet(tmp_path / "mine.parquet")
    table = read_user_table(tmp_path / "mine.parquet")
    assert table["combination"].to_list() == ["none", "2a", "2m", "2a-2m", "2a-7"]
    assert table["removed_parameters"].to_list() == [None] * 5
