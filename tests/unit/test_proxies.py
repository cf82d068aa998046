"""Proxies of blocks: against a plain computation, against a removed block, and their tables."""

from pathlib import Path

import polars as pl
import pytest
import torch
import zoo
from planted import planted_evaluations, planted_evidence
from scipy.stats import spearmanr
from test_conformance import load
from torch.nn.functional import cosine_similarity, kl_div, log_softmax

from blocksieve.analysis import proxies as analysis
from blocksieve.combination import Combination
from blocksieve.engine.generation import prepare, run_prompts
from blocksieve.engine.inputs import make_inputs, sample_rows
from blocksieve.engine.proxies import BlockProxies, block_proxies, proxies_of_batch
from blocksieve.figures import proxies as figure
from blocksieve.models.loading import LoadedModel
from blocksieve.models.view import view
from blocksieve.proxies import SCHEMA, mean_proxies
from blocksieve.report import proxies as report
from blocksieve.search.measure_proxies import measure_proxies

# Any tokens will do for answers: the pass reads them, whoever gave them.
ANSWERS = [[17, 33, 2], [41], [9, 9, 25, 60, 2], [52, 2]]
LAST = 15


@pytest.fixture(scope="module")
def drawn(demo_samples):
    samples, definition = demo_samples("demo_vqa", len(ANSWERS))
    return samples, definition.prompt


@pytest.fixture(scope="module")
def proxies(demo_model: LoadedModel, drawn) -> list[BlockProxies]:
    samples, prompt = drawn
    return block_proxies(demo_model, sample_rows(samples), prompt, ANSWERS, largest_batch=3)


def inputs_of(loaded: LoadedModel, drawn, row: int) -> tuple[dict[str, torch.Tensor], int]:
    """Return one sample's prompt with its answer behind it, and how many tokens the prompt has."""
    samples, prompt = drawn
    inputs = make_inputs(loaded, sample_rows(samples)[row : row + 1], prompt)
    prompt_length = inputs["input_ids"].shape[1]
    answer = torch.tensor([ANSWERS[row][:-1]], dtype=torch.long)
    inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return inputs, prompt_length


def divergence(whole: torch.Tensor, other: torch.Tensor) -> float:
    """Return the mean over tokens of KL(whole || other) from logits (tokens, vocabulary)."""
    log_p, log_q = log_softmax(whole, -1), log_softmax(other, -1)
    return float(kl_div(log_q, log_p, reduction="batchmean", log_target=True))


@pytest.mark.parametrize("row", range(len(ANSWERS)))
@torch.no_grad()
def test_proxies_are_those_of_a_plain_pass_over_one_sample(
    demo_model: LoadedModel, drawn, proxies: list[BlockProxies], row: int
) -> None:
    inputs, prompt_length = inputs_of(demo_model, drawn, row)
    model, owner = demo_model.model, demo_model.blocks.owner
    into_norm: list[torch.Tensor] = []
    hook = owner.norm.register_forward_pre_hook(lambda _, inputs: into_norm.append(inputs[0]))
    outputs = model(**inputs, output_hidden_states=True)
    hook.remove()
    # The last of the hidden states has gone through the norm.
    states = [*outputs.hidden_states[:-1], into_norm[0]]
    first = prompt_length - 1
    whole = outputs.logits[0, first:]
    assert len(whole) == len(ANSWERS[row])
    for block in range(LAST + 1):
        before, after = states[block][0], states[block + 1][0]
        influence = float((1 - cosine_similarity(before, after, dim=-1)).mean())
        assert proxies[row].cosine[block] == pytest.approx(influence, abs=1e-5)
        without = model.lm_head(owner.norm(states[-1][0] - (after - before)))
        expected = divergence(whole, without[first:])
        assert proxies[row].kl[block] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert max(proxies[row].kl) > 1e-4


@pytest.mark.parametrize("row", [0, 2])
@torch.no_grad()
def test_kl_of_the_last_block_is_that_of_removing_it(
    demo_model: LoadedModel, drawn, proxies: list[BlockProxies], row: int
) -> None:
    inputs, prompt_length = inputs_of(demo_model, drawn, row)
    whole = demo_model.model(**inputs).logits[0, prompt_length - 1 :]
    with view(demo_model.model, demo_model.blocks, Combination.of([LAST])):
        without = demo_model.model(**inputs).logits[0, prompt_length - 1 :]
    expected = divergence(whole, without)
    assert proxies[row].kl[LAST] == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["qwen2_vl", "gemma3", "paligemma", "mllama", "qwen3_next"])
@torch.no_grad()
def test_other_types_of_models_are_read_as_well(name: str) -> None:
    loaded = load(zoo.make_model(name))
    inputs = zoo.make_inputs(name, loaded.model)
    last = len(loaded.blocks.blocks) - 1
    whole = run_prompts(prepare(loaded.model, inputs, 1)).logits[:, -1]
    with view(loaded.model, loaded.blocks, Combination.of([last])):
        without = run_prompts(prepare(loaded.model, inputs, 1)).logits[:, -1]
    of_rows = proxies_of_batch(loaded, inputs, [[7], [9, 3, 2], [8, 5]])
    expected = divergence(whole[:1], without[:1])
    assert of_rows[0].kl[last] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    for proxies in of_rows:
        assert all(0 < number < 2 for number in proxies.cosine)
        assert all(number > 0 for number in proxies.kl)


