"""All that the page shows, assembled from what a run left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

from blocksieve.combination import HALVES_COUNT, NONE, Combination
from blocksieve.evidence import Evidence
from blocksieve.model_description import ModelDescription
from blocksieve.page.answers import Answer, answers
from blocksieve.page.figures import PageFigure, page_figures
from blocksieve.page.gain import Deployment, Fact, gains
from blocksieve.page.measurements import Measurements, measurements
from blocksieve.page.run_log import JobRow, run_log
from blocksieve.page.samples import SampleFiles, Samples, shown_samples
from blocksieve.page.search import Search, searches
from blocksieve.page.trade_off import CurvePoint, curve_points, draw
from blocksieve.report.findings import FINDINGS_SAMPLES, findings
from blocksieve.report.pruning_recommendations import supports_findings, what_samples_can_tell
from blocksieve.specs import RunSpec, SearchUnit
from blocksieve.units import SHORT_DROP_TITLES

DEFAULT_STRATEGY = "balanced"


class Inputs(Protocol):
    """The inputs of the page's rule; `samples`, `shards` and `times` are empty for a table."""

    figures: Sequence[str]
    samples: Sequence[str]
    shards: Sequence[str]
    times: Sequence[str]


@dataclass(frozen=True)
class PageFiles:
    """Where the parts of a run lie that are read for the page alone, figures by their names.

    Samples and shards are named by their datasets.
    """

    figures: Mapping[str, Path]
    samples: Sequence[Path] = ()
    shards: Sequence[Path] = ()
    times: Sequence[Path] = ()

    @classmethod
    def of(cls, inputs: Inputs) -> "PageFiles":
        """Take the files from the rule's inputs."""
        return cls(
            figures={Path(path).stem: Path(path) for path in inputs.figures},
            samples=[Path(path) for path in inputs.samples],
            shards=[Path(path) for path in inputs.shards],
            times=[Path(path) for path in inputs.times],
        )

    def by_dataset(self) -> dict[str, SampleFiles]:
        """Return each dataset's samples with the shards that hold answers to them."""
        files: dict[str, SampleFiles] = {}
        for samples in self.samples:
            dataset = samples.stem
            shards = [shard for shard in self.shards if shard.parent.name == dataset]
            files[dataset] = {"samples": samples, "shards": shards}
        return files


class Content(TypedDict):
    """What the template and the page's scripts show."""

    run: str
    model: str
    facts: list[str]
    unit: str
    drop_title: str
    supported: bool
    can_tell: list[str]
    findings: list[str]
    findings_samples: str
    answers: list[Answer]
    first_answer: int
    gains: dict[str, list[Fact]]
    curve: list[CurvePoint]
    chart: Mapping[str, Any]
    measurements: Measurements
    searches: list[Search]
    samples: Samples | None
    figures: list[PageFigure]
    jobs: list[JobRow]
    left_out: list[str]


def compose(
    evidence: Evidence,
    results: Mapping[str, Any],
    run: RunSpec,
    files: PageFiles,
    description: ModelDescription | None = None,
    deployment: Deployment | None = None,
) -> Content:
    """Return the content of a run's page; `results`: of every analysis, by its name.

    `description` of the model is None for a given table, `deployment` where no gain was measured.
    """
    document = results["pruning_recommendations"]
    unit = evidence.unit
    at_stops = answers(document, evidence.depth)
    curve = curve_points(results)
    metrics = {name: definition.metric for name, definition in run.datasets.items()}
    measured = measurements(evidence, results["rankings_by_num_removed"], metrics)
    figures = page_figures(files.figures, results, unit)
    samples = None
    if files.samples:
        samples = shown_samples(files.by_dataset(), _shown_lists(at_stops, document["sizes"]))
    lists = {answer["combination"] for answer in at_stops} - {str(NONE)}
    return {
        "run": run.run,
        "model": run.model_name,
        "facts": _facts(evidence, description, run.search.unit),
        "unit": unit,
        "drop_title": SHORT_DROP_TITLES[evidence.scale],
        "supported": supports_findings(document),
        "can_tell": what_samples_can_tell(document, unit),
        "findings": findings(results, unit),
        "findings_samples": FINDINGS_SAMPLES,
        "answers": at_stops,
        "first_answer": _first_answer(at_stops),
        "gains": {
            name: gains(Combination.parse(name), description, deployment) for name in sorted(lists)
        },
        "curve": curve,
        "chart": draw(curve, evidence.scale).to_dict(),
        "measurements": measured,
        "searches": searches(results["search_tree"]),
        "samples": samples,
        "figures": figures,
        "jobs": run_log(files.times),
        "left_out": _left_out(measured, samples, figures),
    }


def _facts(evidence: Evidence, description: ModelDescription | None, unit: SearchUnit) -> list[str]:
    facts = []
    if description is not None:
        facts.append(description["architecture"])
        facts.append(f"{description['parameters']:,} parameters")
    facts.append(f"{evidence.depth} blocks")
    if unit == "half":
        facts.append(HALVES_COUNT)
    num_datasets = len(evidence.datasets)
    facts.append("1 dataset" if num_datasets == 1 else f"{num_datasets} datasets")
    facts.append(f"{len(evidence.coverage):,} lists measured")
    return facts


def _shown_lists(at_stops: Sequence[Answer], sizes: Sequence[Any]) -> list[Combination]:
    """Return the lists whose answers are shown: of every answer, else the best of every size."""
    names = [answer["combination"] for answer in at_stops if answer["kept"]]
    if not names:
        names = [best["combination"] for best in sizes]
    return sorted({Combination.parse(name) for name in names}, key=lambda each: each.size)


def _first_answer(at_stops: Sequence[Answer]) -> int:
    """Return the place of the answer that the page opens with."""
    for place, answer in enumerate(at_stops):
        if answer["strategy"] == DEFAULT_STRATEGY:
            return place
    return len(at_stops) - 1


def _left_out(
    measured: Measurements, samples: Samples | None, figures: Sequence[PageFigure]
) -> list[str]:
    """Say what has no place on the page."""
    sentences = []
    if measured["left_out"]:
        sentences.append(
            f"{measured['left_out']:,} lists of the last ranks; evaluations.parquet has them."
        )
    if samples is not None:
        num_samples = sum(each["num_samples"] for each in samples["datasets"])
        num_shown = sum(len(each["samples"]) for each in samples["datasets"])
        if num_shown < num_samples:
            sentences.append(
                f"{num_samples - num_shown:,} of {num_samples:,} holdout samples, first those"
                " whose score no list changes; datasets/ and shards/ have them."
            )
        if samples["pictures_left_out"]:
            sentences.append(
                f"{samples['pictures_left_out']:,} pictures of samples; datasets/ has them."
            )
    names = [figure["name"] for figure in figures if figure["spec"] is None]
    if names:
        sentences.append(f"The figures {', '.join(names)}; figures/ has them.")
    return sentences
