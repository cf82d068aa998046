"""For every type the shared engine answers as `generate` does on a copy without the blocks."""

from typing import Any

import pytest
import torch
import zoo

from blocksieve.combination import Combination
from blocksieve.engine.answers import Refused
from blocksieve.engine.engines import start_engine
from blocksieve.engine.inputs import Batch
from blocksieve.engine.positions import num_places
from blocksieve.engine.prefixes import find_prefix
from blocksieve.engine.residual import check_halves
from blocksieve.engine.self_check import with_longer_first
from blocksieve.models.blocks import find_blocks
from blocksieve.models.loading import LoadedModel

COMBINATIONS = [Combination.of(removed) for removed in ((), (0,), (2,), (5,), (1, 3), (0, 5))]
# With halves of blocks; block 3's attention alone tells some types how many tokens there are.
HALVES = [Combination.parse(text) for text in ("0a", "3m", "2a-2m", "1m-2-3a", "0a-4-5a-5m")]
LENGTH = 8
# Where answers cannot be verified in one pass, and why. All other types run on the rung "drafts".
PREFILL = {
    "blip-2": "takes its pixels in every pass",
    "exaone4_5": "counts positions by places in the cache, padding included",
    "florence2": "is an encoder-decoder",
    "gemma3n_text": "has blocks without keys and values of their own",
    "gemma4:shared keys and values": "has blocks without keys and values of their own",
    "git": "builds its mask from the image",
    "jamba": "takes no recurrent state up in a pass over several tokens",
    "kosmos-2": "ignores padding in the positions of cached tokens",
    "mamba": "takes no recurrent state up in a pass over several tokens",
    "mllama": "has cross-attention states of another length",
}
REFUSED = {
    "gemma3n_text": {
        "2": "block 4 uses the keys and values of block 2",
        "1-3": "uses the keys and values of block 3",
    },
    "gemma4:shared keys and values": {
        "2": "block 3 uses the keys and values of block 2",
        "1-3": "uses the keys and values of block 1",
    },
    "qwen3_5": {"1-3": "no block with attention would be left"},
    "mllama": {"0": "block 1 would come first", "0-5": "block 1 would come first"},
}


CHANGES = "with both skipped, it changes its input"
FAILS = "with both skipped, it fails: "
# Types whose blocks have no halves, and why.
NO_HALVES = {
    "florence2": CHANGES,  # cross-attention to the encoder stays
    "gemma3n_text": FAILS,  # keys and values of other blocks
    "gemma4": CHANGES,  # inputs of each block, and a factor
    "gemma4:experts": CHANGES,
    "gemma4:shared keys and values": FAILS,
    "git": "has no channel mixer of its own: a GitLayer holds attention, intermediate, output",
    "mamba": "has no token mixer of its own: a MambaBlock holds norm, mixer",
}


def refusals(name: str) -> dict[str, str]:
    """What is refused of a type, by combination, with a part of the reason."""
    refused = dict(REFUSED.get(name, {}))
    if name in NO_HALVES:
        refused |= {str(combination): NO_HALVES[name] for combination in HALVES}
    return refused


# Types that are tried with several questions an image, on the rung "prefixes".
PREFIXES = (
    "deepseek_vl",
    "idefics3",
    "internvl",
    "llava",
    "llava:experts",
    "ovis2",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
)