def test_a_table_has_a_row_per_block_and_sample(
    demo_model: LoadedModel, drawn, proxies: list[BlockProxies], tmp_path: Path
) -> None:
    samples, prompt = drawn
    tokens = pl.DataFrame({"sample_id": samples["sample_id"], "tokens": ANSWERS})
    table = measure_proxies(demo_model, "vqa", samples, tokens, prompt, batch_size=3)
    assert table.schema == pl.Schema(SCHEMA)
    assert len(table) == (LAST + 1) * len(ANSWERS)
    of_block = table.filter(site="3")
    assert of_block["sample_id"].to_list() == samples["sample_id"].to_list()
    assert of_block["kl"].to_list() == [each.kl[3] for each in proxies]
    # What is not finite is null, and does not count.
    is_first = (pl.col("sample_id") == samples["sample_id"][0]) & (pl.col("site") == "3")
    table = table.with_columns(kl=pl.when(~is_first).then("kl"))
    table.write_parquet(tmp_path / "vqa.parquet")
    means = mean_proxies([tmp_path / "vqa.parquet"])
    assert means["n"].to_list() == [3 if site == "3" else 4 for site in means["site"]]
    expected = sum(each.cosine[3] for each in proxies[1:]) / 3
    assert means.filter(site="3")["cosine"].item() == pytest.approx(expected)


def test_a_model_that_cannot_be_read_has_no_rows_and_the_log_says_why(
    demo_model: LoadedModel, drawn, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    samples, prompt = drawn
    tokens = pl.DataFrame({"sample_id": samples["sample_id"], "tokens": ANSWERS})
    block = demo_model.blocks.blocks[4]
    forward = block.forward
    # It gives back half of what it is given.
    monkeypatch.setattr(block, "forward", lambda *args, **kwargs: forward(*args, **kwargs)[:, 1:])
    table = measure_proxies(demo_model, "vqa", samples, tokens, prompt, batch_size="auto")
    assert table.is_empty()
    assert table.schema == pl.Schema(SCHEMA)
    assert (
        "vqa: no proxies, since the pass fails: UnsupportedError: its blocks are no" in caplog.text
    )


def planted_table(scale: str = "relative") -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the means of proxies and their analysis: cosine is in the drops' order on `a`."""
    drops = {
        "a": {(block,): cost for block, cost in enumerate((0.2, 0.0, 0.1, 0.05, 0.02))},
        "b": {(block,): cost for block, cost in enumerate((0.0, 0.1, 0.02, 0.0, 0.3))},
    }
    drops["a"][(0, 1)] = 0.4
    evaluations = planted_evaluations(drops, dict.fromkeys(drops, 0.5))
    rows = []
    for dataset, of_dataset in drops.items():
        for number, blocks in enumerate(of_dataset):
            if len(blocks) == 1:
                cosine = 0.1 + of_dataset[blocks] if dataset == "a" else 0.1 * number
                rows.append((dataset, str(blocks[0]), cosine, 1.0 / (1 + number), 30))
    schema = ["dataset", "site", "cosine", "kl", "n"]
    means = pl.DataFrame(rows, schema=schema, orient="row")
    return means, analysis.analyse(planted_evidence(evaluations, scale), proxies=means)


def test_the_order_of_a_proxy_is_compared_with_that_of_the_drops() -> None:
    means, table = planted_table()
    assert table.schema == pl.Schema(analysis.SCHEMA)
    assert len(table) == 2 * 2 * 5
    of_a = table.filter(dataset="a", proxy="cosine")
    assert of_a["spearman"].to_list() == pytest.approx([1.0] * 5)
    assert of_a["spearman_low"].null_count() == 5  # no interval at 1
    of_b = table.filter(dataset="b", proxy="kl")
    assert of_b["drop"].to_list() == pytest.approx([0, 20, 4, 0, 60])
    kl = means.filter(dataset="b")["kl"]
    expected = spearmanr(kl, [0, 20, 4, 0, 60]).statistic
    assert of_b["spearman"][0] == pytest.approx(expected)
    assert of_b["spearman_low"][0] < expected < of_b["spearman_high"][0]
    assert of_b["value"].to_list() == kl.to_list()
    assert set(table["n"]) == {30}


def test_the_section_says_how_far_the_orders_agree() -> None:
    _, table = planted_table()
    (section,) = report.sections(table, "%")
    first, *_ = section.notes
    assert first.startswith("cosine orders the blocks like their measured drops, beyond its")
    assert "on 0 of 2 datasets" in first
    assert len(section.rows) == 4
    shown = table.with_columns(spearman_low=pl.lit(0.1))
    assert "on 2 of 2 datasets" in report.sections(shown, "%")[0].notes[0]
    equal = table.with_columns(spearman=pl.lit(None, pl.Float64))
    assert report.sections(equal, "%")[0].notes == [report.MEANINGS]


def test_the_figure_has_a_circle_per_block_and_dataset_in_a_panel_per_proxy() -> None:
    _, table = planted_table()
    spec = figure.draw(table, "relative").to_dict()
    panels = spec["concat"]
    assert [each["title"]["text"].partition(":")[0] for each in panels[:2]] == ["cosine", "kl"]
    for scatter in panels[:2]:
        circles = scatter["layer"][1]
        points = spec["datasets"][circles["data"]["name"]]
        assert len(points) == 10
        assert all(point["place"] > 0 for point in points)
        said = [tip["title"] for tip in circles["encoding"]["tooltip"]]
        assert "95 % interval" in said
    flat = table.with_columns(spearman=pl.lit(None, pl.Float64), value=pl.lit(0.0))
    assert "All drops or all proxies" in figure.draw(flat, "points").to_json()


def test_a_table_from_elsewhere_has_no_proxies() -> None:
    evaluations = planted_evaluations({"a": {(0,): 0.1, (1,): 0.2}}, {"a": 0.5})
    table = analysis.analyse(planted_evidence(evaluations))
    assert table.is_empty()
    assert report.sections(table, "%") == []
    assert "No whole block was removed alone" in figure.draw(table, "relative").to_json()
