"""The report of a run: what was run, key findings, every analysis as tables, what numbers mean."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import polars as pl

from blocksieve.analysis import SECTIONS
from blocksieve.report import evaluations
from blocksieve.report.findings import findings
from blocksieve.report.pruning_recommendations import what_samples_can_tell
from blocksieve.report.run_facts import RunFacts, settings_section
from blocksieve.report.section import Section
from blocksieve.units import UNITS

TITLE = "blocksieve: comprehensive report"
PAGE = (
    "index.html, beside this report, shows the same in a browser: what may be removed at the loss"
    " that you accept, any set of blocks, the samples that a list breaks, and your own weights."
)
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
    "samples: all datasets together."
    " More samples narrow the interval by the square root of their number.",
    "The first ranks were chosen among many for their small drop on the search samples, so their"
    " drop there is on average too small."
    " The holdout samples, never used to choose, do not have this flaw.",
    "-: not known (no such dataset, or too few clusters or datasets).",
)


def compose(table: pl.DataFrame, results: Mapping[str, Any], facts: RunFacts) -> list[Section]:
    """Return the report's sections, the same for the same input.

    `table`: the evaluations. `results`: every analysis' table or document, by its name.
    """
    unit = UNITS[facts.scale]
    can_tell = what_samples_can_tell(results["pruning_recommendations"], unit)
    sections = [
        Section(title="What these samples can tell", notes=can_tell),
        Section(title="To look at", notes=[PAGE]),
        settings_section(facts),
        *evaluations.sections(table, facts.metrics),
        Section(title="Key findings", notes=findings(results, unit)),
    ]
    for name in SECTIONS:
        module = import_module(f"blocksieve.report.{name}")
        sections += module.sections(results[name], unit)
    sections.append(Section(title="What the numbers mean", notes=NOTES))
    return sections
