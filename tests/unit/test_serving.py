"""One set of weights, a list per request: answers as an export's, in order, by several threads."""

import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml
import zoo
from PIL import Image
from test_conformance import load
from transformers import AutoModelForImageTextToText, AutoProcessor

from blocksieve import serving
from blocksieve.combination import Combination
from blocksieve.datasets.demo.source import read
from blocksieve.datasets.table import SCHEMA, to_row
from blocksieve.errors import DataError
from blocksieve.models.export import export
from blocksieve.models.loading import LoadedModel
from blocksieve.routing import Router
from blocksieve.routing.fitting import fit_router
from blocksieve.routing.prompts import prompts_of
from blocksieve.serving import PrunedModels, RoutedAnswer
from blocksieve.specs import DatasetSpec, ModelSpec

ROOT = Path(__file__).parents[2]

DATASETS = ("demo_vqa", "demo_caption", "demo_tally_qa", "demo_doc_qa")
GENERIC = ((4,), (4, 13))
BY_TASK = {"VQA": ((7,), (2, 9)), "Captioning": ((1,), (1, 15)), "Exact Match": ((12,), (5, 6))}
TOKENS = 12


@pytest.fixture(scope="module")
def definitions() -> dict[str, DatasetSpec]:
    files = {dataset: ROOT / f"config/datasets/{dataset}.yaml" for dataset in DATASETS}
    return {
        dataset: DatasetSpec(**yaml.safe_load(file.read_text())) for dataset, file in files.items()
    }


@pytest.fixture(scope="module")
def samples(definitions: dict[str, DatasetSpec]) -> dict[str, pl.DataFrame]:
    tables = {}
    for dataset, definition in definitions.items():
        first = islice(read(definition.source, "validation"), 24)
        rows = [to_row("search", sample) for sample in first]
        tables[dataset] = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return tables


@pytest.fixture(scope="module")
def router(samples: dict[str, pl.DataFrame], definitions: dict[str, DatasetSpec]) -> Router:
    fitted, _ = fit_router(prompts_of(samples, definitions), GENERIC, BY_TASK)
    # Every detection counts as sure: which one is right does not matter here.
    return replace(fitted, threshold=0.0)


@pytest.fixture(scope="module")
def models(demo_model: LoadedModel, router: Router) -> PrunedModels:
    return PrunedModels(demo_model, router)


@pytest.fixture(scope="module")
def requests(samples: dict[str, pl.DataFrame]) -> tuple[list[str], list[list[bytes]]]:
    """Some prompts of each dataset, in turn, so that neighbours mostly differ in their list."""
    rows = [table.row(place, named=True) for place in range(2) for table in samples.values()]
    return [row["question"] for row in rows], [row["images"] for row in rows]


def contents(answers: list[RoutedAnswer]) -> list[tuple[str, list[int]]]:
    return [(answer.text, answer.tokens) for answer in answers]


def test_answers_are_those_of_the_exported_models_in_the_order_of_the_prompts(
    models: PrunedModels,
    requests: tuple[list[str], list[list[bytes]]],
    demo_model_config: ModelSpec,
    tmp_path: Path,
) -> None:
    answers = models.generate(*requests, size=2, max_new_tokens=TOKENS)
    lists = {Combination.of(answer.route.blocks) for answer in answers}
    assert {Combination.of(by_size[1]) for by_size in BY_TASK.values()} <= lists
    assert len(lists) == 4
    stock = {}
    for combination in lists:
        export(demo_model_config, combination, tmp_path / str(combination))
        stock[combination] = AutoModelForImageTextToText.from_pretrained(
            tmp_path / str(combination)
        ).eval()
    processor = AutoProcessor.from_pretrained(demo_model_config.path)
    for prompt, pictures, answer in zip(*requests, answers, strict=True):
        parts = [{"type": "image"}, {"type": "text", "text": prompt}]
        text = processor.apply_chat_template(
            [{"role": "user", "content": parts}], add_generation_prompt=True
        )
        picture = Image.open(io.BytesIO(pictures[0]))
        inputs = processor(images=picture, text=text, return_tensors="pt")
        model = stock[Combination.of(answer.route.blocks)]
        tokens = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        expected = tokens[0, inputs["input_ids"].shape[1] :].tolist()
        assert answer.tokens == expected
        assert answer.text == processor.decode(expected, skip_special_tokens=True).strip()


