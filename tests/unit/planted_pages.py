"""Pages of planted runs, and a browser to open them in."""

import importlib
import io
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from PIL import Image
from planted import planted_definition, planted_run

from blocksieve.choosing import choose
from blocksieve.combination import Combination
from blocksieve.datasets.table import SCHEMA as SAMPLE_SCHEMA
from blocksieve.evidence import Evidence
from blocksieve.job_times import ShareTimes, write_job_times
from blocksieve.page.content import Content, PageFiles, compose
from blocksieve.page.html import libraries, write_html
from blocksieve.report.findings import FINDINGS
from blocksieve.shards import Computed
from blocksieve.specs import RunSpec

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='hacked=1'>"
    ' "quoted" &amp; \u2028 {{ 7*7 }}'
)
SECONDS_TO_OPEN = 60
DRAWN = ("importance_heatmap", "rankings_by_num_removed")
DESCRIPTION: Any = {
    "architecture": "LlavaForConditionalGeneration",
    "num_blocks": 6,
    "parameters": 3_290_240,
}
COSTS = {
    "documents": [0.5, 0, 0.05, 0.2, 0, 0.1],
    "photos": [0.5, 0, 0, 0.2, 0.05, 0.1],
    "scenes": [0.5, 0, 0, 0.2, 0.05, 0.1],
}
BEAMS = {
    "generic": {
        1: [Combination.parse(name) for name in ("1", "2")],
        2: [Combination.parse(name) for name in ("1-2", "1-4")],
    }
}
TASK_TYPES = {"documents": "Document QA", "photos": "VQA", "scenes": "VQA"}


@cache
def library() -> str:
    """The bundle of Vega's libraries, which takes seconds to make."""
    return libraries()


def planted_spec(task_types: Mapping[str, str], evaluations: str | None = None) -> RunSpec:
    """Return a run with the demo's settings and planted datasets."""
    content = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    definitions = {name: asdict(planted_definition(kind)) for name, kind in task_types.items()}
    return RunSpec.of(content | {"datasets": definitions, "evaluations": evaluations})


def analyses_of(evidence: Evidence) -> dict[str, Any]:
    """Return what the analyses give that a page is made from."""
    names = {*DRAWN, "pruning_recommendations", "search_tree", *(name for name, _ in FINDINGS)}
    modules = {name: importlib.import_module(f"blocksieve.analysis.{name}") for name in names}
    return {name: module.analyse(evidence) for name, module in modules.items()}


@dataclass(frozen=True)
class PlantedPage:
    """A run of which a page can be made, with the figures of DRAWN in a folder."""

    evidence: Evidence
    run: RunSpec
    folder: Path
    files: PageFiles | None = None
    description: Any = None
    deployment: Any = None

    @cached_property
    def results(self) -> dict[str, Any]:
        """What the analyses give."""
        return analyses_of(self.evidence)

    @cached_property
    def figures(self) -> dict[str, Path]:
        """The figures, drawn."""
        paths = {}
        for name in DRAWN:
            module = importlib.import_module(f"blocksieve.figures.{name}")
            paths[name] = self.folder / f"{name}.json"
            chart = module.draw(self.results[name], self.evidence.scale)
            paths[name].write_text(chart.to_json())
        return paths

    def content(self) -> Content:
        """Return the page's content, made anew."""
        files = replace(self.files or PageFiles({}), figures=self.figures)
        return compose(
            self.evidence, self.results, self.run, files, self.description, self.deployment
        )


def planted_page(folder: Path) -> PlantedPage:
    """Return a run of three datasets with samples, whose blocks cost COSTS."""
    evidence = planted_run(folder, COSTS, TASK_TYPES, n=400)
    evidence = replace(evidence, choices=choose(evidence), num_blocks=6, beams=BEAMS)
    samples, shards, shares = [], [], {}
    for dataset in sorted(COSTS):
        shards.append(_with_answers(folder, dataset))
        samples.append(_samples(folder, dataset))
        shares[dataset] = _times(shards[-1])
    times = folder / "times/single.0.json"
    write_job_times(times, shares)
    files = PageFiles({}, samples=samples, shards=shards, times=[times])
    return PlantedPage(
        evidence, planted_spec(TASK_TYPES), folder, files, DESCRIPTION, planted_deployment()
    )


