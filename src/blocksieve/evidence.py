"""All that a run leaves for its analyses: drops on one scale, how they vary together, and the beams."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.errors import DataError
from blocksieve.pieces import pieces
from blocksieve.statistics import (
    Contrasts,
    Drops,
    macro_contrasts,
    p_values,
    paired_drops,
    student_interval,
)

Scale = Literal["relative", "points"]
Role = Literal["search", "holdout"]
PERCENT = 100
NEEDED = (
    *(
        "dataset",
        "task_type",
        "combination",
        "removed",
        "size",
        "role",
        "n",
        "n_clusters",
        "drop",
        "se",
        "ci_low",
    ),
    *("ci_high", "relative", "relative_se", "bounded", "wins", "losses"),
)
Weights = Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """What analyses are made from, for the samples of one role.

    `evaluations`: as merged, all roles. `sums`: per cluster, as `sum_clusters` makes them, by dataset, each read when
    needed; without any (a given table) drops count as independent in every comparison of two. `settings`: the config's
    `analysis`. `beams`: kept combinations by scope (a dataset, or generic) and size. `num_blocks`: of the model, None
    if unknown. `choices`: what the run chose, as its finalists' file says (see `blocksieve.choices`).
    """

    evaluations: pl.DataFrame
    settings: Mapping[str, Any]
    sums: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    beams: Mapping[str, Mapping[int, list[str]]] = field(default_factory=dict)
    num_blocks: int | None = None
    choices: Sequence[Mapping[str, Any]] = ()
    role: Role = "search"

    @property
    def scale(self) -> Scale:
        """Relative drops in %, or drops in percentage points."""
        scale: Scale = self.settings["across_datasets"]
        return scale

    @property
    def unit(self) -> str:
        """The unit of drops: % of the baseline, or percentage points."""
        return "%" if self.scale == "relative" else "pp"

    @property
    def paired(self) -> bool:
        """Whether drops are compared on the same samples."""
        return bool(self.sums)

    @property
    def depth(self) -> int:
        """Blocks of the model; where it is not known, those that the combinations show."""
        return self.num_blocks or 1 + max(max(blocks) for blocks in self.table["removed"].to_list())

    @cached_property
    def held_out(self) -> "Evidence | None":
        """The same from the holdout samples, never used to choose; None where none were evaluated."""
        measured = self.evaluations.filter(
            pl.col("role") == "holdout", pl.col("size") > 0, pl.col("not_evaluable").is_null()
        )
        return None if measured.is_empty() else replace(self, role="holdout")

    @cached_property
    def table(self) -> pl.DataFrame:
        """A row a dataset and combination of size 1 or more: `drop`, `se`, `low`, `high` in % or pp.

        Datasets without this scale (baseline 0; metric not in [0, 1]) have no rows. Ordered by dataset, size, removed.
        """
        rows = rows_of_role(self.evaluations, self.role).filter(pl.col("size") > 0)
        if self.scale == "relative":
            rows = rows.filter(pl.col("relative").is_not_null())
            ends = [
                student_interval(mean, _number(se), clusters)
                for mean, se, clusters in rows.select(
                    "relative", "relative_se", "n_clusters"
                ).iter_rows()
            ]
            numbers = {"drop": "relative", "se": "relative_se"}
            low, high = ([getattr(end, name) for end in ends] for name in ("low", "high"))
            rows = rows.with_columns(
                low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64)
            )
        else:
            rows = rows.filter("bounded").with_columns(low="ci_low", high="ci_high")
            numbers = {"drop": "drop", "se": "se"}
        scaled = {name: pl.col(source) * PERCENT for name, source in numbers.items()}
        table = rows.with_columns(
            **scaled, low=pl.col("low") * PERCENT, high=pl.col("high") * PERCENT
        )
        if (
            rows.is_empty()
            and not rows_of_role(self.evaluations, self.role).filter(pl.col("size") > 0).is_empty()
        ):
            raise DataError(
                f"{self.role} samples: no dataset has a drop on the scale across_datasets: {self.scale}"
                " (relative needs a baseline other than 0, points a metric in [0, 1]); choose the other scale"
            )
        return (
            table.select(
                *("dataset", "task_type", "combination", "removed", "size", "n", "n_clusters"),
                *("drop", "se", "low", "high", "wins", "losses"),
            )
            .fill_nan(None)
            .sort("dataset", "size", "removed")
        )

    @cached_property
    def task_types(self) -> dict[str, str]:
        """Datasets in order of their task type, then name."""
        order = self.table.select("task_type", "dataset").unique().sort("task_type", "dataset")
        return {dataset: task_type for task_type, dataset in order.iter_rows()}

    @cached_property
    def names(self) -> dict[str, dict[str, int]]:
        """For each dataset its combinations, numbered."""
        return {
            dataset: {name: place for place, name in enumerate(rows["combination"])}
            for (dataset,), rows in self.table.group_by("dataset", maintain_order=True)
        }

    @cached_property
    def drops(self) -> dict[str, Drops]:
        """For each dataset the drops of its combinations, in % or pp, in the order of `names`."""
        return {dataset: self._drops(dataset, list(names)) for dataset, names in self.names.items()}

    def _drops(self, dataset: str, names: list[str]) -> Drops:
        if dataset in self.sums:
            return clustered_drops(self.sums_of(dataset), names, self.scale, self.change[dataset])
        rows = self.table.filter(pl.col("dataset") == dataset)
        errors = np.array([_number(se) for se in rows["se"]])
        return Drops(
            rows["drop"].to_numpy(), np.zeros((len(rows), 0)), errors, min(rows["n_clusters"]) - 1
        )

    def sums_of(self, dataset: str) -> pl.DataFrame:
        """The dataset's sums a cluster, of this role."""
        return self.sums[dataset].filter(pl.col("role") == self.role).collect()

    @cached_property
    def samples(self) -> dict[str, int]:
        """For each dataset its number of samples."""
        return dict(self.table.group_by("dataset").agg(pl.max("n")).iter_rows())

    @cached_property
    def change(self) -> dict[str, float]:
        """For each dataset how large one change of a score is: 1 for scores in [0, 1], else the mean baseline."""
        largest = pl.when(pl.first("bounded")).then(1.0).otherwise(pl.first("baseline"))
        return dict(
            rows_of_role(self.evaluations, self.role).group_by("dataset").agg(largest).iter_rows()
        )

    @cached_property
    def coverage(self) -> dict[str, list[str]]:
        """For each combination, by size and removed blocks, the datasets that it was evaluated on."""
        rows = self.table.group_by("size", "removed", "combination").agg(pl.col("dataset").sort())
        return dict(rows.sort("size", "removed").select("combination", "dataset").iter_rows())

    def full(self, *sizes: int) -> list[str]:
        """The combinations evaluated on every dataset, of these sizes or of all."""
        return [
            name
            for name, datasets in self.coverage.items()
            if len(datasets) == len(self.names) and (not sizes or name.count("-") + 1 in sizes)
        ]

    @property
    def sizes(self) -> list[int]:
        """The sizes of which some combination was evaluated on every dataset."""
        return sorted({name.count("-") + 1 for name in self.full()})

    def average(
        self, contrasts: Sequence[Weights], datasets: Iterable[str] | None = None
    ) -> pl.DataFrame:
        """Weighted sums of combinations' drops, averaged over datasets (all of them) with equal weight.

        A row a contrast: `mean`, `se`, `low`, `high` in % or pp, two-sided `p` against 0. All named combinations must
        have been evaluated on all the datasets.
        """
        chosen = list(self.names) if datasets is None else list(datasets)
        names = list(dict.fromkeys(name for contrast in contrasts for name in contrast))
        places = {name: place for place, name in enumerate(names)}
        weights = np.zeros((len(contrasts), len(names)))
        for row, contrast in enumerate(contrasts):
            weights[row, [places[name] for name in contrast]] = list(contrast.values())
        found = macro_contrasts(
            [self.subset(dataset, names) for dataset in chosen], [weights] * len(chosen)
        )
        return _rows(found)

    def subset(self, dataset: str, combinations: Sequence[str]) -> Drops:
        """Some combinations' drops on a dataset."""
        return self.drops[dataset].subset([self.names[dataset][name] for name in combinations])

    def values(self, dataset: str, combinations: Sequence[str]) -> NDArray[np.float64]:
        """Some combinations' drops on a dataset, in % or pp."""
        return self.subset(dataset, combinations).means

    def mean_drops(
        self, combinations: Sequence[str], datasets: Iterable[str]
    ) -> NDArray[np.float64]:
        """Their macro-average over datasets, without an interval."""
        mean: NDArray[np.float64] = np.mean(
            [self.values(dataset, combinations) for dataset in datasets], axis=0
        )
        return mean

    def average_of(self, contrasts: Mapping[str, Weights]) -> dict[str, Any]:
        """One row of `average` in which every dataset has a weighted sum of its own."""
        drops = [self.subset(dataset, list(weights)) for dataset, weights in contrasts.items()]
        found = macro_contrasts(
            drops, [np.array([list(weights.values())]) for weights in contrasts.values()]
        )
        return _rows(found).row(0, named=True)


