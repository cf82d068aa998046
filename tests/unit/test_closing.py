"""What a run says at its end."""

import json
from pathlib import Path

from planted import planted_evaluations, planted_evidence

from blocksieve.analysis.pruning_recommendations import analyse
from blocksieve.files import write_json, write_text
from blocksieve.report.closing import closing_lines

DROPS = {name: {(0,): 0.4, (1,): 0.001, (2,): 0.3} for name in ("a", "b")}


def finished(folder: Path, se: float) -> Path:
    evaluations = planted_evaluations(DROPS, dict.fromkeys(DROPS, 1.0), se=se, n=400)
    document = analyse(planted_evidence(evaluations))
    write_json(folder / "analysis/pruning_recommendations.json", document)
    write_text(folder / "report/index.html", "")
    write_text(folder / "report/comprehensive_report.md", "")
    exports = [
        {"strategies": ["balanced", "aggressive"], "checkpoint": "models/1", "refused": None},
        {"strategies": ["conservative"], "checkpoint": None, "refused": "no such class"},
    ]
    write_text(folder / "deployment/exports.json", json.dumps(exports))
    return folder


def test_a_run_ends_with_the_answer_and_where_to_look(tmp_path: Path) -> None:
    lines = closing_lines(finished(tmp_path, se=0.001))
    assert [line.split(":")[0] for line in lines] == [
        "Conservative",
        "Balanced",
        "Aggressive",
        "page",
        "report",
        "model (balanced, aggressive)",
        "model (conservative)",
    ]
    assert "remove 1 (1 block)" in lines[1]
    assert lines[5].endswith(": models/1")
    assert lines[6].endswith(": not exported: no such class")


def test_samples_that_tell_nothing_give_no_answer(tmp_path: Path) -> None:
    first, *_ = closing_lines(finished(tmp_path, se=0.5))
    assert first.endswith("these samples support no finding.")


def test_a_run_that_made_none_of_it_says_nothing(tmp_path: Path) -> None:
    assert closing_lines(tmp_path) == []
