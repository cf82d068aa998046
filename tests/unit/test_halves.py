"""Halves of blocks: which there are, what a skipped one answers, and when they mean nothing."""

from typing import Any

import pytest
import torch
import zoo
from test_conformance import generated, load
from test_view import state

from blocksieve.combination import Combination, Site
from blocksieve.engine.inputs import Batch
from blocksieve.engine.residual import check_halves
from blocksieve.errors import ModelError
from blocksieve.models.blocks import BlockList
from blocksieve.models.view import refusal, view, without_blocks

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


def judged(model: Any, combination: Combination, inputs: Any) -> list[list[int]]:
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
        expected = judged(model, combination, inputs)
        with view(model, block_list, combination):
            assert generated(model, inputs, length=LENGTH) == expected
        copied = without_blocks(model, combination)
        assert generated(copied, inputs, length=LENGTH) == expected
    assert state(model) == before
    both, whole = Combination.parse("2a-2m"), Combination.parse("2")
    assert judged(model, both, inputs) == judged(model, whole, inputs)


@pytest.mark.parametrize("name", UNCLEAR)
def test_halves_of_blocks_that_are_more_than_them_are_refused(name: str) -> None:
    model, _, block_list = checked(name)
    assert block_list.halves.sites == []
    for block in range(zoo.BLOCKS):
        reason = refusal(model, block_list, Combination((Site(block, "m"),)))
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
    expected = judged(model, combination, inputs)
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
