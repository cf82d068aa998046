"""An exported model is the evaluated one after a stock reload, or is refused for a true reason."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedModel

from blocksieve.combination import Combination, block_sites
from blocksieve.errors import ModelError
from blocksieve.model_description import sites_to_search
from blocksieve.models import describe, pruned_config, view
from blocksieve.models.blocks import find_blocks
from blocksieve.models.describe import describe_model
from blocksieve.models.export import export, why_not_exportable
from blocksieve.models.loading import empty_model
from blocksieve.search.plan import propose_all
from blocksieve.specs import ModelSpec

# A single block, the first, the last, and two pairs.
COMBINATIONS = [Combination.of(removed) for removed in ((2,), (0,), (5,), (1, 3), (0, 5))]
TOKENS = 6
LAST_FULL = "no block with attention would be left"
# Combinations that are refused, and why. All others are exact after a reload.
REFUSED: dict[str, dict[str, str]] = {
    "gemma3n_text": {
        "2": "block 4 uses the keys and values of block 2",
        "1-3": "uses the keys and values of block 3",
    },
    "gemma4:shared keys and values": {
        "2": "block 3 uses the keys and values of block 2",
        "1-3": "uses the keys and values of block 1",
    },
    "jamba": dict.fromkeys(("0", "2", "1-3", "0-5"), r"layers\.\d.* would be of class Jamba"),
    "mllama": {"0": "block 1 would come first", "0-5": "block 1 would come first"},
    "modernbert-decoder": dict.fromkeys(
        ("0", "0-5"), "layers.0.attn_norm would be of class Identity, not LayerNorm"
    ),
    "qwen3_5": {"1-3": LAST_FULL},
    "shieldgemma2": dict.fromkeys(map(str, COMBINATIONS), "do not fit its config.json"),
}


# One type of each mechanism; `make test-all` tries all of the zoo.
MECHANISMS = (
    "bamba",
    "deepseek_v3",
    "florence2",
    "gemma3n_text",
    "gemma4",
    "jamba",
    "llava",
    "llava:experts",
    "mllama",
    "molmo2",
    "qwen3_5",
    "shieldgemma2",
)
# Types whose logits differ in the last digits between two loads of the same weights.
NOT_REPRODUCIBLE = ("qwen3_next",)


def marked(mechanisms: Sequence[str]) -> list[Any]:
    """The zoo's types, most of them long trials; some fail in transformers."""
    parameters = []
    for name in zoo.TYPES:
        marks = [] if name in mechanisms else [pytest.mark.long]
        parameters.append(pytest.param(name, marks=[*marks, *zoo.failing_with(name)]))
    return parameters


def spec_of(name: str, folder: Path) -> ModelSpec:
    return ModelSpec(
        kind="text" if name in zoo.TEXT else "vlm",
        path=str(folder),
        revision=None,
        gguf_file=None,
        blocks=None,
        prompt=None,
        dtype="float32",
        device="cpu",
        trust_remote_code=False,
    )


def saved(name: str, folder: Path) -> tuple[ModelSpec, Any]:
    """Save a model of the zoo; return where it lies, and itself."""
    model = zoo.make_model(name)
    model.save_pretrained(folder)
    return spec_of(name, folder), model


def reloaded(spec: ModelSpec, folder: Path) -> Any:
    """What a user of transformers gets of a folder; it must hold all weights and no others."""
    auto = AutoModelForCausalLM if spec.kind == "text" else AutoModelForImageTextToText
    model, info = auto.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(info.values()), info
    return model.eval()