def clustered_drops(sums: pl.DataFrame, names: Sequence[str], scale: Scale, change: float) -> Drops:
    """Drops of these combinations in % or pp from sums a cluster; all must have the same samples.

    `change`: see `clustered_mean`.
    """
    wide = wide_sums(sums)
    lacking = [name for name in names if name not in wide.columns or wide[name].null_count()]
    if lacking:
        raise DataError(
            f"combination {lacking[0]} was not evaluated on the same samples as others; rerun its jobs"
        )
    drops = wide.select(names).to_numpy().T
    return paired_drops(drops, wide["baseline"], wide["n"], scale == "relative", change).scaled(
        PERCENT
    )


def wide_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """A row a cluster: its first `split`, `n`, the sum of `baseline`, and a column of summed drops a combination."""
    whole = (
        sums.group_by("combination", "cluster")
        .agg(pl.min("split"), pl.sum("drop", "baseline", "n"))
        .sort("cluster")
    )
    return whole.pivot(
        "combination",
        index=["cluster", "split", "n", "baseline"],
        values="drop",
        aggregate_function=None,
    )


def read_evidence(
    evaluations: str,
    settings: Mapping[str, Any],
    sums: Iterable[str],
    beams: Iterable[str],
    model: str | None,
    finalists: str | None,
) -> Evidence:
    """Read what a run left: evaluations, sums a cluster, beams, the model's description, finalists.

    A file of sums is named by its dataset.
    """
    num_blocks = json.loads(Path(model).read_text())["num_blocks"] if model else None
    tables = {Path(path).stem: pl.scan_parquet(path) for path in sums}
    choices = json.loads(Path(finalists).read_text())["choices"] if finalists else ()
    return Evidence(
        pl.read_parquet(evaluations), settings, tables, read_beams(beams), num_blocks, choices
    )


