"""The report: the numbers of the tables in it, aligned, for runs of any shape."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from planted import LIMITS, all_analyses, planted_evaluations, planted_evidence

from blocksieve import report as package
from blocksieve.analysis import ANALYSES, FIGURES, SECTIONS
from blocksieve.report.comprehensive_report import HALVES, TITLE, compose
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import Section, anchor, as_markdown, as_text

DROPS = {
    "vqa": {(0,): 0.25, (1,): 0.05, (2,): -0.01, (1, 2): 0.1, (1, 10): 0.02},
    "caption": {(0,): 0.6, (1,): 0.12, (2,): 0.0, (1, 2): 0.24},
}
EVALUATIONS = planted_evaluations(DROPS, {"vqa": 0.5, "caption": 1.2}, unbounded=["caption"])
CONFIG = {
    "run": "demo",
    "evaluations": None,
    "seed": 0,
    "analysis": {"across_datasets": "relative", "max_drop": asdict(LIMITS)},
    "model": {"path": "models/demo-vlm", "prompt": None},
    "samples": {"search": 100, "holdout": 100},
    "evaluation": {"engine": "shared"},
    "search": {"beam_width": 3, "max_size": 2},
    "datasets": {"vqa": {"task_type": "type 0", "metric": "vqa_accuracy"}},
}
DESCRIPTION = {"num_blocks": 3, "kinds": ["attention", "mamba", "attention"]}
FACTS = RunFacts.from_config(CONFIG, DESCRIPTION)


def sections(evaluations: pl.DataFrame = EVALUATIONS, facts: RunFacts = FACTS) -> list[Section]:
    results = all_analyses(planted_evidence(evaluations, facts.scale))
    return compose(evaluations, results, facts)


def report(evaluations: pl.DataFrame = EVALUATIONS, facts: RunFacts = FACTS) -> str:
    return as_text(TITLE, sections(evaluations, facts))


def line_with(text: str, *words: str) -> list[str]:
    """Return the words of the only line that begins with some words."""
    lines = [line.split() for line in text.splitlines()]
    (line,) = [line for line in lines if line[: len(words)] == list(words)]
    return line


def test_says_what_was_run_and_leaves_out_what_is_not_known():
    text = report()
    assert line_with(text, "model")[:3] == ["model", "path", "models/demo-vlm,"]
    assert "kinds 2 attention and 1 mamba" in text
    assert "prompt" not in text.split("What was run")[1].split("What the numbers mean")[0]
    assert line_with(text, "search", "beam_width") == [
        "search",
        "beam_width",
        "3,",
        "max_size",
        "2",
    ]
    without = report(facts=RunFacts(scale="relative"))
    assert "models/demo-vlm" not in without
    assert "What was run" not in without


def test_says_what_a_half_is_where_it_names_any():
    results = all_analyses(planted_evidence(EVALUATIONS, FACTS.scale))
    assert HALVES not in compose(EVALUATIONS, results, FACTS)[0].notes
    named = pl.col("combination").str.replace("^0$", "0a")
    halved = EVALUATIONS.with_columns(named)
    assert HALVES in compose(halved, results, FACTS)[0].notes


def test_the_first_lines_are_the_answer():
    can_tell, *strategies, page = sections()[0].notes
    assert "200 holdout samples of 2 datasets, a mean drop below" in can_tell
    assert "cannot be seen" in can_tell
    names = [sentence.split(":")[0] for sentence in strategies]
    assert names == ["Conservative", "Balanced", "Aggressive"]
    assert page.startswith("index.html, beside this report")
    first_lines = report().splitlines()[:15]
    assert first_lines[3] == "The answer"
    assert any(line.startswith("Aggressive: ") for line in first_lines)


def test_contents_link_to_headings_and_figures_are_shown():
    text = as_markdown(TITLE, sections())
    headings = {anchor(line[3:]) for line in text.splitlines() if line.startswith("## ")}
    links = re.findall(r"^- \[.*\]\(#(.*)\)$", text, re.M)
    assert headings - set(links) == {"the-answer", "contents"}
    assert set(links) < headings
    figures = re.findall(r"^!\[.*\]\(\.\./figures/(.*)\.png\)$", text, re.M)
    assert sorted(figures) == sorted(FIGURES)
    assert "figures/" not in report()


def test_given_table_claims_no_model():
    text = report(facts=RunFacts.from_config(CONFIG | {"evaluations": "study.parquet"}))
    assert "study.parquet" in text
    assert "models/demo-vlm" not in text


def test_long_setting_goes_on_below_where_it_begins():
    facts = RunFacts(scale="relative", settings={"model": {"path": "words " * 40}})
    settings = report(facts=facts).split("What was run")[1]
    first, second = settings.splitlines()[3:5]
    assert first.startswith("model    path words")
    assert second.startswith(" " * 9 + "words")


def test_every_analysis_with_sections_has_its_module_and_the_rest_has_none():
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert set(SECTIONS) <= modules
    assert len(SECTIONS) == len(set(SECTIONS))
    assert modules & set(ANALYSES) == set(SECTIONS)


def test_baselines_come_with_metric_samples_and_score():
    assert line_with(report(), "vqa", "type", "0", "vqa_accuracy", "search")[-3:] == [
        "100",
        "100",
        "0.5000",
    ]


def test_rankings_carry_both_scales_coverage_and_samples():
    text = report()
    assert "1 block removed, by relative drop, search samples: 3 of 3" in text
    first = line_with(text.split("2 blocks removed, by")[0], "1", "=", "2", "-1.00")
    assert first[-2:] == ["2/2", "200"]
    assert line_with(text, "2", "1", "+10.00")[6] == "+5.00"


def test_partial_coverage_stands_apart_and_unranked():
    section = report().split("2 blocks removed, partial coverage, not ranked: 1 of 1")[1]
    assert line_with(section, "-", "1-10")[-2:] == ["1/2", "100"]


def test_blocks_in_order_of_importance_with_interval():
    text = report().split("Least to most important block")[1]
    assert line_with(text, "1", "2", "early")[3] == "-1.00"
    assert line_with(text, "3", "0", "early")[3] == "+50.00"


def test_markdown_holds_the_same_tables():
    text = as_markdown(TITLE, sections())
    assert "| 1 = | 2 | -1.00 |" in text
    num_sections = sum(not section.empty for section in sections())
    assert text.count("\n## ") == num_sections + 1  # the list of contents


def test_winners_stand_beside_their_holdout_drop():
    worse = (
        pl.when(role="holdout", combination="1-2").then(0.3).otherwise("relative").alias("relative")
    )
    section = report(EVALUATIONS.with_columns(worse)).split(
        "Every winner of the search, measured again"
    )[1]
    winner = line_with(section, "generic", "2", "1-2", "+20.00")
    assert (winner[4], winner[7]) == ("+30.00", "+10.00")
    assert "measured again" not in report(EVALUATIONS.filter(pl.col("role") == "search"))


def test_zero_baseline_is_named():
    evaluations = planted_evaluations(
        {"vqa": {(1,): 0.05}, "hard": {(1,): 0.0}}, {"vqa": 0.5, "hard": 0.0}
    )
    assert "Baseline 0 on hard (search)" in report(evaluations)


def test_unknown_intervals_show_as_a_dash():
    unknown = [
        pl.lit(None, pl.Float64).alias(name) for name in ("se", "ci_low", "ci_high", "relative_se")
    ]
    text = report(EVALUATIONS.with_columns(unknown))
    section = text.split("1 block removed, by")[1].split("2 blocks removed, by")[0]
    assert line_with(section, "1", "=", "2", "-1.00")[4] == "-"


def test_any_number_of_sizes_and_datasets_fits_the_page_and_repeats():
    blocks = [10, 20, 30, 40, 50, 60]
    drops = {
        f"dataset_{d}": {tuple(blocks[:size]): 0.1 * size for size in range(1, 7)}
        for d in range(20)
    }
    evaluations = planted_evaluations(drops, dict.fromkeys(drops, 0.9))
    text = report(evaluations)
    assert "6 blocks removed" in text
    assert max(map(len, text.splitlines())) <= 140
    assert text == report(evaluations)


def test_baseline_only_run_is_reported():
    assert "No combination was evaluated." in report(planted_evaluations({}, {"vqa": 0.5}))


def test_alike_datasets_of_a_task_type_are_a_finding_and_chance_is_none():
    rng = np.random.default_rng(0)
    kinds = [rng.normal(0.2, 0.1, 30) for _ in range(2)]

    def report_with(signal: float) -> str:
        drops = {}
        for number in range(8):
            values = kinds[number % 2] * signal + rng.normal(0, 0.03, 30)
            blocks = {(block,): float(value) for block, value in enumerate(values)}
            drops[f"dataset_{number}"] = blocks
        types = {name: f"type {number % 2}" for number, name in enumerate(drops)}
        evaluations = planted_evaluations(drops, dict.fromkeys(drops, 1.0))
        return report(evaluations.with_columns(task_type=pl.col("dataset").replace_strict(types)))

    assert "Datasets of one task type respond more alike" in report_with(1.0)
    assert "Datasets of one task type" not in report_with(0.0)


def test_answers_that_no_metric_could_read_are_named():
    unread = pl.when(dataset="vqa", combination="0", role="search").then(7).otherwise(0)
    text = report(EVALUATIONS.with_columns(unparsable=unread.cast(pl.UInt32)))
    assert (
        "vqa: 7 of 1,200 answers could not be read as one of the choices; they count as wrong."
        in " ".join(text.split())
    )
    assert "could not be read" not in report()
