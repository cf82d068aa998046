"""The page of a run, as Python writes it: what it says, its size, and hostile text."""

import json
import re
from dataclasses import replace

import polars as pl
import pytest
from planted import planted_evaluations, planted_evidence, planted_halves
from planted_pages import DESCRIPTION, HOSTILE, PlantedPage, picture, planted_page, planted_spec

from blocksieve.analysis import FIGURES
from blocksieve.analysis.pruning_recommendations import analyse as recommend
from blocksieve.analysis.rankings_by_num_removed import analyse as rank_all
from blocksieve.combination import Combination
from blocksieve.figures.readings import READINGS
from blocksieve.page import ASSETS, STYLE
from blocksieve.page.answers import NOT_SUPPORTED, answers, stops
from blocksieve.page.content import Content
from blocksieve.page.figures import BUDGET
from blocksieve.page.gain import NOT_MEASURED, gains
from blocksieve.page.html import as_json, write_html
from blocksieve.page.measurements import MAX_DROPS, measurements
from blocksieve.page.samples import PICTURE_BUDGET, TEXT_BUDGET
from blocksieve.page.thumbnails import MAX_SIDE, Pictures, data_uri
from blocksieve.page.trade_off import MORE_LISTS, curve_points, draw
from blocksieve.report.findings import verified, within_limits
from blocksieve.report.numbers import count_removed

LIBRARY = 'const end = "</script>";'


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PlantedPage:
    return planted_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def content(planted: PlantedPage) -> Content:
    return planted.content()


def flat_evidence(se: float = 0.001, roles: tuple[str, ...] = ("search", "holdout"), **fields):
    """Two datasets whose blocks 1 and 2 can go, and block 0 cannot."""
    drops = {(0,): 0.3, (1,): 0.001, (2,): 0.002, (1, 2): 0.01}
    evaluations = planted_evaluations(
        {"a": drops, "b": drops}, {"a": 1.0, "b": 1.0}, se=se, roles=roles
    )
    return planted_evidence(evaluations, num_blocks=3, **fields)


def test_the_sliders_stops_are_round_and_hold_every_limit():
    assert stops([1.5, 3, 10])[:4] == [0, 0.1, 0.2, 0.3]
    assert len(stops([1.5, 3, 10])) == 101
    assert {1.25, 2.05} <= set(stops([1.25, 2.05, 7]))
    assert stops([0, 0, 0]) == [0]


def test_answers_are_the_reports_sentences():
    document = recommend(flat_evidence())
    at_stops = answers(document, 3)
    by_strategy = {answer["strategy"]: answer for answer in at_stops if answer["strategy"]}
    said = [answer["sentence"] for answer in by_strategy.values()]
    assert said == list(within_limits(document, "%"))
    assert by_strategy["balanced"]["headline"] == "Remove 2 of 3 blocks"
    assert "This is not the end" in by_strategy["balanced"]["sentence"]


def test_an_answer_says_why_no_more_may_go():
    document = recommend(flat_evidence())
    one = next(answer for answer in answers(document, 3) if answer["limit"] == 0.5)
    assert one["combination"] == "1"
    assert one["end"] == (
        "The best list of 2 blocks, 1-2, is not shown to keep it: +1.00 % [+0.86, +1.14]."
    )


def test_nothing_is_removed_where_nothing_is_shown():
    document = recommend(flat_evidence())
    none = answers(document, 3)[0]
    assert (none["headline"], none["kept"], none["combination"]) == (
        "Remove nothing",
        False,
        "none",
    )
    assert "no combination is shown to keep the limit of 0 %" in none["sentence"]
    assert none["holdout"]["drop"] == pytest.approx(0.1)


def test_without_holdout_samples_nothing_is_confirmed():
    document = recommend(flat_evidence(roles=("search",)))
    for answer in answers(document, 3):
        assert not answer["kept"]
        assert "not confirmed" in answer["sentence"]


# At 0.04 the best list still keeps the largest limit, but the intervals are wider than it.
@pytest.mark.parametrize("se", [0.2, 0.04])
def test_wide_intervals_support_no_answer(se):
    evidence = flat_evidence(se=se)
    document = recommend(evidence)
    assert {answer["headline"] for answer in answers(document, 3)} == {NOT_SUPPORTED}
    assert not any(answer["kept"] or answer["sentence"] for answer in answers(document, 3))


def test_an_answer_holds_what_verify_samples_say():
    evidence = flat_evidence(roles=("search", "holdout", "verify"))
    document = recommend(evidence)
    at_stops = answers(document, 3)
    said = [answer["verified"] for answer in at_stops if answer["verified"]]
    assert said == list(verified(document, "%"))
    assert said[0].startswith("Verified: removing 1-2 (conservative, 2 blocks) costs")