@torch.no_grad()
def logits(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(**{name: value.clone() for name, value in inputs.items()}).logits


def generated(model: Any, inputs: dict[str, torch.Tensor]) -> list[list[int]]:
    copies = {name: value.clone() for name, value in inputs.items()}
    return model.generate(**copies, max_new_tokens=TOKENS, do_sample=False).tolist()


@pytest.mark.parametrize("name", marked(MECHANISMS))
def test_an_export_is_exact_after_a_reload_or_refused(name: str, tmp_path: Path) -> None:
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
        pruned = zoo.prune(model, combination.blocks)
        stock = reloaded(spec, folder)
        difference = (logits(stock, inputs) - logits(pruned, inputs)).abs().max()
        assert difference <= (1e-5 if name in NOT_REPRODUCIBLE else 0), combination
        assert generated(stock, inputs) == generated(pruned, inputs), combination
    left = {path.name for path in tmp_path.iterdir()} - {"source"}
    assert left == {str(each) for each in COMBINATIONS} - set(REFUSED.get(name, {}))


def test_an_encoder_with_as_many_layers_keeps_all_of_them(tmp_path: Path) -> None:
    config = zoo.build.make_config("florence2")
    config.text_config.encoder_layers = zoo.BLOCKS
    model = AutoModelForImageTextToText.from_config(config).float().eval()
    zoo.build.randomised(model, 0).save_pretrained(tmp_path / "source")
    spec = spec_of("florence2", tmp_path / "source")
    export(spec, Combination.of((2,)), tmp_path / "out")
    stock = reloaded(spec, tmp_path / "out")
    text_config = stock.config.text_config
    assert (text_config.encoder_layers, text_config.decoder_layers) == (6, 5)
    inputs = zoo.make_inputs("florence2", model)
    assert torch.equal(logits(stock, inputs), logits(zoo.prune(model, (2,)), inputs))


@pytest.mark.parametrize(
    ("name", "removed", "table", "reason"),
    [
        ("deepseek_v3", 0, (pruned_config, "PREFIX_COUNTS"), "would be of class DeepseekV3MLP"),
        ("qwen3_next", 0, (view, "ENTRIES_PER_BLOCK"), "it refuses the edited config.json"),
        ("mllama", 2, (view, "BLOCK_NUMBERS"), "layers.3 would be of class MllamaSelfAttention"),
    ],
)
def test_a_config_entry_that_the_tables_do_not_know_is_refused(
    name: str,
    removed: int,
    table: tuple[Any, str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec, _ = saved(name, tmp_path / "source")
    combination = Combination.of((removed,))
    assert why_not_exportable(spec, empty_model(spec), combination) is None
    # The evaluated copy is edited by the same tables, so that only the checkpoint's may lack it.
    without = pruned_config.stored_config_edits
    module, attribute = table

    def ignorant(*arguments: Any) -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(module, attribute, ())
            return list(without(*arguments))

    monkeypatch.setattr(pruned_config, "stored_config_edits", ignorant)
    if module is pruned_config:
        monkeypatch.setattr(module, attribute, ())
    with pytest.raises(ModelError, match=f"stock transformers: .*{reason}"):
        export(spec, combination, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = saved("llama", tmp_path / "source")

    def fill_disk(self: Any, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedModel, "save_pretrained", fill_disk)
        with pytest.raises(OSError, match="No space left"):
            export(spec, Combination.of((2,)), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    # What a killed export left behind does not harm the next one.
    (tmp_path / ".out.tmp").mkdir()
    (tmp_path / ".out.tmp/model-00001-of-00002.safetensors").write_bytes(b"half")
    export(spec, Combination.of((2,)), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "blocksieve.json",
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    with pytest.raises(ModelError, match="exists already"):
        export(spec, Combination.of((3,)), tmp_path / "out")


@pytest.mark.long
def test_a_killed_export_leaves_no_folder(tmp_path: Path) -> None:
    saved("llama", tmp_path / "source")
    code = """
import os, signal, sys
from pathlib import Path
from transformers import PreTrainedModel
from blocksieve.combination import Combination
from blocksieve.models.export import export
from test_export import spec_of

def die(self, folder):
    (folder / "model.safetensors").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

PreTrainedModel.save_pretrained = die
folder = Path(sys.argv[1])
export(spec_of("llama", folder / "source"), Combination.of((2,)), folder / "out")
"""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"source", ".out.tmp"}
    export(spec_of("llama", tmp_path / "source"), Combination.of((2,)), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"source", "out"}


def test_all_files_but_config_and_weights_are_the_sources_byte_for_byte(tmp_path: Path) -> None:
    source = tmp_path / "source"
    spec, _ = saved("llama", source)
    contents = {
        "tokenizer.json": b'{"version":  "1.0"}',
        "vocab.txt": "a\nü\r\n".encode(),
        "chat_template.jinja": b"{{ messages }}\n",
        "generation_config.json": b'{"eos_token_id":  2, "max_length": 99}',
        "tokenizer_config.json": b'{"auto_map": {"AutoTokenizer": ["mine.Mine", null]}}',
        "mine.py": b"# code\n",
        "parts/processor_config.json": b"{}",
    }
    for name, content in contents.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(content)
    (source / "original").mkdir()
    (source / "original/params.json").write_text("{}")
    record = export(spec, Combination.of((0, 3)), tmp_path / "out")
    for name, content in contents.items():
        assert (tmp_path / "out" / name).read_bytes() == content
    assert record["copied"] == sorted(contents)
    assert record["code"] == ["mine.py"]
    assert record["kept"] == [1, 2, 4, 5]
    assert json.loads((tmp_path / "out/blocksieve.json").read_text()) == record
    assert not (tmp_path / "out/original").exists()
    # Without a config that names it, code is not the checkpoint's.
    for name in ("generation_config.json", "tokenizer_config.json"):
        (source / name).unlink()
    export(spec, Combination.of((0,)), tmp_path / "plain")
    assert not (tmp_path / "plain/generation_config.json").exists()
    assert not (tmp_path / "plain/mine.py").exists()


def test_a_models_description_says_which_blocks_cannot_be_exported(tmp_path: Path) -> None:
    periodic, _ = saved("jamba", tmp_path / "jamba")
    reasons = describe_model(periodic)["not_exportable"]
    assert reasons.keys() == {"0", "1", "2", "3", "4"}
    assert "would be of class Jamba" in reasons["2"]
    plain, _ = saved("llama", tmp_path / "llama")
    assert describe_model(plain)["not_exportable"] == {}


def test_a_search_may_be_told_to_consider_exportable_blocks_only(tmp_path: Path) -> None:
    periodic, _ = saved("jamba", tmp_path / "jamba")
    description = describe_model(periodic)
    assert sites_to_search(description, exportable=False) == block_sites(6)
    sites = sites_to_search(description, exportable=True)
    assert [str(site) for site in sites] == ["5"]
    plan = propose_all(sites, 1)
    assert [str(each) for each in plan.part(0, 1)] == ["5"]


@pytest.mark.parametrize("name", MECHANISMS)
def test_trying_equal_blocks_once_gives_the_reasons_of_trying_all(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = saved(name, tmp_path / "source")
    empty = empty_model(spec)
    expected = {}
    for block in range(zoo.BLOCKS):
        combination = Combination.of((block,))
        expected[combination] = why_not_exportable(spec, empty, combination)
    tried = []

    def why(model: ModelSpec, empty: Any, combination: Combination) -> str | None:
        tried.append(combination)
        return expected[combination]

    monkeypatch.setattr(describe, "why_not_exportable", why)
    assert describe._reasons(spec, empty, find_blocks(empty)) == expected
    if name == "llava":
        assert tried == [Combination.of((0,))]