def read_beams(paths: Iterable[str]) -> dict[str, dict[int, list[str]]]:
    """What beams kept, the best first, by scope (the name of the folder) and size (of the file remove{size}.json)."""
    kept: dict[str, dict[int, list[str]]] = {}
    for path in map(Path, paths):
        size, entries = int(path.stem.removeprefix("remove")), json.loads(path.read_text())["beam"]
        kept.setdefault(path.parent.name, {})[size] = [entry["combination"] for entry in entries]
    return kept


def sum_clusters(shards: Iterable[Path]) -> pl.DataFrame:
    """A row a combination, role, split and cluster of one dataset: `n` samples, sums of `drop` and `baseline`.

    In score units. From sample-level shards, the baseline's among them, without holding all samples at once.
    """
    rows = pl.scan_parquet(list(shards)).select(
        "combination", "sample_id", "cluster", "split", "role", "score"
    )
    rows = rows.filter(pl.col("score").is_not_null()).with_columns(pl.col("score").cast(pl.Float64))
    whole = rows.filter(pl.col("combination") == "none").unique("sample_id")
    baseline = whole.select("sample_id", baseline="score").collect().lazy()
    tables = [
        piece.filter(pl.col("combination") != "none")
        .unique(["combination", "sample_id"])
        .join(baseline, on="sample_id")
        .with_columns(drop=pl.col("baseline") - pl.col("score"))
        .group_by("combination", "role", "split", "cluster")
        # Sorted, so that rounding does not depend on the order in which rows come.
        .agg(n=pl.len(), drop=pl.col("drop").sort().sum(), baseline=pl.col("baseline").sort().sum())
        .sort("combination", "role", "split", "cluster")
        .collect()
        for piece in pieces(rows)  # which are in the order of the combinations
    ]
    return pl.concat(tables)


def rows_of_role(evaluations: pl.DataFrame, role: Role) -> pl.DataFrame:
    """Select the evaluable rows of one role, checked; an unknown number is null in them, never nan."""
    missing = [name for name in NEEDED if name not in evaluations.columns]
    if missing:
        raise DataError(
            f"evaluations table: columns missing: {', '.join(missing)}; add them to the table"
        )
    rows = evaluations.filter(pl.col("role") == role, pl.col("not_evaluable").is_null()).fill_nan(
        None
    )
    if rows.is_empty():
        raise DataError(
            f"evaluations table: no row has role {role}; evaluate samples of this role first"
        )
    faults = {
        "two rows": rows.filter(pl.struct("dataset", "combination").is_duplicated()),
        "no drop": rows.filter(pl.col("drop").is_null()),
    }
    for fault, found in faults.items():
        if not found.is_empty():
            dataset, combination = found.select("dataset", "combination").row(0)
            raise DataError(
                f"evaluations table: {fault} for dataset {dataset}, combination {combination}, role {role};"
                " keep one row with its drop"
            )
    return rows


def difference(one: str, other: str) -> dict[str, float]:
    """The contrast that says how much more one combination costs than the other; nothing for the same one."""
    return {} if one == other else {one: 1.0, other: -1.0}


def measured(
    evidence: Evidence | None,
    dataset: str,
    combinations: Iterable[str],
    contrasts: Sequence[Weights],
) -> list[dict[str, Any]]:
    """A row of `average` a contrast, on one dataset; without numbers where one of the combinations was not measured."""
    if evidence is None or not set(combinations) <= set(evidence.names.get(dataset, ())):
        return [dict.fromkeys(("mean", "se", "low", "high", "p"))] * len(contrasts)
    return evidence.average(contrasts, [dataset]).to_dicts()


def _rows(found: Contrasts) -> pl.DataFrame:
    columns = {"mean": found.means, "se": found.se, "low": found.low, "high": found.high}
    p = p_values(found.means, found.se, found.freedom)
    return pl.DataFrame(columns | {"p": p}).fill_nan(None)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
