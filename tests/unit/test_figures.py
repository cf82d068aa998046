"""The figures: what is drawn for runs of any shape, and the files they become."""

import importlib
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import numpy as np
import polars as pl
import pytest
from planted import all_analyses, planted_evaluations, planted_evidence

from blocksieve.analysis import (
    ANALYSES,
    FIGURES,
    block_position_analysis,
    drop_distributions,
)
from blocksieve.analysis.rankings_by_num_removed import analyse
from blocksieve.figures import block_position_analysis as position_figure
from blocksieve.figures import combination_vs_individual as interactions
from blocksieve.figures import drop_distributions as drop_figure
from blocksieve.figures import task_specific_vs_generic as lists_figure
from blocksieve.figures.export import save_chart
from blocksieve.figures.parts import histogram, symlog_bin_edges
from blocksieve.figures.rankings_by_num_removed import PARTIAL_HEADING, TOP, draw
from blocksieve.figures.regrets import VERDICT_MARKS
from blocksieve.source_closure import PACKAGE, source_closure

SCHEMA = PACKAGE / "analysis/task_specific_vs_generic.schema.json"
CAPTIONS = Path(__file__).parents[2] / "workflow/report/figures"
DESCRIPTION = CAPTIONS.with_name("workflow.rst")


def planted_ranking(
    num_datasets: int, num_blocks: int, num_sizes: int, scale: str = "relative"
) -> pl.DataFrame:
    """Rank every window of consecutive blocks on every dataset.

    With two datasets or more, one of them has a pair that the others lack.
    """
    windows = {}
    for size in range(1, num_sizes + 1):
        for first in range(num_blocks - size + 1):
            windows[tuple(range(first, first + size))] = 0.01 * (first + size)
    drops = {f"dataset_{number}": dict(windows) for number in range(num_datasets)}
    if num_datasets > 1 and num_sizes > 1:
        drops["dataset_0"][(0, num_blocks - 1)] = 0.0
    baselines = dict.fromkeys(drops, 0.8)
    return analyse(planted_evidence(planted_evaluations(drops, baselines), scale))


@pytest.mark.parametrize("shape", [(1, 16, 1), (2, 3, 1), (8, 16, 4), (20, 80, 6)])
def test_one_panel_a_size_with_at_most_the_top_rows(shape):
    spec = draw(planted_ranking(*shape), "relative").to_dict()
    assert len(spec["concat"]) == shape[2]
    for panel in spec["concat"]:
        assert 0 < len(panel["layer"][0]["encoding"]["y"]["scale"]["domain"]) <= TOP + 1


def test_panel_keeps_the_order_of_the_ranking_and_sets_partial_coverage_apart():
    panel = draw(planted_ranking(2, 4, 2), "relative").to_dict()["concat"][1]
    assert panel["title"]["text"] == "2 blocks removed: all 3, 1 partly covered"
    assert panel["layer"][0]["encoding"]["y"]["scale"]["domain"] == [
        "0-1",
        "1-2",
        "2-3",
        " ",
        "0-3",
    ]
    assert PARTIAL_HEADING in json.dumps(panel)


def test_axis_has_its_unit():
    ranking = planted_ranking(2, 4, 1, "points")
    assert '"mean drop (percentage points)"' in draw(ranking, "points").to_json()
    assert '"mean relative drop (% of baseline)"' in draw(ranking, "relative").to_json()


def test_sizes_are_compared_on_one_axis():
    spec = draw(planted_ranking(2, 4, 2), "relative").to_dict()
    assert spec["resolve"]["scale"]["x"] == "shared"


def test_unknown_interval_is_drawn_as_a_dot_without_a_bar():
    ranking = planted_ranking(1, 4, 1).with_columns(relative_ci_low=None, relative_ci_high=None)
    ranking = ranking.cast({"relative_ci_low": pl.Float64, "relative_ci_high": pl.Float64})
    spec = draw(ranking, "relative").to_dict()
    spread_bars, interval_bars, dots = spec["concat"][0]["layer"][:3]
    num_rows = [
        len(spec["datasets"][layer["data"]["name"]]) for layer in (spread_bars, interval_bars, dots)
    ]
    assert num_rows == [0, 0, 4]


