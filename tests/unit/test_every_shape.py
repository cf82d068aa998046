"""Every analysis, figure and the report, on runs of any shape: nothing crashes or is just empty."""

import importlib
import json
import re

import numpy as np
import polars as pl
import pytest
from planted import all_analyses, planted_evaluations, planted_evidence

from blocksieve.analysis import ANALYSES, FIGURES
from blocksieve.figures.export import save_chart
from blocksieve.figures.parts import named
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import as_markdown, as_text


def planted(
    datasets: int, blocks: int, sizes: int = 3, types: int = 6, seed: int = 0
) -> pl.DataFrame:
    """Return random drops of every window of blocks; a part of the datasets has some more."""
    rng = np.random.default_rng(seed)
    weights = rng.gamma(0.5, 0.05, blocks)
    windows = []
    for size in range(1, sizes + 1):
        windows += [tuple(range(first, first + size)) for first in range(blocks - size + 1)]
    drops = {}
    for number in range(datasets):
        dataset_drops = {}
        for window in windows:
            cost = sum(weights[block] for block in window)
            dataset_drops[window] = cost * rng.uniform(0.5, 2) + rng.normal(0, 0.01)
        drops[f"dataset_{number}"] = dataset_drops
    for number, dataset_drops in enumerate(drops.values()):
        dataset_drops[(number % blocks // 2, blocks - 1)] = 0.1
    evaluations = planted_evaluations(drops, dict.fromkeys(drops, 0.8))
    names = {f"dataset_{number}": f"type {number % types}" for number in range(datasets)}
    return evaluations.with_columns(task_type=pl.col("dataset").replace_strict(names))


ONE_SIZE = planted(2, 4, sizes=1)
SHAPES = {
    "two datasets of six blocks": planted(2, 6),
    "twenty datasets of eighty blocks": planted(20, 80),
    "one task type": planted(4, 16, types=1),
    "one dataset": planted(1, 16),
    "no pair": ONE_SIZE.filter(pl.col("size") < 2),
    "all drops zero": planted(3, 8).with_columns(
        **dict.fromkeys(("drop", "se", "ci_low", "ci_high", "relative", "relative_se"), pl.lit(0.0))
    ),
    "three samples": planted(3, 8).with_columns(
        n=pl.lit(3, pl.UInt32), n_clusters=pl.lit(3, pl.UInt32)
    ),
    "one cluster": planted(2, 8).with_columns(
        n_clusters=pl.lit(1, pl.UInt32),
        **dict.fromkeys(("se", "ci_low", "ci_high", "relative_se"), pl.lit(None, pl.Float64)),
    ),
    "a missing combination": planted(3, 8).filter(
        ~((pl.col("dataset") == "dataset_1") & (pl.col("combination") == "3"))
    ),
    "nothing on every dataset": planted(2, 8).filter(
        (pl.col("size") == 0)
        | ((pl.col("dataset") == "dataset_0") == (pl.col("removed").list.first() < 4))
    ),
    "one combination": planted_evaluations(
        {"a": {(3,): 0.1}, "b": {(3,): 0.2}}, {"a": 0.5, "b": 0.5}
    ),
    "the baseline only": planted_evaluations({}, {"a": 0.5, "b": 0.5}),
}


ON_BOTH_SCALES = ("two datasets of six blocks", "a missing combination", "all drops zero")
SHAPES_AND_SCALES = [(shape, "relative") for shape in SHAPES]
SHAPES_AND_SCALES += [(shape, "points") for shape in ON_BOTH_SCALES]


@pytest.mark.parametrize(("shape", "scale"), SHAPES_AND_SCALES)
def test_every_figure_and_the_report_can_be_made(shape, scale):
    evidence = planted_evidence(SHAPES[shape], scale)
    tables = all_analyses(evidence)
    for name in FIGURES:
        figure = importlib.import_module(f"blocksieve.figures.{name}")
        on_search_samples = ANALYSES[name].on_search_samples
        chart = figure.draw(tables[name], scale)
        chart = named(chart, "some-vlm", "trial", "block", on_search_samples)
        spec = chart.to_dict()
        whose = "some-vlm, run trial"
        if on_search_samples:
            whose += ", on search samples"
        assert spec["title"]["subtitle"][0] == whose
        assert spec["config"]["mark"]["tooltip"] == {"content": "data"}
        text = json.dumps(spec)
        assert "mark" in text
        assert "NaN" not in text, name
    sections = compose(SHAPES[shape], tables, RunFacts(scale=scale))
    for written in (as_text(TITLE, sections), as_markdown(TITLE, sections)):
        assert "nan" not in written.replace("Finan", "")
        assert "None" not in written


@pytest.fixture(scope="module")
def tables():
    return all_analyses(planted_evidence(SHAPES["two datasets of six blocks"]))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_the_same_each_time(tables, name):
    figure = importlib.import_module(f"blocksieve.figures.{name}")
    assert len({figure.draw(tables[name], "relative").to_json() for _ in range(10)}) == 1


# Counts and shares, which have none.
WITHOUT_INTERVALS = {"drop_distributions", "power", "routing", "search_tree", "stability"}
# Not of these datasets, which have one source split.
WITHOUT_INTERVALS.add("split_agreement")
# Not of these evaluations, which come without a model.
WITHOUT_INTERVALS.add("proxies")
# Not of these evaluations, in which whole blocks are removed.
WITHOUT_INTERVALS.add("halves")


# Of these evaluations they say only why they show nothing.
EMPTY = {"halves", "proxies", "routing", "search_tree", "stability"}


@pytest.mark.parametrize("name", sorted(set(FIGURES) - EMPTY))
def test_every_figure_says_on_which_samples(name, tables):
    """Those that chose, or those that did not: drops on the former look too small."""
    chart = importlib.import_module(f"blocksieve.figures.{name}").draw(tables[name], "relative")
    chart = named(chart, "some-vlm", "trial", "block", ANALYSES[name].on_search_samples)
    subtitle = " ".join(chart.to_dict()["title"]["subtitle"])
    assert re.search("(search|holdout) samples|samples that did not choose", subtitle)


@pytest.mark.parametrize("name", sorted(set(FIGURES) - WITHOUT_INTERVALS))
def test_marks_say_their_interval_when_they_are_pointed_at(name, tables):
    figure = importlib.import_module(f"blocksieve.figures.{name}")
    text = figure.draw(tables[name], "relative").to_json(indent=None)
    tips = re.findall(r'"tooltip": (\[\{.*?\}\])', text)
    assert any("95 % interval" in tip for tip in tips)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_become_files_that_repeat(name, tables, tmp_path):
    table = tables[name]
    draw = importlib.import_module(f"blocksieve.figures.{name}").draw
    for copy in ("one", "two"):
        paths = [tmp_path / f"{copy}.{kind}" for kind in ("png", "svg", "json")]
        save_chart(draw(table, "relative"), *paths)
    for kind in ("png", "json"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()
    # The renderer numbers the colour scales and clips of a process.
    drawings = []
    for copy in ("one", "two"):
        drawing = (tmp_path / f"{copy}.svg").read_text()
        drawings.append(re.sub(r"(gradient_|clip)\d+", "", drawing))
    first, second = drawings
    assert first == second
    assert "viewBox" in first


def test_report_repeats_and_says_only_what_holds():
    drops = {(block,): 0.001 * (-1) ** block for block in range(6)} | {(0, 1): 0.001}
    noise = planted_evaluations({"a": drops, "b": drops}, {"a": 0.8, "b": 0.8}, se=0.02)
    evidence = planted_evidence(noise)
    facts = RunFacts(scale="relative")
    text = as_text(TITLE, compose(noise, all_analyses(evidence), facts))
    assert text == as_text(TITLE, compose(noise, all_analyses(planted_evidence(noise)), facts))
    findings = " ".join(text.split("Key findings")[1].split("Recommendations")[0].split())
    assert "No task type is shown to lose more" in findings
    assert "No interaction between blocks is shown" in findings
    assert "most important" not in findings
    assert "cost more than" not in findings
