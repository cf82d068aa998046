"""The run's figures on the page: their Vega-Lite specs, and a sentence on how to read each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from blocksieve.figures.readings import READINGS
from blocksieve.report.findings import FINDINGS
from blocksieve.report.pruning_recommendations import supports_findings

BUDGET = 4_500_000
"""Characters of all specs together."""


class PageFigure(TypedDict):
    """A figure: how to read it, what it shows in this run, and its spec; None: left out."""

    name: str
    title: str
    reading: str
    findings: list[str]
    spec: Mapping[str, Any] | None


def page_figures(
    paths: Mapping[str, Path], results: Mapping[str, Any], unit: str
) -> list[PageFigure]:
    """Return the figures in the order of the paths, those without a place with no spec."""
    by_analysis = _findings_by_analysis(results, unit)
    budget = BUDGET
    figures: list[PageFigure] = []
    for name, path in paths.items():
        spec: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8"))
        length = len(json.dumps(spec, separators=(",", ":")))
        if length > budget:
            spec = None
        else:
            budget -= length
        figures.append(
            {
                "name": name,
                "title": name.replace("_", " "),
                "reading": READINGS[name],
                "findings": by_analysis.get(name, []),
                "spec": spec,
            }
        )
    return figures


def _findings_by_analysis(results: Mapping[str, Any], unit: str) -> dict[str, list[str]]:
    """Return the report's key findings by the analysis that they come from."""
    by_analysis: dict[str, list[str]] = {}
    if not supports_findings(results["pruning_recommendations"]):
        return by_analysis
    for analysis, find in FINDINGS:
        by_analysis.setdefault(analysis, []).extend(find(results[analysis], unit))
    return by_analysis