def test_nothing_to_draw_is_said_in_a_sentence():
    empty = planted_ranking(1, 4, 1).clear()
    assert "No combination was evaluated." in draw(empty, "relative").to_json()


def test_partial_coverage_alone_is_said_in_the_title():
    partly = planted_evaluations({"a": {(1,): 0.1}, "b": {(2,): 0.1}}, {"a": 0.5, "b": 0.5})
    chart = draw(analyse(planted_evidence(partly)), "relative").to_json()
    assert "1 block removed: none on every dataset, 2 partly covered" in chart


def test_drops_that_are_all_0_have_an_axis_and_a_true_sentence():
    names = [(0,), (1,), (2,), (0, 1)]
    still = planted_evaluations(
        {name: dict.fromkeys(names, 0.0) for name in "ab"}, {"a": 0.5, "b": 0.5}, se=0.0
    )
    tables = all_analyses(planted_evidence(still))
    drawn = {}
    for name in (
        "drop_distributions",
        "combination_vs_individual",
        "dataset_pairwise_comparison",
    ):
        figure = importlib.import_module(f"blocksieve.figures.{name}")
        drawn[name] = figure.draw(tables[name], "relative").to_json()
    assert '"unionWith"' in drawn["drop_distributions"]
    no_synergy = "No tested combination that every dataset has is shown to cost"
    assert no_synergy in drawn["combination_vs_individual"]
    assert "drops differ; there are" in drawn["dataset_pairwise_comparison"]


@pytest.mark.parametrize(("values", "ticks"), [([-19.3, 1.9, 2.4], [0, 1, 2]), ([5.0], [0, 1])])
def test_counts_of_a_histogram_have_whole_ticks(values, ticks):
    chart = histogram(pl.Series(values), "relative", "interaction,", "combinations", "title")
    columns = chart.to_dict()["layer"][0]
    assert columns["encoding"]["y"]["axis"]["values"] == ticks


def test_cumulative_curve_is_a_step_at_every_drop():
    table = drop_distributions.analyse(
        planted_evidence(planted_evaluations({"a": {(0,): 0.1, (1,): 0.4}}, {"a": 1.0}))
    )
    datasets = drop_figure.draw(table, "relative").to_dict()["datasets"].values()
    (curve,) = [rows for rows in datasets if len(rows) == 101]
    values = [row["value"] for row in curve if row["share"] in (1, 50, 51, 100)]
    assert values == pytest.approx([10, 10, 40, 40])


def test_files_are_whole_at_300_dpi_and_repeat_to_the_byte(tmp_path):
    ranking = planted_ranking(2, 4, 2)
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / f"{turn}.{kind}" for kind in ("png", "svg", "json")]
        save_chart(draw(ranking, "relative"), *paths)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    png, svg, spec = written[0]
    # The pHYs chunk holds pixels per metre: 300 / 0.0254.
    assert struct.unpack(">II", png[png.index(b"pHYs") + 4 :][:8]) == (11811, 11811)
    assert svg.startswith(b"<svg")
    assert json.loads(spec)["config"]["font"].startswith("Liberation Sans")
    assert len(list(tmp_path.glob("[!.]*"))) == 6


