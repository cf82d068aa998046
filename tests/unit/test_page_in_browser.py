"""The page of a run in a real browser: each view used as a stranger would, without an error."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import planted_evaluations, planted_evidence
from planted_pages import (
    DRAWN,
    HOSTILE,
    PlantedPage,
    console,
    open_browser,
    open_page,
    planted_page,
    planted_spec,
    set_width,
    show,
)

from blocksieve.combination import Combination
from blocksieve.page.content import Content
from blocksieve.report.findings import within_limit
from blocksieve.report.numbers import bracket, number

WAIT_MS = 10_000
DOCUMENTS = "documents"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def planted(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> PlantedPage:
    return planted_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def content(planted: PlantedPage) -> Content:
    return planted.content()


@pytest.fixture(scope="module")
def path(browser: Any, planted: PlantedPage, content: Content) -> Path:
    path = planted.folder / "index.html"
    show(browser, content, path)
    return path


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    """The page, opened anew; nothing may be said on the console."""
    set_width(browser, 1280)
    open_page(browser, path)
    yield browser
    assert console(browser) == []


def text(driver: Any, selector: str) -> str:
    """Return what a reader sees of an element, with plain blanks."""
    script = "return document.querySelector(arguments[0]).innerText"
    return driver.execute_script(script, selector).replace("\u00a0", " ")


def click(driver: Any, selector: str) -> None:
    driver.execute_script("document.querySelector(arguments[0]).click()", selector)


def choose(driver: Any, selector: str, value: str) -> None:
    """Give a control a value, as a reader's hand does."""
    script = """
    const control = document.querySelector(arguments[0]);
    control.value = arguments[1];
    control.dispatchEvent(new Event("input", {bubbles: true}));
    control.dispatchEvent(new Event("change", {bubbles: true}));
    """
    driver.execute_script(script, selector, value)