def test_the_measurements_are_the_evidences_own():
    evidence = flat_evidence()
    ranking = rank_all(evidence)
    measured = measurements(evidence, ranking, {"a": "vqa"})
    assert [dataset["metric"] for dataset in measured["datasets"]] == ["vqa", ""]
    assert measured["sites"] == ["0", "1", "2"]
    by_name = {row["name"]: row for row in measured["combinations"]}
    mean, half = by_name["1-2"]["holdout"]
    (expected,) = evidence.holdout.average([{next(iter(evidence.with_full_coverage(2))): 1.0}])
    assert (mean, mean + half) == pytest.approx((expected.mean, expected.high))


def test_a_refused_combination_and_partial_coverage_are_said():
    drops = {(0,): 0.3, (1,): 0.001}
    evaluations = planted_evaluations(
        {"a": {**drops, (0, 1): 0.2}, "b": drops}, {"a": 1.0, "b": 1.0}
    )
    refused = pl.when(pl.col("combination") == "0").then(pl.lit("no such layer"))
    evidence = planted_evidence(evaluations.with_columns(not_evaluable=refused), num_blocks=2)
    ranking = rank_all(evidence)
    measured = measurements(evidence, ranking, {})
    assert {row["reason"] for row in measured["refused"]} == {"no such layer"}
    by_name = {row["name"]: row for row in measured["combinations"]}
    assert "0" not in by_name
    assert by_name["0-1"]["search"] is None
    assert [each is None for each in by_name["0-1"]["by_search"]] == [False, True]


def test_the_same_content_gives_the_same_bytes(content):
    assert write_html(content, LIBRARY) == write_html(content, LIBRARY)


def test_hostile_text_is_never_markup(content):
    html = write_html(content, LIBRARY)
    assert html.count("<script") == html.count("</script>") == 3
    assert "<img src=x" not in html
    embedded = re.search(r'<script type="application/json" id="content">(.*?)</script>', html)[1]
    assert embedded.isascii()
    assert json.loads(embedded) == json.loads(json.dumps(content))
    assert json.loads(as_json(HOSTILE)) == HOSTILE


def test_hostile_names_are_escaped_outside_of_the_scripts_too(content):
    html = write_html({**content, "model": HOSTILE, "findings": [HOSTILE]}, LIBRARY)
    assert html.count("<script") == 3
    assert "&lt;script&gt;window.hacked" in html


def test_samples_show_what_a_list_breaks(content):
    samples = content["samples"]
    assert samples["lists"] == ["1", "1-2"]
    for group in samples["datasets"]:
        assert group["num_samples"] == 400
        for sample in group["samples"]:
            whole, _, answer = sample["answers"]
            assert answer["change"] == answer["score"] - whole["score"]
            assert (whole["text"] == "yes") == (whole["score"] == 1)
        changed = [
            any(answer["change"] for answer in sample["answers"]) for sample in group["samples"]
        ]
        assert changed == sorted(changed, reverse=True)


def test_pictures_are_small_shown_once_and_bounded():
    large, small = picture((600, 300), "navy"), picture((20, 20), "orange")
    assert data_uri(small).startswith("data:image/png;base64,")
    assert data_uri(large).startswith("data:image/jpeg;base64,")
    assert len(data_uri(large)) < len(large) / 20
    assert MAX_SIDE == 256
    pictures = Pictures(len(data_uri(small)) + 10)
    assert [pictures.add(small), pictures.add(small), pictures.add(large)] == [0, 0, None]
    assert (len(pictures.uris), len(pictures.left_out)) == (1, 1)


def test_what_has_no_place_is_said(content, planted, monkeypatch):
    monkeypatch.setattr("blocksieve.page.samples.MAX_SAMPLES", 30)
    monkeypatch.setattr("blocksieve.page.samples.PICTURE_BUDGET", 300)
    monkeypatch.setattr("blocksieve.page.figures.BUDGET", 10)
    monkeypatch.setattr("blocksieve.page.measurements.MAX_DROPS", 36)
    short = planted.content()
    assert sum(len(group["samples"]) for group in short["samples"]["datasets"]) == 30
    said = "\n".join(short["left_out"])
    assert "9 lists of the last ranks" in said
    assert "1,170 of 1,200 holdout samples" in said
    assert re.search(r"\d pictures of samples", said)
    assert "The figures importance_heatmap, rankings_by_num_removed" in said
    assert content["left_out"] == []