def test_of_points_too_close_to_be_told_apart_one_is_drawn():
    spread = [(number % 100) + number * 1e-9 for number in range(20_000)]
    table = pl.DataFrame({"expected": spread}).with_columns(
        measured=pl.col("expected") / 2,
        interaction=-pl.col("expected") / 2,
        untested=pl.lit(None, pl.String),
        left_out=pl.lit([], pl.List(pl.String)),
        combination=pl.lit("0-1"),
        coverage=pl.lit(2),
        full=pl.lit(True),
        low=pl.lit(-2.0),
        high=pl.lit(0.0),
        q=pl.lit(1.0),
        label=pl.lit("none"),
    )
    spec = interactions.draw(table, "relative").to_dict()
    scatter = spec["concat"][0]["layer"][1]
    points = spec["datasets"][scatter["data"]["name"]]
    # Of 100 places some are less than a cell apart, since the axis is logarithmic there.
    assert 80 <= len(points) <= 200


@pytest.mark.parametrize("name", FIGURES)
def test_caption_names_the_analysis_that_its_figure_is_drawn_from(name):
    caption = (CAPTIONS / f"{name}.rst").read_text()
    file_type = ANALYSES[name].output
    assert caption.startswith(f"Drawn from ``analysis/{name}.{file_type}``")


@pytest.mark.parametrize(("config", "run"), [({}, "demo"), ({"run": "mine"}, "mine")])
def test_the_report_of_snakemake_opens_with_a_description(config, run):
    text = DESCRIPTION.read_text()
    said = jinja2.Template(text).render(snakemake=SimpleNamespace(config=config))
    assert f"results/{run}/report/index.html" in said
    assert set(re.findall(r"``(\w+)``", said)) <= set(FIGURES)
    snakefile = DESCRIPTION.parents[2] / "Snakefile"
    assert 'report: "workflow/report/workflow.rst"' in snakefile.read_text()