def wait_for(driver: Any, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    script = f"""
    const done = arguments[0], end = Date.now() + {WAIT_MS};
    const look = () => ({condition}) ? done(true)
        : Date.now() > end ? done(false) : setTimeout(look, 30);
    look();
    """
    assert driver.execute_async_script(script), condition


# A stranger's questions, each answered in at most two actions.


def test_what_may_i_remove_at_3_percent(page, planted):
    click(page, "#presets button:nth-child(2)")
    strategy = planted.results["pruning_recommendations"]["strategies"]["balanced"]
    assert text(page, "#sentence") == within_limit("Balanced", strategy, "%")
    assert text(page, "#headline") == "Remove 2 of 6 blocks"
    assert text(page, "#chips").split() == ["1", "2"]
    assert "keeps 3 %" in text(page, "#loss .badge")


def test_what_do_i_gain(page):
    assert "parameters: -33 %, 2,200,000 of 3,300,000" in text(page, "#tiles")
    assert "time to the first token, 1 at once: -25 % [-30 %, -20 %], 30.0 ms" in text(
        page, "#tiles"
    )


def test_which_samples_break(page, planted):
    click(page, "#tiles a")
    assert page.execute_script("return document.getElementById('samples-change').value") == "broken"
    evaluations = planted.evidence.holdout.table.filter(combination="1-2")
    broken, total = evaluations["losses"].sum(), evaluations["n"].sum()
    assert text(page, "#samples-count") == f"{broken} of {total:,} samples"
    card = text(page, "#samples-cards article")
    assert "✕ broken" in card
    assert "without the list\nno (score 0)" in card


def test_what_if_70_percent_of_my_traffic_is_documents(page, planted):
    choose(page, "#share-0", "70")
    shares = {"documents": 70, "photos": 15, "scenes": 15}
    answer = text(page, "#weights-answer")
    assert "remove 1-4 (2 blocks)" in answer
    # The package's own numbers at these weights.
    weighted = replace(planted.evidence, weights=shares)
    (mean,) = weighted.holdout.average([{Combination.parse("1-4"): 1.0}])
    assert f"Mean drop {number(mean.mean)} % {bracket(mean.low, mean.high)} on holdout" in answer
    assert text(page, "#weights-sliders .type output") == "30 %"


def test_which_block_must_stay(page):
    heights = page.execute_script(
        "return [...document.querySelectorAll('.site .cost')].map((bar) => bar.style.height)"
    )
    assert heights[0] == "100%"
    assert "Block 0 is the most important" in text(page, "#trade-off .findings")


# Each view.


def test_the_slider_drives_card_and_curve_by_keyboard(page, content):
    slider = page.find_element("id", "limit")
    slider.send_keys("\ue011")  # Home
    assert text(page, "#headline") == content["answers"][0]["headline"]
    assert slider.get_attribute("aria-valuetext").replace("\u00a0", " ") == "0 %"
    wait_for(page, "document.querySelector('#curve svg')")
    slider.send_keys("\ue010")  # End
    assert text(page, "#limit-value") == "10 %"
    assert text(page, "#headline") == "Remove 2 of 6 blocks"


def test_every_answer_of_the_slider_is_pythons(page, content):
    for place, answer in enumerate(content["answers"]):
        choose(page, "#limit", str(place))
        assert text(page, "#sentence") == answer["sentence"]


def test_blocks_say_what_was_measured_and_what_was_not(page, planted):
    click(page, "#strip-none")
    assert "the whole model" in text(page, "#strip-result")
    for block in ("0", "3"):
        click(page, f"[data-site='{block}']")
    (mean,) = planted.evidence.holdout.average([{Combination.parse("0-3"): 1.0}])
    expected = f"mean drop {number(mean.mean)} % {bracket(mean.low, mean.high)} on holdout samples"
    assert expected in text(page, "#strip-result")
    assert "documents" in text(page, "#strip-result table")

    click(page, "[data-site='5']")
    said = text(page, "#strip-result")
    assert said.startswith("Without 0-3-5: not measured.")
    singles = [Combination.parse(block) for block in ("0", "3", "5")]
    (total,) = planted.evidence.holdout.average([dict.fromkeys(singles, 1.0)])
    assert f"add up to {number(total.mean)} %, which is only a guide" in said
    assert "0-3 (keeps 5)" in said
    click(page, "#strip-answer")
    assert text(page, "#strip-result").startswith("Without 1-2:")


def test_the_ranking_sorts_filters_and_folds(page, planted):
    rows = (
        "return [...document.querySelectorAll('#ranking-table tbody th')].map((e) => e.innerText)"
    )
    choose(page, "#ranking-size", "2")
    folded = page.execute_script(rows)
    assert "more tied with" in text(page, "#ranking-table tbody")
    click(page, "#ranking-fold")
    unfolded = page.execute_script(rows)
    assert len(unfolded) == 15 > len(folded)
    ranking = planted.results["rankings_by_num_removed"].filter(size=2).sort("rank")
    assert unfolded == ranking["combination"].to_list()
    choose(page, "#ranking-with", "1")
    choose(page, "#ranking-without", "0")
    assert set(page.execute_script(rows)) == {"1-2", "1-3", "1-4", "1-5"}
    click(page, "#ranking-table thead th:nth-child(3) button")
    drops = planted.evidence.holdout.mean_drops(
        [Combination.parse(name) for name in page.execute_script(rows)],
        planted.evidence.datasets,
    )
    assert list(drops) == sorted(drops)
    click(page, "#ranking-table thead th:nth-child(3) button")
    assert page.execute_script("return document.querySelector('[aria-sort]').ariaSort") == (
        "descending"
    )


def test_the_search_unfolds_by_keyboard(page, planted):
    tree = planted.results["search_tree"]
    (drop,) = tree.filter(combination="1-2")["drop"]
    summary = page.find_element("css selector", "#search summary")
    kept = len(tree.filter("kept"))
    assert text(page, "#search summary") == f"For all datasets {kept} of {len(tree)} lists kept"
    # The way to the best list stands open, once the beam is.
    assert not page.find_element("css selector", "#search .tree li").is_displayed()
    summary.send_keys("\ue007")  # Enter
    best = "#search .tree details[open] .leaf"
    assert text(page, best).startswith(f"1-2 {number(drop)} % [")
    assert text(page, best).endswith("; extends 2, too")
    summary = page.find_element("css selector", "#search .tree summary")
    summary.send_keys("\ue007")
    assert not page.find_element("css selector", "#search .leaf").is_displayed()


def test_samples_are_filtered_and_show_pictures(page):
    choose(page, "#samples-dataset", "photos")
    choose(page, "#samples-change", "mended")
    card = text(page, "#samples-cards article")
    assert "✓ mended" in card
    assert "What is in the photos?" in card
    wait_for(page, "document.querySelector('#samples-cards img').naturalWidth > 0")


def test_hostile_text_is_shown_as_text(page):
    choose(page, "#samples-dataset", DOCUMENTS)
    shown = page.execute_script("return document.querySelector('#samples-cards dd').textContent")
    assert shown == HOSTILE
    assert page.execute_script("return typeof window.hacked") == "undefined"
    assert (
        page.execute_script("return document.querySelectorAll('#samples-cards script').length") == 0
    )


@pytest.mark.parametrize("shares", [(70, 15, 15), (0, 100, 0), (1, 2, 97)])
def test_weighted_means_are_the_packages_own(page, planted, shares):
    datasets = list(planted.evidence.task_types)
    weights = dict(zip(datasets, shares, strict=True))
    script = "return measured.combinations.map((row) => weightedMean(row.by_holdout, arguments[0]))"
    in_page = page.execute_script(script, list(shares))
    names = page.execute_script("return measured.combinations.map((row) => row.name)")
    holdout = replace(planted.evidence, weights=weights).holdout
    means = holdout.average([{Combination.parse(name): 1.0} for name in names])
    for (mean, half), expected in zip(in_page, means, strict=True):
        assert mean == pytest.approx(expected.mean, abs=1e-9)
        assert mean + half == pytest.approx(expected.high, abs=1e-9)
        assert mean - half == pytest.approx(expected.low, abs=1e-9)


def test_numbers_are_written_as_python_writes_them(page):
    values = [0.125, 0.375, -0.125, 2.675, 1.005, 0.0, -0.001, 3.125, 1234.5]
    in_page = page.execute_script("return arguments[0].map(signed)", values)
    assert in_page == [number(value) for value in values]


def test_figures_open_with_tooltips(page):
    for name in DRAWN:
        click(page, f"[data-figure='{name}'] summary")
        wait_for(page, f"document.querySelector('[data-figure={name}] svg')")
    labels = "return document.querySelector('[data-figure=importance_heatmap] .chart').ariaLabel"
    assert page.execute_script(labels).startswith("What removing a block alone costs")
    cell = page.find_element("css selector", "[data-figure=importance_heatmap] .mark-rect path")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    webdriver = pytest.importorskip("selenium.webdriver")
    webdriver.ActionChains(page).move_to_element(cell).perform()
    wait_for(page, "document.querySelector('#vg-tooltip-element.visible')")
    assert "95 % interval" in text(page, "#vg-tooltip-element")


def test_the_run_log_counts_the_cache(page):
    assert "The evaluation jobs answered 52,800 pairs" in text(page, "#jobs .lead")
    assert "52,500 of them came from the cache" in text(page, "#jobs .lead")


def test_every_control_has_a_name_and_can_be_reached(page):
    nameless = page.execute_script(
        """
        const controls = document.querySelectorAll("button, a, input, select, summary, img");
        const isLabelled = (e) => e.labels && e.labels.length;
        const hasName = (e) => e.textContent.trim() || e.ariaLabel || e.alt || isLabelled(e);
        return [...controls].filter((e) => !hasName(e)).map((e) => e.outerHTML);
        """
    )
    assert nameless == []
    assert page.execute_script("return document.querySelectorAll('[tabindex=\"-1\"]').length") == 0


def test_a_narrow_page_does_not_scroll_sideways(page):
    set_width(page, 400)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 400


def test_nothing_is_asked_of_a_network(page, path):
    sources = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [source for source in sources if not source.startswith("data:")] == []
    assert "default-src 'none'" in path.read_text()[:1000]


# Pages of other runs: they open at both widths, and say what they can.


def flat(num_datasets: int, num_blocks: int, se: float = 0.001) -> Any:
    drops = {(block,): 0.001 * block for block in range(num_blocks)}
    drops |= {(block, block + 1): 0.002 * block for block in range(num_blocks - 1)}
    names = [f"dataset_{number}" for number in range(num_datasets)]
    evaluations = planted_evaluations(dict.fromkeys(names, drops), dict.fromkeys(names, 0.8), se=se)
    return planted_evidence(evaluations, num_blocks=num_blocks)


@pytest.mark.parametrize(
    ("num_datasets", "num_blocks", "se", "headline"),
    [
        (1, 6, 0.001, "Remove 2 of 6 blocks"),
        (20, 4, 0.001, "Remove 2 of 4 blocks"),
        (2, 80, 0.001, "Remove 2 of 80 blocks"),
        (2, 6, 0.3, "These samples support no finding"),
    ],
)
def test_pages_of_any_shape(browser, tmp_path, num_datasets, num_blocks, se, headline):
    evidence = flat(num_datasets, num_blocks, se)
    run = planted_spec(dict(evidence.task_types), evaluations="mine.parquet")
    set_width(browser, 1280)
    show(browser, PlantedPage(evidence, run, tmp_path).content(), tmp_path / "index.html")
    assert text(browser, "#headline") == headline
    choose(browser, "#limit", "0")
    assert "✕ not shown to keep 0 %" in text(browser, "#loss .badge")
    assert ("support no finding" in text(browser, ".can-tell")) == (se > 0.1)
    assert bool(browser.find_elements("id", "weights")) == (num_datasets > 1)
    if num_datasets > 1:
        expected = f"{headline}." if se > 0.1 else "For this traffic no list is shown to keep 0 %."
        assert text(browser, "#weights-answer") == expected
    assert browser.find_elements("id", "samples") == []
    assert len(browser.find_elements("css selector", ".site")) == num_blocks
    wait_for(browser, "document.querySelector('#curve svg')")
    set_width(browser, 400)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    assert console(browser) == []