class NumberTokenizer:
    """A tokenizer whose text is the tokens' numbers."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        return " ".join(map(str, tokens))


# Types that answer as others do: `make test-all` tries them too.
ALIKE = (
    "aria",
    "aya_vision",
    "bamba",
    "chameleon",
    "cohere2_vision",
    "deepseek_vl",
    "exaone4_5",
    "falcon",
    "gemma2",
    "gemma4",
    "gemma4:experts",
    "glm4v",
    "glm4v_moe",
    "got_ocr2",
    "gpt2",
    "gpt_neox",
    "idefics2",
    "idefics3",
    "internvl",
    "janus",
    "lfm2",
    "lighton_ocr",
    "llava:alternating windows",
    "llava:sliding window",
    "llava_next",
    "llava_next_video",
    "llava_onevision",
    "mistral3",
    "mpt",
    "ovis2",
    "phi",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_5",
    "qwen3_moe",
    "qwen3_vl_moe",
    "shieldgemma2",
    "smolvlm",
    "video_llava",
    "vipllava",
)
CASES = [(name, 1) for name in zoo.TYPES] + [(name, 2) for name in zoo.SEVERAL_IMAGES]


def marked(cases: list[Any]) -> list[Any]:
    """Cases of which those of types alike are long trials, and some fail in transformers."""
    parameters = []
    for name, *images in cases:
        marks = [pytest.mark.long] if name in ALIKE else []
        parameters.append(pytest.param(name, *images, marks=[*marks, *zoo.failing_with(name)]))
    return parameters


def load(model: Any) -> LoadedModel:
    return LoadedModel(model, NumberTokenizer(), torch.device("cpu"), find_blocks(model))


def generated(
    model: Any, inputs: dict[str, torch.Tensor], end: int | None = None, length: int = LENGTH
) -> list[list[int]]:
    """The answers of the model's own generate, up to and with the end token."""
    copies = {name: value.clone() for name, value in inputs.items()}
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    width = inputs[name].shape[1]
    output = model.generate(**copies, max_new_tokens=length, do_sample=False, eos_token_id=end)
    return [until(row, end) for row in output[:, width:].tolist()]


def until(tokens: list[int], end: int | None) -> list[int]:
    """The tokens up to and with the end token."""
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def corrupt_drafts(answers: list[list[int]]) -> list[list[int]]:
    """Drafts: right, wrong at the end, wrong in the middle, row by row."""
    drafts = [list(answer) for answer in answers]
    for row, draft in enumerate(drafts):
        if row % 3:
            place = -1 if row % 3 == 1 else len(draft) // 2
            draft[place] = 30 + (draft[place] + 1) % 100
    return drafts


def expected_answers(
    model: Any,
    inputs: dict[str, torch.Tensor],
    refused: Any,
    end: int | None = None,
    combinations: list[Combination] = COMBINATIONS,
) -> dict[Any, Any]:
    return {
        combination: generated(pruned(model, combination), inputs, end)
        for combination in combinations
        if str(combination) not in refused
    }


def pruned(model: Any, combination: Combination) -> Any:
    """A copy without the blocks, and with zeros for weights of the halves."""
    halves = tuple((site.block, site.part) for site in combination.halves)
    return zoo.prune(model, combination.whole_blocks, halves)


def check(
    engine: Any,
    batch: Batch,
    expected: dict[Any, Any],
    refused: dict[str, str],
    drafts: Any,
    combinations: list[Combination] = COMBINATIONS,
) -> None:
    answered = dict(engine.answer_batch(batch, combinations, drafts))
    assert set(answered) == set(combinations)
    for combination, answers in answered.items():
        if isinstance(answers, Refused):
            assert refused[str(combination)] in answers.reason
        else:
            assert [answer.tokens for answer in answers] == expected[combination], (
                f"without {combination}"
            )