def test_lists_share_all_tensors(models: PrunedModels, demo_model: LoadedModel) -> None:
    own = {tensor.data_ptr() for tensor in demo_model.model.state_dict().values()}
    own |= {buffer.data_ptr() for buffer in demo_model.model.buffers()}
    for combination in (Combination.of((4, 13)), Combination.of((2, 9))):
        pruned = models.without(combination).model
        assert len(models.without(combination).blocks.blocks) == 14
        tensors = [*pruned.parameters(), *pruned.buffers()]
        assert {tensor.data_ptr() for tensor in tensors} < own
        assert models.without(combination).model is pruned
    assert len(demo_model.blocks.blocks) == 16


def test_threads_with_different_lists_get_the_answers_of_one_after_the_other(
    demo_model: LoadedModel, router: Router, requests: tuple[list[str], list[list[bytes]]]
) -> None:
    prompts, images = requests
    # New ones, so that the threads also make the lists.
    models = PrunedModels(demo_model, router)
    # Each dataset's prompts come at both sizes.
    sizes = [1 + place // 4 % 2 for place in range(len(prompts))]
    start = threading.Barrier(len(prompts))

    def ask(place: int) -> RoutedAnswer:
        start.wait()
        return models.generate([prompts[place]], [images[place]], sizes[place], TOKENS)[0]

    with ThreadPoolExecutor(len(prompts)) as threads:
        answers = list(threads.map(ask, range(len(prompts))))
    serial = PrunedModels(demo_model, router)
    for place, answer in enumerate(answers):
        one = serial.generate([prompts[place]], [images[place]], sizes[place], TOKENS)
        assert contents(one) == contents([answer])
        assert one[0].route == answer.route
    assert len({answer.route.blocks for answer in answers}) == 8


def test_prompts_with_and_without_pictures_are_answered_together(
    models: PrunedModels, requests: tuple[list[str], list[list[bytes]]]
) -> None:
    prompt, pictures = requests[0][0], requests[1][0]
    mixed = models.generate([prompt, prompt, prompt], [[], pictures, []], 1, TOKENS)
    alone = [models.generate([prompt], [part], 1, TOKENS)[0] for part in ([], pictures, [])]
    assert contents(mixed) == contents(alone)
    assert models.generate([], [], 1) == []
    assert contents(models.generate([prompt], max_new_tokens=TOKENS)) == contents(mixed[:1])


def test_what_cannot_be_answered_is_said(
    models: PrunedModels, requests: tuple[list[str], list[list[bytes]]]
) -> None:
    with pytest.raises(DataError, match="2 prompts, but pictures for 1"):
        models.generate(["a", "b"], [[]])
    with pytest.raises(DataError, match="no list of 3 blocks"):
        models.generate(["a"], [[]], size=3)


def test_the_readmes_example_answers(
    router: Router,
    samples: dict[str, pl.DataFrame],
    demo_model_config: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (example,) = [block for block in blocks if "PrunedModels" in block]
    results = tmp_path / "results/demo"
    results.mkdir(parents=True)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config |= {"model": asdict(demo_model_config), "datasets": {}}
    (results / "config.yaml").write_text(yaml.safe_dump(config))
    (results / "model.json").write_text(json.dumps({"commit": None, "dtype": "float32"}))
    router.save(results / "router.json")
    (tmp_path / "sign.png").write_bytes(samples["demo_vqa"]["images"][0][0])
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "calls"),
    [("llama:longrope", [4, 1, 1, 1, 1]), ("llama", [4, 1])],  # the last 1 checks the model once
)
def test_a_model_that_padding_changes_answers_one_by_one(
    monkeypatch: pytest.MonkeyPatch, router: Router, name: str, calls: list[int]
) -> None:
    """As the evaluation did: what it measured are answers to a prompt alone."""
    generator = torch.Generator().manual_seed(3)
    prompts = {
        f"{length} tokens": torch.randint(20, 160, (length,), generator=generator).tolist()
        for length in (8, 10, 12, 34)
    }
    rows_of_calls = []

    def padded(loaded: LoadedModel, rows: list[dict], prompt: str) -> dict[str, torch.Tensor]:
        tokens = [prompts[row["question"]] for row in rows]
        width = max(map(len, tokens))
        rows_of_calls.append(len(rows))
        ids = [[0] * (width - len(each)) + each for each in tokens]
        mask = [[0] * (width - len(each)) + [1] * len(each) for each in tokens]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}

    monkeypatch.setattr(serving, "make_inputs", padded)
    for_all = replace(router, generic=((2,),), threshold=None)
    models = PrunedModels(load(zoo.make_model(name)), for_all)
    alone = [models.generate([prompt], max_new_tokens=12)[0].tokens for prompt in prompts]
    rows_of_calls.clear()
    together = models.generate(list(prompts), max_new_tokens=12)
    assert [answer.tokens for answer in together] == alone
    assert rows_of_calls == calls
