"""A causal language model and datasets without images are searched from a config alone."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
import yaml
from copies import Workflow
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from blocksieve.datasets.facts import TASKS, VALIDATION
from blocksieve.shards import metadata

CONFIG = {
    "run": "text",
    "model": {"kind": "text", "path": "models/tiny"},
    "datasets": ["arithmetic", "capitals"],
    "samples": {"search": 6, "holdout": 2},
    # Random weights: every baseline score is 0.
    "search": {"max_removed": 2, "beam_width": 1, "weak_baseline": "go_on"},
    "analysis": {"across_datasets": "points"},
}


def save_tiny_model(folder: Path) -> None:
    """A random Llama of four blocks that knows every word of the datasets."""
    phrases = ["Complete the sentence with one number :"]
    for task in ("arithmetic", "capitals"):
        for fact in TASKS[task](VALIDATION):
            phrases += [*fact.questions, *fact.ends]
    words = set(" ".join(phrases).split())
    vocabulary = ["[PAD]", "[UNK]", "[EOS]", *sorted(words)]
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", eos_token="[EOS]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        initializer_range=0.3,
        eos_token_id=2,
        pad_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def test_a_text_model_is_searched(make_workflow: Callable[[], Workflow]) -> None:
    workflow = make_workflow()
    save_tiny_model(workflow.folder / "models/tiny")
    (workflow.folder / "text.yaml").write_text(yaml.safe_dump(CONFIG))
    workflow.run("--configfile", "text.yaml")
    evaluations = pl.read_parquet(workflow.results("evaluations.parquet", "text"))
    assert set(evaluations.filter(size=1)["combination"]) == set("0123")
    assert evaluations["size"].max() == 2
    assert set(evaluations.filter(role="search")["n"]) == {6}
    shard = workflow.results("shards/arithmetic/single.0.parquet", "text")
    assert metadata(shard)["rung"] == "prefixes"
    assert pl.read_parquet(shard)["prediction"].n_unique() > 4
    report = workflow.results("report/comprehensive_report.txt", "text").read_text()
    assert "kinds 4 attention" in report
    times = workflow.results("report/times.md", "text").read_text()
    assert "of the plain loop's work" in times
    alone = workflow.export("1", "text")
    assert "answers are token for token those measured" in alone.stderr, alone.stderr
