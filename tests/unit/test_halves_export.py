"""A half of a block in an export: zeros that stock classes compute with, and can be skipped."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from test_export import generated, logits, marked, reloaded, saved

from blocksieve import halves
from blocksieve.combination import Combination
from blocksieve.errors import ModelError
from blocksieve.models.blocks import find_blocks
from blocksieve.models.export import export
from blocksieve.models.halves import NAMES

COMBINATIONS = [Combination.parse(text) for text in ("2a", "1m-3", "0a-4m-5")]
COMBINATION_NAMES = [str(combination) for combination in COMBINATIONS]
LAYERS_EQUAL = "it refuses the edited config.json: ValueError: Layer type"
# Combinations that are refused, and why; all others are exact.
REFUSED: dict[str, dict[str, str]] = {
    "florence2": dict.fromkeys(COMBINATION_NAMES, "no values of single decoder layers"),
    "gemma3n_text": {
        "2a": "block 4 uses the keys and values of block 2",
        "1m-3": "block 5 uses the keys and values of block 3",
    },
    "gemma4": dict.fromkeys(COMBINATION_NAMES, LAYERS_EQUAL),
    "gemma4:experts": dict.fromkeys(COMBINATION_NAMES, LAYERS_EQUAL),
    "gemma4:shared keys and values": dict.fromkeys(COMBINATION_NAMES, LAYERS_EQUAL)
    | {"2a": "block 3 uses the keys and values of block 2"},
    "git": dict.fromkeys(COMBINATION_NAMES, "has no channel mixer of its own"),
    "jamba": {"1m-3": "layers.3 would be of class JambaMambaDecoderLayer"},
    "mamba": dict.fromkeys(COMBINATION_NAMES, "has no token mixer of its own"),
    "qwen3_5": {"1m-3": "no block with attention would be left"},
    "shieldgemma2": dict.fromkeys(COMBINATION_NAMES, "do not fit its config.json"),
}
# One type of each mechanism; `make test-all` tries all of the zoo.
MECHANISMS = ("bamba", "florence2", "gemma3", "gemma4", "git", "llama", "llava")


def reference_model(model: Any, combination: Combination) -> Any:
    """The model with whole blocks deleted, and zeros in modules of the usual names."""
    pruned = zoo.prune(model, combination.whole_blocks)
    kept = [block for block in range(zoo.BLOCKS) if block not in combination.whole_blocks]
    blocks = find_blocks(pruned).blocks
    for site in combination.halves:
        children = dict(blocks[kept.index(site.block)].named_children())
        for name in set(NAMES[site.part]) & children.keys():
            for weight in children[name].parameters():
                weight.data = torch.zeros_like(weight)
    return pruned


@pytest.mark.parametrize("name", marked(MECHANISMS))
def test_zeros_and_skipped_halves_answer_alike_or_are_refused(name: str, tmp_path: Path) -> None:
    spec, model = saved(name, tmp_path / "source")
    inputs = zoo.make_inputs(name, model)
    for combination in COMBINATIONS:
        folder = tmp_path / str(combination)
        reason = REFUSED.get(name, {}).get(str(combination))
        if reason is not None:
            with pytest.raises(ModelError, match=reason):
                export(spec, combination, folder)
            assert not folder.exists()
            continue
        export(spec, combination, folder)
        expected = reference_model(model, combination)
        stock = reloaded(spec, folder)
        assert torch.allclose(logits(stock, inputs), logits(expected, inputs), atol=1e-5)
        assert generated(stock, inputs) == generated(expected, inputs)
        assert len(halves.apply(stock)) == len(combination.halves)
        assert generated(stock, inputs) == generated(expected, inputs)
        assert torch.allclose(logits(stock, inputs), logits(expected, inputs), atol=1e-5)


def test_the_config_names_halves_by_their_new_numbers(tmp_path: Path) -> None:
    spec, _ = saved("llama", tmp_path / "source")
    record = export(spec, Combination.parse("1-3a-4a-4m"), tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["per_layer_config"] == {
        "2": {"skip": ["attention"]},
        "3": {"skip": ["attention", "mlp"]},
    }
    stock = reloaded(spec, tmp_path / "out")
    block = find_blocks(stock).blocks[3]
    num_zeros = sum(weight.numel() for weight in block.mlp.parameters())
    num_zeros += 2 * sum(weight.numel() for weight in block.self_attn.parameters())
    assert record["zeros"] == num_zeros
    assert [str(site) for site in halves.apply(stock)] == ["2a", "3a", "3m"]


def test_nothing_is_skipped_that_is_not_named_or_not_zero(tmp_path: Path) -> None:
    spec, model = saved("llama", tmp_path / "source")
    assert halves.apply(model) == []
    export(spec, Combination.parse("2m"), tmp_path / "out")
    stock = reloaded(spec, tmp_path / "out")
    with torch.no_grad():
        find_blocks(stock).blocks[2].mlp.down_proj.weight[0, 0] = 1
    with pytest.raises(ModelError, match="2m cannot be skipped: its weights are not zeros"):
        halves.apply(stock)