def test_every_caption_has_a_figure():
    captions = sorted(path.stem for path in CAPTIONS.iterdir())
    assert captions == sorted(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_not_drawn_anew_for_an_edit_of_the_evidence(name):
    assert PACKAGE / "evidence.py" not in source_closure(PACKAGE / f"figures/{name}.py")


def test_figures_know_the_words_of_their_analyses():
    """They repeat them, since they do not depend on the analyses."""
    assert (*position_figure.POSITIONS, "mixed") == block_position_analysis.POSITIONS
    schema = json.loads(SCHEMA.read_text())
    row = schema["properties"]["rows"]["items"]["properties"]
    assert list(lists_figure.LISTS) == row["list"]["enum"]
    verdicts = set(row["verdict"]["enum"])
    assert {*VERDICT_MARKS, None} == {*verdicts, "can share"}


def layers_of(spec: object) -> Iterator[dict[str, Any]]:
    """Yield every layer with a mark of its own, from the outside in."""
    if isinstance(spec, list):
        for part in spec:
            yield from layers_of(part)
    elif isinstance(spec, dict):
        if "mark" in spec and "encoding" in spec:
            yield spec
        for key in ("concat", "hconcat", "vconcat", "layer"):
            yield from layers_of(spec.get(key, []))


def rows_of(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = spec["datasets"][layer["data"]["name"]]
    return rows


def drawn(name: str, result: Any) -> dict[str, Any]:
    module = importlib.import_module(f"blocksieve.figures.{name}")
    spec: dict[str, Any] = module.draw(result, "relative").to_dict()
    return spec


def test_samples_needed_stand_where_the_analysis_says():
    needed = {"n_for_0.5_pp": [4000, None], "n_for_1_pp": [1000, None], "n_for_2_pp": [250, None]}
    table = pl.DataFrame(
        {"dataset": ["a", "b"], "n": [96, 50], "n_clusters": [90, 50], "detectable": [3.0, 5.0]}
    ).with_columns(**{name: pl.Series(name, counts) for name, counts in needed.items()})
    spec = drawn("power", table)
    (dots,) = [layer for layer in layers_of(spec) if "color" in layer["encoding"]]
    points = {(row["dataset"], row["gap"]): row["samples"] for row in rows_of(spec, dots)}
    assert points == {("a", "2 points"): 250, ("a", "1 point"): 1000, ("a", "0.5 points"): 4000}
    of_table = json.dumps(drawn("power", table.with_columns(**dict.fromkeys(needed, None))))
    assert "Not known from a table of evaluations" in of_table


def search_table() -> pl.DataFrame:
    rows = [
        ("1", 1, 1, [], True, 0.5),
        ("2", 1, 2, [], True, 0.7),
        ("3", 1, 3, [], False, 9.0),
        ("1-2", 2, 1, ["1", "2"], True, 0.9),
        ("1-4", 2, 2, ["1"], True, 1.1),
    ]
    columns = ["combination", "size", "rank", "parents", "kept", "drop"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    return table.with_columns(
        scope=pl.lit("generic"), low=pl.col("drop") - 1, high=pl.col("drop") + 1
    )


def test_every_kept_combination_is_named_and_joined_to_those_it_extends():
    spec = drawn("search_tree", search_table())
    texts = [
        row.get("label", row.get("text"))
        for layer in layers_of(spec)
        if "text" in layer["encoding"]
        for row in rows_of(spec, layer)
    ]
    assert {"1: 0.5 (-0.5 to 1.5)", "2: 0.7", "1-2: 0.9 (-0.1 to 1.9)", "1-4: 1.1"} <= {*texts}
    assert "1 not kept, from 9.0" in texts
    (lines,) = [layer for layer in layers_of(spec) if layer["mark"]["type"] == "rule"]
    joined = {(row["parents"], row["to_rank"]) for row in rows_of(spec, lines)}
    assert joined == {("1", 1), ("2", 1), ("1", 2)}


def test_the_search_tree_is_drawn_the_same_each_time():
    assert len({json.dumps(drawn("search_tree", search_table())) for _ in range(20)}) == 1


def test_long_combinations_are_named_by_the_block_they_add():
    long = "10-11-12-13-14-15-16"
    table = search_table().with_columns(
        pl.col("combination").replace({"1": long, "1-2": f"2-{long}"}),
        parents=pl.col("parents").list.eval(pl.element().replace({"1": long})),
    )
    assert '"+2: 0.9 (-0.1 to 1.9)"' in json.dumps(drawn("search_tree", table))


def test_only_what_is_shown_to_differ_is_coloured():
    cells = pl.DataFrame(
        {"site": ["0", "1"], "drop": [38.0, 8.0], "significant": [True, False], "q": [0.01, 0.9]}
    ).with_columns(dataset=pl.lit("a"), n=pl.lit(96), low=pl.lit(None), high=pl.lit(None))
    cells = cells.with_columns(role=pl.lit("search"))
    coloured = next(layers_of(drawn("importance_heatmap", cells)))
    opacity = coloured["encoding"]["fillOpacity"]
    assert opacity["condition"] == {"test": "datum.significant", "value": 1}
    assert opacity["value"] < 0.5


def test_a_synergy_that_is_not_shown_is_not_drawn():
    columns = {"expected": [9.0, 9.0], "measured": [1.0, 8.0], "interaction": [-8.0, -1.0]}
    table = pl.DataFrame(columns).with_columns(
        combination=pl.Series(["0-1", "0-2"]),
        label=pl.Series(["synergy", "none"]),
        untested=pl.lit(None, pl.String),
        left_out=pl.lit([], pl.List(pl.String)),
        coverage=pl.lit(2),
        full=pl.lit(True),
        low=pl.col("interaction") - 2,
        high=pl.col("interaction") + 2,
    )
    spec = drawn("combination_vs_individual", table)
    dots = list(layers_of(spec["concat"][2]))[1]
    assert [row["combination"] for row in rows_of(spec, dots)] == ["0-1"]


@pytest.mark.parametrize("values", [[-3.0, 0, 0.5, 40, 100], [7.0, 7, 7], [0.0]])
def test_bins_hold_every_value(values):
    edges = symlog_bin_edges(np.array(values))
    counts, _ = np.histogram(values, edges)
    assert counts.sum() == len(values)
    assert (np.diff(edges) > 0).all()
