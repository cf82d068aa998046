"""The model card of an export: what it must say, and what it must not claim."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from blocksieve.deployment.card import CardFacts, card, source_licence
from blocksieve.deployment.healed_card import HealedFacts, healed_card
from blocksieve.specs import ModelSpec

RECORD: Any = {
    "source": "maker/model-7b",
    "revision": "abc123",
    "source_fingerprint": "f00d",
    "removed": "2-5",
    "kept": [0, 1, 3, 4],
    "architecture": "LlavaForConditionalGeneration",
    "dtype": "bfloat16",
    "parameters": 5_000_000,
    "zeros": 0,
    "code": [],
    "versions": {"blocksieve": "1", "torch": "2", "transformers": "5"},
}
PROOF: Any = {"samples": 40, "equal": 38, "near_ties": 2, "role": "holdout"}


def timing(milliseconds: float, share: float) -> dict[str, dict[str, float]]:
    ends = {"median": milliseconds / 1000, "low": 0.001, "high": 0.9}
    return {"seconds": ends, "of_whole": {"median": share, "low": share - 0.1, "high": share + 0.1}}


def model_gain(combination: str, share: float) -> dict[str, Any]:
    at_batch = {
        "batch_size": 1,
        "repeats": 20,
        "first_token": timing(40 * share, share),
        "further_token": timing(20 * share, share),
        "peak_bytes": int(30e6 * share),
    }
    return {
        "combination": combination,
        "parameters": int(10e6 * share),
        "bytes": int(20e6 * share),
        "at_batch": [at_batch],
        "skipping": [],
        "cache_bytes_per_token": 6000 * share,
        "holdout": {"drop": 1.5, "low": 0.5, "high": 2.5} if share < 1 else None,
    }


GAIN: Any = {
    "unit": "%",
    "models": [model_gain("none", 1.0), model_gain("2-5", 0.5)],
    "conditions": {
        "device": "cuda",
        "device_name": "NVIDIA X",
        "dtype": "bfloat16",
        "attention": "sdpa",
        "threads": 4,
        "role": "holdout",
        "prompt_tokens": {"least": 20, "median": 30, "greatest": 50},
        "answer_tokens": {"least": 6, "median": 6, "greatest": 6},
        "peak": "weights and work",
        "versions": {"torch": "2"},
    },
}
LOSSES = pl.DataFrame(
    {
        "dataset": ["signs"],
        "task_type": ["VQA"],
        "role": ["verify"],
        "baseline": [0.8],
        "score": [0.78],
        "drop": [0.02],
        "ci_low": [-0.01],
        "ci_high": [0.05],
        "n": [96],
    }
)


@pytest.fixture
def facts(demo_model_config: ModelSpec) -> CardFacts:
    return CardFacts(demo_model_config, RECORD, "mit", PROOF, "study", LOSSES, GAIN)


def header_of(text: str) -> Any:
    return yaml.safe_load(text.split("---\n")[1])


def test_a_card_says_where_from_what_lost_what_gained_and_how(facts: CardFacts) -> None:
    text = card(facts)
    assert header_of(text) == {
        "base_model": "maker/model-7b",
        "library_name": "transformers",
        "license": "mit",
        "pipeline_tag": "image-text-to-text",
        "tags": ["blocksieve", "depth-pruning", "pruned"],
    }
    assert "# model-7b without 2 of its 6 decoder blocks" in text
    assert "(100 times the metric), on samples that were never used" in text
    assert "| signs | VQA | 80.0 | 78.0 | +2.0 | -1.0 to 5.0 | 96 verify |" in text
    assert (
        "On average over the datasets, as the run counts and weighs them, on holdout samples:"
        " +1.50 %, 95 % interval +0.50 to +2.50." in text
    )
    assert "| parameters, million | 10.0 | 5.0 | 50.0 % |" in text
    first_token = "40.0 (1.0 to 900.0) | 20.0 (1.0 to 900.0) | 50 % (40 to 60)"
    assert f"| first token, 1 prompt, ms | {first_token} |" in text
    assert "| keys and values per token, kB | 6.0 | 3.0 | 50.0 % |" in text
    assert "NVIDIA X (cuda)" in text
    assert "answered 40 holdout samples: 38 token for token" in text
    assert "blocksieve export study --list 2-5 --out FOLDER" in text
    assert "vllm serve FOLDER\n" in text
    assert "trust_remote_code" not in text
    assert card(facts) == text


def test_a_card_tells_zeros_from_what_is_gone_and_both_times(facts: CardFacts) -> None:
    record = facts.record | {"removed": "2-4a-5a", "zeros": 1_500_000}
    gain = copy.deepcopy(facts.gain)
    gain["models"][1] |= {"combination": "2-4a-5a", "skipping": model_gain("", 0.25)["at_batch"]}
    text = card(replace(facts, record=record, gain=gain))
    assert "without 1 of its 5 decoder blocks, 2 token mixers, 0 channel mixers" in text
    assert "1.5 million of them are zeros" in text
    assert "| further token, 1 prompt, ms | 20.0 (1.0 to 900.0) | 10.0" in text
    assert "| further token, 1 prompt, ms | 20.0 (1.0 to 900.0) | 5.0" in text
    assert "blocksieve.halves.apply(model)" in text
    assert "halves" not in card(facts)


def test_a_card_claims_nothing_that_is_not_known(facts: CardFacts) -> None:
    gain = GAIN | {"models": GAIN["models"][:1]}
    bare = replace(facts, licence=None, losses=LOSSES.clear(), gain=gain, proof=None)
    text = card(bare)
    assert header_of(text)["license"] == "unknown"
    assert "| licence | not stated by the source |" in text
    assert "Not measured on samples that were never used to choose." in text
    assert "Not measured: the run measures the best list of every size." in text
    assert "**Not proven**" in text
    assert "On average" not in text


def test_a_card_names_the_code_that_then_runs(facts: CardFacts) -> None:
    text = card(replace(facts, record=RECORD | {"code": ["modeling_mine.py"]}))
    assert 'from_pretrained("FOLDER", trust_remote_code=True)' in text
    assert "vllm serve FOLDER --trust-remote-code" in text
    assert "modeling_mine.py" in text


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# x", "apache-2.0"),
        ("---\ntags: [x]\n---\n", None),
        ("# no header\nlicense: mit\n", None),
        ("---\n: [\n---\n", None),
        ("---\njust text\n---\n", None),
    ],
)
def test_the_licence_is_what_the_sources_card_says(
    text: str, licence: str | None, tmp_path: Path
) -> None:
    assert source_licence(tmp_path) is None
    (tmp_path / "README.md").write_text(text)
    assert source_licence(tmp_path) == licence


def test_a_healed_checkpoint_says_that_it_was_trained_and_what_that_brought_back(
    demo_model_config: ModelSpec,
) -> None:
    healed = {
        "method": "lora",
        "steps": 400,
        "learning_rate": 0.002,
        "samples": {"signs": 300},
        "seed": 0,
        "trained_parameters": 1000,
    }
    row: Any = {"combination": "2-5", "size": 2, "n": 96}
    before = {"before": 41.8, "before_low": 38.4, "before_high": 45.2}
    after = {"after": 22.1, "after_low": 19.2, "after_high": None}
    rows = [{**row, "dataset": "signs", **before, **before, **after, "after_high": 25.0}]
    rows.append({**row, "dataset": None, **before, **after})
    text = healed_card(
        HealedFacts(
            model=demo_model_config,
            record={**RECORD, "healed": healed},
            licence=None,
            proof=PROOF,
            rows=rows,
            unit="%",
        )
    )
    assert "without 2 of its 6 decoder blocks, healed" in text
    assert "finetuned (lora, 400 steps, largest learning rate 0.002, seed 0)" in text
    assert "Nothing was trained" not in text
    assert "| signs | +41.8 (+38.4 to +45.2) | +22.1 (+19.2 to +25.0) | 96 |" in text
    assert "| mean | +41.8 (+38.4 to +45.2) | not known | 96 |" in text
    assert "| signs | 300 |" in text