def test_eight_datasets_and_600_lists_keep_the_size():
    lists = [(first, second) for second in range(40) for first in range(second)][:560]
    drops = {(block,): 0.001 * block for block in range(40)} | dict.fromkeys(lists, 0.01)
    names = [f"dataset_{number}" for number in range(8)]
    evidence = planted_evidence(
        planted_evaluations(dict.fromkeys(names, drops), dict.fromkeys(names, 0.8)), num_blocks=40
    )
    measured = measurements(evidence, rank_all(evidence), {})
    assert len(measured["combinations"]) == 600
    size = len(as_json(measured))
    assert size < 1_500_000
    at_most = size * MAX_DROPS // (600 * 8)
    library = 1_000_000
    assert at_most + TEXT_BUDGET + PICTURE_BUDGET + BUDGET + library < 15_000_000


def test_long_texts_of_samples_are_left_out_and_said(planted, monkeypatch):
    monkeypatch.setattr("blocksieve.page.samples.TEXT_BUDGET", 30_000)
    page = planted.content()
    assert len(as_json(page["samples"]["datasets"])) < 31_000
    assert any("holdout samples, first those" in sentence for sentence in page["left_out"])


def test_a_given_table_has_a_page_without_samples_and_model(tmp_path):
    evidence = flat_evidence()
    run = planted_spec({"a": "type 0", "b": "type 1"}, evaluations="tables/mine.parquet")
    page = PlantedPage(evidence, run, tmp_path).content()
    assert (page["model"], page["samples"], page["jobs"]) == ("mine.parquet", None, [])
    html = write_html(page, LIBRARY)
    assert 'id="samples"' not in html
    assert 'id="jobs"' not in html


def test_what_is_gained_is_measured_or_said_not_to_be(content):
    by_name = {fact["name"]: fact["value"] for fact in content["gains"]["1-2"]}
    assert by_name["parameters"] == "-33 %, 2,200,000 of 3,300,000"
    assert by_name["weights"] == "-33 %, 8.8 of 13.2 MB"
    assert by_name["time per further token, 1 at once"] == "-25 % [-30 %, -20 %], 30.0 ms"
    assert by_name["measured on"] == "a CPU, float32"
    pair = Combination.parse("1-2")
    assert gains(pair, None) == []
    unknown = [fact["value"] for fact in gains(pair, DESCRIPTION)]
    assert unknown == ["4 of 6 left; the whole model has 3,290,240 parameters", NOT_MEASURED]


def test_the_curve_has_other_ways_of_choosing_where_they_were_measured(planted):
    ways = ("own", "task_type", "generic", "pooled")
    numbers = {"size": 2, "combination": None, "combinations": 3, "drop": 1, "low": 0, "high": 2}
    points = [{"curve": way, **numbers} for way in ways]
    curve = curve_points(planted.results | {"trade_off": {"points": points}})
    assert [point["curve"] for point in curve[-2:]] == list(MORE_LISTS.values())
    assert curve[-1]["combination"] == "3 lists"
    assert len(curve) == 4 + 2
    draw(curve, "relative").to_dict()


def test_every_figure_has_a_reading():
    assert set(FIGURES) <= set(READINGS)
    for reading in READINGS.values():
        assert reading.endswith(".")


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        (text, ground)
        for text in ("ink", "quiet", "accent", "good", "bad")
        for ground in ("paper", "ground", "accent-pale")
    ]
    + [("good", "good-pale"), ("bad", "bad-pale"), ("paper", "accent")],
)
def test_text_stands_out_from_its_ground(text, ground):
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", (ASSETS / STYLE).read_text()))
    low, high = sorted([luminance(colours[text]), luminance(colours[ground])])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_page_of_halves_says_how_it_counts(planted):
    search = replace(planted.run.search, unit="half")
    of_halves = replace(planted, run=replace(planted.run, search=search))
    sentence = "each half of a block (4a, 4m) counts as a block"
    assert sentence in of_halves.content()["facts"]
    assert sentence not in planted.content()["facts"]


def test_page_and_report_count_blocks_and_halves_alike():
    names = ["4", "4-5", "4a", "4a-5m", "4-5m", "4-5-6a-7a-8m"]
    table = planted_halves({"a": dict.fromkeys(names, 0.1), "b": dict.fromkeys(names, 0.1)})
    evidence = planted_evidence(table, num_blocks=9)
    measured = measurements(evidence, rank_all(evidence), {})
    removed = {row["name"]: row["removed"] for row in measured["combinations"]}
    assert removed == {name: count_removed(Combination.parse(name)) for name in names}
    assert removed["4-5-6a-7a-8m"] == "2 blocks and 3 halves of blocks"
