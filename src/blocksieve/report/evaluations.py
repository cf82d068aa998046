"""The report's sections on the evaluations: baselines, and answers to be careful with."""

from collections.abc import Iterator, Mapping

import polars as pl

from blocksieve.evaluations import IS_WEAK, MIN_BASELINE_ERRORS, with_derived
from blocksieve.report.columns import Column, count, table_section, text, unsigned
from blocksieve.report.numbers import UNKNOWN
from blocksieve.report.section import Section


def sections(evaluations: pl.DataFrame, metrics: Mapping[str, str]) -> list[Section]:
    """Return the sections on the table of evaluations; `metrics`: by dataset, where known."""
    cautions = [
        *_not_evaluable(evaluations),
        *_raced_out(evaluations),
        *_not_finite(evaluations),
        *_near_ties(evaluations),
        *_unparsable(evaluations),
    ]
    return [
        _baselines(evaluations, metrics),
        Section(title="Answers to be careful with", notes=cautions),
    ]


def _baselines(evaluations: pl.DataFrame, metrics: Mapping[str, str]) -> Section:
    """List the baselines, and below them those without a relative drop, and weak ones."""
    search_first = pl.col("role") != "search"
    baselines = with_derived(evaluations.filter(size=0)).sort(search_first, "role", "dataset")
    none_lost = baselines.filter(pl.col("baseline") <= 0).select("baseline", "dataset", "role")
    left_out = [
        f"Baseline {baseline:.3g} on {dataset} ({role}): it has no relative drop and is left out of"
        " every drop %."
        for baseline, dataset, role in none_lost.iter_rows()
    ]
    weak = baselines.filter(IS_WEAK, pl.col("baseline") > 0, role=baselines["role"].first())
    for dataset, baseline, se in weak.select("dataset", "baseline", "baseline_se").iter_rows():
        left_out.append(
            f"Baseline {baseline:.3g} on {dataset} has a standard error of {se:.2g} and so lies"
            f" less than {MIN_BASELINE_ERRORS} of them above 0: drops there in % of the baseline"
            " are hardly known, and means over datasets in % leave it out where they have others."
        )
    columns = [
        text("dataset"),
        text("task type"),
        Column("metric", lambda record: metrics.get(record["dataset"], UNKNOWN)),
        text("role"),
        count("samples", "n"),
        count("clusters", "n_clusters"),
        unsigned("baseline", digits=4),
    ]
    return table_section(
        title="Datasets and baseline scores",
        columns=columns,
        records=baselines.to_dicts(),
        text_columns=4,
        below=left_out,
    )


def _not_evaluable(evaluations: pl.DataFrame) -> Iterator[str]:
    """Name the combinations that the model cannot run."""
    refused = (
        evaluations.drop_nulls("not_evaluable")
        .unique(["combination", "not_evaluable"])
        .sort("size", "removed")
    )
    for combination, reason in refused.select("combination", "not_evaluable").iter_rows():
        yield f"Combination {combination} cannot be evaluated: {reason}."


def _raced_out(evaluations: pl.DataFrame) -> Iterator[str]:
    """Count for each dataset the combinations that racing dropped, and the pairs it saved."""
    rows = with_derived(evaluations).filter(pl.col("size") > 0, role="search")
    by_dataset = rows.group_by("dataset", maintain_order=True).agg(
        combinations=pl.len(),
        raced_out=pl.sum("raced_out"),
        pairs=pl.len() * pl.max("n"),
        saved=(pl.max("n") - pl.col("n")).filter("raced_out").sum(),
    )
    for dataset, combinations, raced_out, pairs, saved in by_dataset.iter_rows():
        if raced_out:
            yield (
                f"{dataset}: {raced_out:,} of {combinations:,} combinations were raced out, which"
                f" saved {saved:,} of {pairs:,} answers; their drops on the samples that they"
                " answered are not compared with those of others."
            )


def _not_finite(evaluations: pl.DataFrame) -> Iterator[str]:
    """Name the combinations that gave no numbers."""
    broken = evaluations.filter(pl.col("non_finite") > 0)
    in_order = broken.sort("size", "removed", "dataset", "role")
    for row in in_order.to_dicts():
        yield (
            f"Combination {row['combination']} gave NaN or infinite logits on {row['non_finite']}"
            f" of {row['n']} samples of {row['dataset']} ({row['role']});"
            " their scores count as they came out."
        )


def _near_ties(evaluations: pl.DataFrame) -> Iterator[str]:
    """Say how many answers hung on a rounding."""
    for dataset, num_ties, num_answers in _per_dataset(evaluations, "near_ties"):
        yield (
            f"{dataset}: {num_ties:,} of {num_answers:,} answers hung on a difference below two"
            " steps of the number format; in batches of another size they could be others."
        )


def _unparsable(evaluations: pl.DataFrame) -> Iterator[str]:
    """Say how many answers no metric could read."""
    for dataset, num_unparsable, num_answers in _per_dataset(evaluations, "unparsable"):
        yield (
            f"{dataset}: {num_unparsable:,} of {num_answers:,} answers could not be read as one of"
            " the choices; they count as wrong."
        )


def _per_dataset(evaluations: pl.DataFrame, column: str) -> list[tuple[str, int, int]]:
    """Return dataset, sum of a column and number of answers, where the sum is not 0."""
    sums = evaluations.group_by("dataset").agg(pl.sum(column, "n")).sort("dataset")
    return sums.filter(pl.col(column) > 0).rows()
