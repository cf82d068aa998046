"""The report of a run: the answer, key findings, every analysis, what was run and what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import polars as pl

from blocksieve.analysis import ANALYSES, Analysis
from blocksieve.figures.readings import READINGS
from blocksieve.report import evaluations
from blocksieve.report.findings import (
    FINDINGS_SAMPLES,
    findings,
    verified,
    within_limits,
)
from blocksieve.report.pruning_recommendations import (
    Recommendations,
    supports_findings,
    what_samples_can_tell,
)
from blocksieve.report.run_facts import RunFacts, settings_section
from blocksieve.report.section import Section
from blocksieve.units import UNITS

TITLE = "blocksieve: which blocks may be removed"
PAGE = (
    "index.html, beside this report, shows the same in a browser: what may be removed at the loss"
    " that you accept, any set of blocks, the samples that a list breaks, and your own weights."
)
HALVES = (
    "4a is what mixes tokens in block 4, such as its attention, and 4m its MLP. Where blocks are"
    " counted here, each of them counts as one."
)
ON_SEARCH_SAMPLES = "On search samples."
NOTES = (
    "A combination is the set of removed blocks, counted from 0; its size is how many they are.",
    "A drop is the baseline score minus the score without the blocks, on the same samples."
    " A negative drop is a gain.",
    "drop %: the share of the baseline score that is lost, averaged over the datasets without those"
    " whose baseline is too close to 0.",
    "drop pp: the drop in percentage points (100 x score), averaged over the datasets whose metric"
    " lies in [0, 1].",
    "All datasets weigh the same in a mean, except for those that the setting analysis.weights"
    " names.",
    "95 % interval: how sure we are of that average, for these datasets."
    " Samples of one image count as one cluster.",
    "datasets of this kind: the 95 % interval of the average over all such datasets, if those of"
    " the run are a fair choice of them. It counts how differently they respond, and how few they"
    " are.",
    "spread: the standard deviation of the true drops over the datasets, so how differently they"
    " respond. Sampling noise is taken out of it, so that it does not shrink with more samples, and"
    " it is no interval.",
    "coverage: the number of datasets evaluated, of all in the run."
    " Only combinations with every dataset are ranked.",
    "=: tied with the first: not shown to be worse on the same samples, allowing for the first"
    " having been picked.",
    "q: p adjusted for the number of tests (Benjamini and Hochberg), what costs more and what costs"
    " less apart. Up to 0.05 a difference counts as shown: of such findings at most 5 % are false,"
    " on average.",
    "samples: all datasets together."
    " More samples narrow the interval by the square root of their number.",
    "The first ranks were chosen among many for their small drop on the search samples, so their"
    " drop there is on average too small."
    " The holdout samples, never used to choose, do not have this flaw.",
    "-: not known (no such dataset, or too few clusters or datasets).",
)


def compose(table: pl.DataFrame, results: Mapping[str, Any], facts: RunFacts) -> list[Section]:
    """Return the report's sections, the same for the same input; the first is the answer.

    `table`: the evaluations. `results`: every analysis' table or document, by its name.
    """
    unit = UNITS[facts.scale]
    recommendations = results["pruning_recommendations"]
    has_halves = table["combination"].str.contains("[am]($|-)").any()
    halves = [HALVES] if has_halves else []
    sections = [
        Section(title="The answer", notes=[*answer(recommendations, unit), *halves, PAGE]),
        Section(title="Key findings", notes=_with_samples(findings(results, unit))),
    ]
    appendix = []
    for name, analysis in ANALYSES.items():
        if analysis.of_halves and name not in results:
            continue
        of_analysis = _sections_of(name, analysis, results, unit)
        if analysis.appendix:
            appendix += of_analysis
        else:
            sections += of_analysis
    for section in appendix:
        sections.append(replace(section, title=f"Appendix: {_begun_small(section.title)}"))
    return [
        *sections,
        *evaluations.sections(table, facts.metrics),
        settings_section(facts),
        Section(title="What the numbers mean", notes=NOTES),
    ]


def _with_samples(sentences: Sequence[str]) -> list[str]:
    """Add which samples the findings come from, if there are any."""
    return [*sentences, FINDINGS_SAMPLES] if sentences else []


def answer(document: Recommendations, unit: str) -> list[str]:
    """Return what these samples can tell, and then what may be removed within each limit."""
    can_tell = what_samples_can_tell(document, unit)
    if not supports_findings(document):
        return can_tell
    return [*can_tell, *verified(document, unit), *within_limits(document, unit)]


def _sections_of(
    name: str, analysis: Analysis, results: Mapping[str, Any], unit: str
) -> list[Section]:
    """Return an analysis' sections, its figure in the first of them."""
    sections: list[Section] = []
    if analysis.section:
        module = import_module(f"blocksieve.report.{name}")
        sections += module.sections(results[name], unit)
    if analysis.on_search_samples and sections:
        sections[0] = replace(sections[0], notes=[ON_SEARCH_SAMPLES, *sections[0].notes])
    if analysis.figure:
        first = sections[0] if sections else Section(title=_spelled(name))
        sections[:1] = [replace(first, figure=name, reading=READINGS[name])]
    return sections


def _spelled(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _begun_small(title: str) -> str:
    return title[0].lower() + title[1:]
