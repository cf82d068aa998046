"""The last lines of a run on the screen: the answer, and where to look."""

import json
import sys
from pathlib import Path

from blocksieve.report.findings import within_limits
from blocksieve.report.pruning_recommendations import supports_findings, what_samples_can_tell


def closing_lines(results: Path) -> list[str]:
    """Return the answer of a finished run, and where page, report and models lie.

    Nothing of what the run has not made.
    """
    lines: list[str] = []
    recommendations = results / "analysis/pruning_recommendations.json"
    if recommendations.is_file():
        document = json.loads(recommendations.read_text(encoding="utf-8"))
        if supports_findings(document):
            lines += within_limits(document, document["unit"])
        else:
            lines += what_samples_can_tell(document, document["unit"])
    for name, path in {
        "page": results / "report/index.html",
        "report": results / "report/comprehensive_report.md",
    }.items():
        if path.is_file():
            lines.append(f"{name}: {path}")
    exports = results / "deployment/exports.json"
    if exports.is_file():
        lines += _models(exports)
    return lines


def _models(exports: Path) -> list[str]:
    """Return where each exported model lies, or why it was refused."""
    lines = []
    for export in json.loads(exports.read_text(encoding="utf-8")):
        strategies = ", ".join(export["strategies"])
        place = export["checkpoint"] or f"not exported: {export['refused']}"
        lines.append(f"model ({strategies}): {place}")
    return lines


def print_closing_lines(results: Path) -> None:
    """Print `closing_lines` behind all that Snakemake says."""
    lines = closing_lines(results)
    if lines:
        print("\n".join(["", *lines]), file=sys.stderr)