@pytest.mark.parametrize(("name", "images"), marked(CASES))
def test_tokens_are_those_of_generate_on_a_pruned_copy(name: str, images: int) -> None:
    model = zoo.make_model(name)
    inputs = zoo.make_inputs(name, model, images=images)
    batch, refused = Batch(inputs), refusals(name)
    loaded = load(model)
    check_halves(loaded, batch)
    engine = start_engine("shared", loaded, batch, LENGTH)
    assert engine.rung == ("prefill" if name in PREFILL else "drafts"), engine.reason
    combinations = [*COMBINATIONS, *HALVES]
    expected = expected_answers(model, inputs, refused, combinations=combinations)
    first = expected[COMBINATIONS[0]]
    for drafts in (None, first, corrupt_drafts(first)):
        check(engine, batch, expected, refused, drafts, combinations)
    both_halves = expected.get(Combination.parse("2a-2m"))
    assert both_halves in (None, expected.get(Combination.parse("2"), both_halves))
    if images == 1:
        # An end that comes in the middle of some answers, never in others.
        end = expected[COMBINATIONS[3]][0][LENGTH // 2]
        model.generation_config.eos_token_id = end
        ended = expected_answers(model, inputs, refused, end)
        assert any(len(row) < LENGTH for rows in ended.values() for row in rows)
        for drafts in (None, corrupt_drafts(ended[COMBINATIONS[0]])):
            check(engine, batch, ended, refused, drafts)


@pytest.mark.parametrize("name", marked([(name,) for name in PREFIXES]))
def test_several_questions_about_one_image_share_its_prefix(name: str) -> None:
    model = zoo.make_model(name)
    firsts = zoo.make_inputs(name, model, rows=2)
    inputs, groups = questions(model, firsts)
    prefix = find_prefix(inputs, firsts, groups, model.config.image_token_id)
    assert prefix is not None
    batch = Batch(inputs, prefix)
    loaded = load(model)
    check_halves(loaded, batch)
    engine = start_engine("shared", loaded, batch, LENGTH)
    assert engine.rung == "prefixes", engine.reason
    combinations = [*COMBINATIONS, *HALVES]
    expected = expected_answers(model, inputs, {}, combinations=combinations)
    for drafts in (None, corrupt_drafts(expected[COMBINATIONS[0]])):
        check(engine, batch, expected, {}, drafts, combinations)


# Types with sliding windows, and one with attention in chunks.
WINDOWS = (
    "aya_vision",
    "cohere2_vision",
    "gemma3",
    "llama4",
    "llava:alternating windows",
    "llava:sliding window",
    "mistral3",
)


@pytest.mark.parametrize("name", marked([(name,) for name in WINDOWS]))
def test_prefixes_are_shared_where_no_window_slides(name: str) -> None:
    sizes = zoo.make_model(name)
    firsts = zoo.make_inputs(name, sizes, rows=2)
    inputs, groups = questions(sizes, firsts)
    batch = Batch(inputs, find_prefix(inputs, firsts, groups, sizes.config.image_token_id))
    assert batch.prefix is not None
    assert start_engine("shared", load(sizes), batch, LENGTH).rung == "drafts"
    # Just wide enough for the batch, and not for one with a longer prompt.
    model = zoo.make_model(name, window=num_places(batch) + LENGTH + 1)
    engine = start_engine("shared", load(model), batch, LENGTH)
    assert engine.rung == "prefixes", engine.reason
    for each in (batch, with_longer_first(batch)):
        expected = expected_answers(model, each.inputs, {})
        for drafts in (None, corrupt_drafts(expected[COMBINATIONS[0]])):
            check(engine, each, expected, {}, drafts)


def questions(
    model: Any, firsts: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], list[list[int]]]:
    """Three prompts about each image: the same up to its end, then text of other lengths."""
    generator = torch.Generator().manual_seed(3)
    rows, groups = [], [[0, 1, 2], [3, 4, 5]]
    for row in range(2):
        mask = firsts["attention_mask"][row].bool()
        ids = firsts["input_ids"][row][mask].tolist()
        image_tokens = (model.config.image_token_id, 8)
        image_end = max(place for place, token in enumerate(ids) if token in image_tokens)
        begin = ids[: image_end + 1]
        rows.append(ids)
        for length in (3, 5):
            text = torch.randint(20, 160, (length,), generator=generator)
            rows.append(begin + text.tolist())
    longest = max(map(len, rows))
    inputs = {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        ),
    }
    for name, value in firsts.items():
        if name in ("token_type_ids", "mm_token_type_ids"):
            inputs[name] = (inputs["input_ids"] == model.config.image_token_id).long()
        elif name not in inputs:
            inputs[name] = torch.cat([part for part in value.chunk(2) for _ in range(3)])
    return inputs, groups