def planted_deployment() -> Any:
    """Return what deployment.json says of a model that answers faster without blocks 1 and 2."""
    share = {"median": 0.75, "low": 0.7, "high": 0.8}
    timing = {"seconds": {"median": 0.03, "low": 0.028, "high": 0.032}, "of_whole": share}
    at_batch = [{"batch_size": 1, "repeats": 20, "first_token": timing, "further_token": timing}]
    parameters = {"none": 3_300_000, "1": 2_750_000, "1-2": 2_200_000}
    models = [
        {
            "combination": name,
            "parameters": count,
            "bytes": 4 * count,
            "at_batch": at_batch,
            "skipping": [],
        }
        for name, count in parameters.items()
    ]
    return {"conditions": {"device_name": "a CPU", "dtype": "float32"}, "models": models}


def _with_answers(folder: Path, dataset: str) -> Path:
    """Write a planted shard as a run would, its right answers `yes` and its wrong ones `no`."""
    planted = pl.read_parquet(folder / f"{dataset}.parquet")
    answer = pl.when(pl.col("score") > 0.5).then(pl.lit("yes")).otherwise(pl.lit("no"))
    path = folder / f"shards/{dataset}/single.0.parquet"
    path.parent.mkdir(parents=True)
    planted.with_columns(prediction=answer).write_parquet(path)
    return path


def _times(shard: Path) -> ShareTimes:
    """Return what a job took that computed 100 pairs of a shard."""
    computed: Computed = {
        "rung": "prefixes",
        "reason": "it is exact",
        "ran_on": "cpu",
        "flops": {"done": 1, "plain": 2, "bound": 1},
    }
    return ShareTimes(
        pairs=len(pl.read_parquet(shard)),
        computed=100,
        start_seconds=1.5,
        answer_seconds=20.25,
        engine=computed,
    )


def _samples(folder: Path, dataset: str) -> Path:
    """Write the samples of a planted shard; those of `documents` ask in hostile words."""
    planted = pl.read_parquet(folder / f"{dataset}.parquet")
    drawn = planted.filter(combination="none").select("sample_id", "cluster", "split", "role")
    question = HOSTILE if dataset == "documents" else f"What is in the {dataset}?"
    large = picture((600, 300), "navy")
    small = picture((20, 20), "orange")
    rows = [
        {
            **row,
            "question": question,
            "choices": [],
            "references": ["yes", HOSTILE],
            "images": [large if number == 0 else small],
        }
        for number, row in enumerate(drawn.iter_rows(named=True))
    ]
    path = folder / f"datasets/{dataset}.parquet"
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame(rows, schema=SAMPLE_SCHEMA).write_parquet(path)
    return path


def picture(size: tuple[int, int], colour: str) -> bytes:
    """Return a picture of one colour as BMP, which is large."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "BMP" if size[0] > 100 else "PNG")
    return buffer.getvalue()


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start Chromium without a window; skip where it, its driver or Selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver_path = shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("no browser: chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver_path)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def set_width(driver: Any, width: int) -> None:
    """Give the page so many pixels, as a telephone of this width would."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def show(driver: Any, content: Content, path: Path) -> None:
    """Write a page and open it; its figures may take a moment."""
    path.write_text(write_html(content, library()))
    open_page(driver, path)


def open_page(driver: Any, path: Path) -> None:
    """Open a page and wait until its scripts have run.

    On a busy machine the driver may come back while the page before is still there.
    """
    wait = importlib.import_module("selenium.webdriver.support.wait")
    driver.execute_script("window.isPageBefore = true")
    driver.get(path.as_uri())
    is_ready = "return !window.isPageBefore && document.readyState === 'complete'"
    wait.WebDriverWait(driver, SECONDS_TO_OPEN, 0.05).until(
        lambda browser: browser.execute_script(is_ready)
    )


def console(driver: Any) -> list[str]:
    """Return the errors of the browser's console since it was last asked.

    Warnings are Vega-Lite's remarks on the specs of figures.
    """
    entries = driver.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
