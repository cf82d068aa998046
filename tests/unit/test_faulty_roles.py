"""Every analysis, figure and section where a dataset is faulty in one role only.

It is empty, has a baseline of 0, or has no drop in points.
"""

import importlib
import json
from collections.abc import Iterable
from dataclasses import replace
from importlib import resources

import jsonschema
import polars as pl
import pytest
from planted import planted_run

from blocksieve.analysis import ANALYSES, FIGURES, SECTIONS
from blocksieve.evidence import Evidence
from blocksieve.report.comprehensive_report import TITLE, compose
from blocksieve.report.findings import within_limits
from blocksieve.report.run_facts import RunFacts
from blocksieve.report.section import as_text

TYPES = {"a": "VQA", "b": "VQA", "c": "Captioning"}
FAULTS = {"empty": "relative", "zero": "relative", "unbounded": "points"}
"""Each with the scale on which the dataset then lacks drops."""
CASES = [(fault, role, True, TYPES) for fault in FAULTS for role in ("search", "holdout")]
CASES.append(("zero", "holdout", False, TYPES))
ALONE = [("zero", "holdout", paired, ("c",)) for paired in (True, False)]
CASES += ALONE
"""Fault, role, whether there are samples or a given table, and the datasets."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Evidence:
    """Return a run whose datasets can all lose block 1, so that their lists are the same."""
    costs = {name: [0.4, 0.0, 0.5, 0.1] for name in TYPES}
    return planted_run(tmp_path_factory.mktemp("whole"), costs, TYPES, n=60)


def with_fault(
    evidence: Evidence, fault: str, role: str, paired: bool, datasets: Iterable[str]
) -> Evidence:
    """Return the evidence of some datasets with a fault in dataset c and one role."""
    faulty = (pl.col("dataset") == "c") & (pl.col("role") == role)
    in_role = pl.col("role") == role
    sums = dict(evidence.sums)
    if fault == "empty":
        table = evidence.evaluations.filter(~faulty)
        sums["c"] = sums["c"].filter(~in_role)
    elif fault == "zero":
        changes = {"baseline": 0.0, "relative": None, "relative_se": None}
        columns = [
            pl.when(faulty).then(value).otherwise(name).alias(name)
            for name, value in changes.items()
        ]
        table = evidence.evaluations.with_columns(columns)
        sums["c"] = sums["c"].with_columns(
            baseline=pl.when(in_role).then(0.0).otherwise("baseline")
        )
    else:
        table = evidence.evaluations.with_columns(bounded=~faulty)
    table = table.filter(pl.col("dataset").is_in(list(datasets)))
    kept = {name: sums[name] for name in datasets if paired}
    return replace(evidence, evaluations=table, scale=FAULTS[fault], sums=kept)


def name_of(case: tuple) -> str:
    fault, role, paired, datasets = case
    return f"{fault} in {role}, paired {paired}, {len(datasets)} datasets"


@pytest.fixture(scope="module", params=CASES, ids=name_of)
def faulty(request, whole) -> tuple[Evidence, dict]:
    """Return the evidence of each case, and what the analyses give, computed when asked for."""
    return with_fault(whole, *request.param), {}


def result_of(faulty: tuple[Evidence, dict], name: str):
    evidence, results = faulty
    if name not in results:
        results[name] = importlib.import_module(f"blocksieve.analysis.{name}").analyse(evidence)
    return results[name]


@pytest.mark.parametrize("name", ANALYSES)
def test_analysis_and_figure_and_schema(faulty, name):
    result = result_of(faulty, name)
    if ANALYSES[name].output == "json":
        schema = resources.files("blocksieve.analysis").joinpath(f"{name}.schema.json").read_text()
        document = json.loads(json.dumps(result, allow_nan=False))
        jsonschema.validate(document, json.loads(schema))
    if name in FIGURES:
        figure = importlib.import_module(f"blocksieve.figures.{name}")
        assert figure.draw(result, faulty[0].scale).to_dict()


def report_of(faulty: tuple[Evidence, dict]) -> str:
    evidence, _ = faulty
    results = {name: result_of(faulty, name) for name in ANALYSES}
    assert set(SECTIONS) <= set(results)
    return as_text(TITLE, compose(evidence.evaluations, results, RunFacts(scale=evidence.scale)))


def test_report(faulty):
    text = report_of(faulty)
    assert "Recommendations" in text
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize("case", ALONE, ids=name_of)
def test_a_lone_dataset_without_a_baseline_on_holdout_confirms_nothing(whole, case):
    lone = (with_fault(whole, *case), {})
    text = report_of(lone)
    assert "Baseline 0 on c (holdout): it has no relative drop" in text
    document = result_of(lone, "pruning_recommendations")
    assert {strategy["end"] for strategy in document["strategies"].values()} == {"not confirmed"}
    sentences = list(within_limits(document, "%"))
    assert len(sentences) == 3
    assert all("not confirmed" in each and "baseline is 0" in each for each in sentences)
