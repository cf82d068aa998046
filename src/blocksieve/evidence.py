"""What a run left for its analyses: drops on one scale, how they vary together, and the beams."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from blocksieve.choices import Choice, read_choices
from blocksieve.combination import Combination
from blocksieve.errors import DataError
from blocksieve.evaluations import (
    IS_GUESSABLE,
    strong_unless_all_are_weak,
    weak_datasets,
    with_derived,
)
from blocksieve.model_description import REMOVED_SHARES, RemovedShares, read_description
from blocksieve.search.beams import read_beam
from blocksieve.specs import AnalysisSpec, MaxDrop, Role
from blocksieve.statistics import (
    Contrasts,
    Drops,
    macro_contrasts,
    none_if_nan,
    p_values,
    paired_drops,
    population_interval,
    spread,
    student_interval,
    tied_with_best,
)
from blocksieve.units import PERCENT, UNITS, Scale

Weights = Mapping[Combination, float]
"""A contrast: a weighted sum of combinations' drops."""

REQUIRED_COLUMNS = (
    "dataset",
    "task_type",
    "combination",
    "removed",
    "size",
    "role",
    "n",
    "n_clusters",
    "baseline",
    "drop",
    "se",
    "ci_low",
    "ci_high",
    "relative",
    "relative_se",
    "bounded",
    "wins",
    "losses",
)
TABLE_COLUMNS = (
    "dataset",
    "task_type",
    "combination",
    "removed",
    "size",
    "n",
    "n_clusters",
    "drop",
    "se",
    "low",
    "high",
    "wins",
    "losses",
    "raced_out",
)


@dataclass(frozen=True)
class MeanDrop:
    """A contrast's mean over datasets in % or pp, its 95 % interval, and two-sided p against 0.

    None where a number is not known.
    """

    mean: float | None
    se: float | None
    low: float | None
    high: float | None
    p: float | None

    @classmethod
    def unknown(cls) -> "MeanDrop":
        """Return the mean of what was not measured."""
        return cls(None, None, None, None, None)


@dataclass(frozen=True)
class Evidence:
    """What analyses are made from, for the samples of one role.

    `evaluations`: as merged, all roles.
    `max_drop`: what the strategies may lose; None where no strategy is asked for.
    `sums`: for each dataset `shards.by_cluster`, read when needed. Without any (a table from
    elsewhere) drops count as independent where two are compared, as fully correlated in a mean.
    `beams`: kept combinations, the best first, by scope (a dataset, or generic) and size.
    `num_blocks`: of the model, None if unknown.
    `choices`: what the run chose, empty if it made none.
    `weights`: of datasets in means over several, 1 where not given.
    """

    evaluations: pl.DataFrame
    scale: Scale
    max_drop: MaxDrop | None = None
    sums: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    beams: Mapping[str, Mapping[int, list[Combination]]] = field(default_factory=dict)
    num_blocks: int | None = None
    choices: Sequence[Choice] = ()
    role: Role = "search"
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def limits(self) -> MaxDrop:
        """What the strategies may lose; ValueError where none was given."""
        if self.max_drop is None:
            raise ValueError("this evidence has no limits: give max_drop")
        return self.max_drop

    @property
    def unit(self) -> str:
        """The unit of drops: % of the baseline, or percentage points."""
        return UNITS[self.scale]

    @property
    def paired(self) -> bool:
        """Whether drops are compared on the same samples."""
        return bool(self.sums)

    @property
    def depth(self) -> int:
        """Blocks of the model; where that is not known, those that the combinations show."""
        if self.num_blocks:
            return self.num_blocks
        last_blocks: list[int] = [max(blocks) for blocks in self.table["removed"].to_list()]
        return 1 + max(last_blocks)

    @cached_property
    def holdout(self) -> "Evidence | None":
        """The same from holdout samples, never used to choose; None where they show no drop."""
        return self._of_role("holdout")

    @cached_property
    def verify(self) -> "Evidence | None":
        """The same from samples that neither chose nor judged; None where they show no drop."""
        return self._of_role("verify")

    def _of_role(self, role: Role) -> "Evidence | None":
        """Return the evidence of a role; None where none was evaluated or no drop has this scale.

        Where every baseline is 0 there, say, these samples tell nothing.
        """
        measured = self.evaluations.filter(
            pl.col("role") == role, pl.col("size") > 0, pl.col("not_evaluable").is_null()
        )
        if measured.is_empty():
            return None
        of_role = replace(self, role=role)
        return None if of_role.scaled.is_empty() else of_role

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row per dataset and combination of size 1 or more: drop, se, low, high in % or pp.

        Datasets without this scale (baseline 0 or less; metric not in [0, 1]) have no rows. Ordered
        by dataset, size, removed.
        """
        scaled = self.scaled
        if scaled.is_empty() and not self.removals.is_empty():
            raise DataError(
                f"{self.role} samples: no dataset has a drop on the scale across_datasets:"
                f" {self.scale} (relative needs a baseline above 0, points a metric in"
                " [0, 1]); choose the other scale"
            )
        in_unit = scaled.with_columns(pl.col("drop", "se", "low", "high") * PERCENT)
        return in_unit.select(TABLE_COLUMNS).fill_nan(None).sort("dataset", "size", "removed")

    @cached_property
    def removals(self) -> pl.DataFrame:
        """The rows of `evaluations` of this role whose size is 1 or more."""
        rows = rows_of_role(self.evaluations, self.role)
        is_removal = pl.col("size") > 0
        return rows.filter(is_removal)

    @cached_property
    def scaled(self) -> pl.DataFrame:
        """Those that have a drop on this scale, with it as `drop`, `se`, `low` and `high`."""
        if self.scale == "relative":
            return _with_relative_drops(self.removals)
        return _with_drops_in_points(self.removals)

    @cached_property
    def task_types(self) -> dict[str, str]:
        """Datasets in order of their task type, then name."""
        columns = ("task_type", "dataset")
        rows = self.table.select(columns).unique()
        ordered = rows.sort(columns)
        return {dataset: task_type for task_type, dataset in ordered.iter_rows()}

    @property
    def datasets(self) -> list[str]:
        """The datasets by name."""
        return list(self.row_index)

    @cached_property
    def removed_shares(self) -> dict[Combination, RemovedShares]:
        """What each combination saves of the whole model."""
        rows = rows_of_role(self.evaluations, self.role).unique("combination")
        shares: dict[Combination, RemovedShares] = {}
        for row in rows.select("combination", *REMOVED_SHARES).iter_rows(named=True):
            shares[Combination.parse(row["combination"])] = {
                "removed_parameters": row["removed_parameters"],
                "removed_flops": row["removed_flops"],
                "removed_kv_cache": row["removed_kv_cache"],
            }
        return shares

    @cached_property
    def row_index(self) -> dict[str, dict[Combination, int]]:
        """For each dataset the combinations that all its samples answered, numbered."""
        index = {}
        for (dataset,), rows in self._complete_rows.group_by("dataset", maintain_order=True):
            combinations = map(Combination.parse, rows["combination"])
            index[str(dataset)] = {combination: row for row, combination in enumerate(combinations)}
        return index

    @cached_property
    def _complete_rows(self) -> pl.DataFrame:
        """The rows of `table` without combinations that only a part of the samples answered.

        A table from elsewhere may not say which samples its rows have, and is then taken as it is.
        """
        complete = self.table.filter(~pl.col("raced_out"))
        if not self.paired:
            return complete
        return complete.filter(pl.col("n") == pl.col("n").max().over("dataset"))

    @cached_property
    def sample_counts(self) -> dict[Combination, dict[str, int]]:
        """For each combination, by size and sites, how many samples of each dataset answered it."""
        return _counts(self.table)

    @cached_property
    def coverage(self) -> dict[Combination, dict[str, int]]:
        """The same, of the datasets all of whose samples answered it."""
        return _counts(self._complete_rows)

    @cached_property
    def drops(self) -> dict[str, Drops]:
        """For each dataset the drops of its combinations, in % or pp, in the order of row_index."""
        return {dataset: self._drops(dataset) for dataset in self.row_index}

    def _drops(self, dataset: str) -> Drops:
        if dataset in self.sums:
            return self._clustered(self.sums_of(dataset), dataset, list(self.row_index[dataset]))
        rows = self._complete_rows.filter(pl.col("dataset") == dataset)
        errors = np.array([_number(se) for se in rows["se"]])
        no_influences = np.zeros((len(rows), 0))
        freedom = min(rows["n_clusters"]) - 1
        return Drops(rows["drop"].to_numpy(), no_influences, errors, freedom, paired=False)

    def _clustered(
        self, sums: pl.DataFrame, dataset: str, combinations: Sequence[Combination]
    ) -> Drops:
        return clustered_drops(sums, combinations, self.scale, self.max_change[dataset])

    def sums_of(self, dataset: str) -> pl.DataFrame:
        """Read the sums by cluster of the combinations in row_index, of this role."""
        combinations = [str(combination) for combination in self.row_index[dataset]]
        is_complete = pl.col("combination").is_in(combinations)
        return self._all_sums(dataset).filter(is_complete)

    def _all_sums(self, dataset: str) -> pl.DataFrame:
        of_role = pl.col("role") == self.role
        return self.sums[dataset].filter(of_role).collect()

    @cached_property
    def samples(self) -> dict[str, int]:
        """For each dataset its number of samples."""
        largest = self.table.group_by("dataset").agg(pl.max("n"))
        return dict(largest.iter_rows())

    @cached_property
    def baselines(self) -> dict[str, float]:
        """For each dataset the baseline score of all its samples."""
        rows = rows_of_role(self.evaluations, self.role)
        by_samples = rows.sort("n")
        of_most = pl.last("baseline")
        by_dataset = by_samples.group_by("dataset").agg(of_most)
        return dict(by_dataset.iter_rows())

    @cached_property
    def max_change(self) -> dict[str, float]:
        """For each dataset the largest change of a score: 1 in [0, 1], see DERIVED for others."""
        rows = rows_of_role(self.evaluations, self.role)
        max_change = pl.first("max_change")
        by_dataset = rows.group_by("dataset").agg(max_change)
        return dict(by_dataset.iter_rows())

    @cached_property
    def weak(self) -> list[str]:
        """The datasets by name whose baseline is too close to 0 for relative means: see IS_WEAK.

        Search samples decide for both roles, so that all means are over the same datasets.
        """
        role = self.role
        if "search" in self.evaluations["role"]:
            role = "search"
        rows = rows_of_role(self.evaluations, role)
        most_samples = pl.col("n").max().over("dataset")
        whole = rows.filter(pl.col("n") == most_samples)
        return weak_datasets(whole)

    @cached_property
    def guessable(self) -> list[str]:
        """The datasets by name in which a spoiled answer still scores by guessing."""
        rows = rows_of_role(self.evaluations, self.role).filter(IS_GUESSABLE)
        names: list[str] = rows["dataset"].unique().sort().to_list()
        return names

    def counted(self, datasets: Iterable[str]) -> list[str]:
        """Return the datasets that count in a mean over some: not the weak ones, unless all are."""
        if self.scale != "relative":
            return list(datasets)
        return strong_unless_all_are_weak(datasets, self.weak)

    @property
    def left_out(self) -> list[str]:
        """The datasets that do not count in means over all."""
        counted = self.counted(self.datasets)
        left_out = []
        for dataset in self.datasets:
            if dataset not in counted:
                left_out.append(dataset)
        return left_out

    def weights_of(self, datasets: Iterable[str]) -> list[float]:
        """Return the weights of some datasets in their mean."""
        return [self.weights.get(dataset, 1.0) for dataset in datasets]

    def weight_in_means(self, dataset: str, over: Iterable[str]) -> float:
        """Return a dataset's weight in a mean over some, 0 where it does not count."""
        if dataset not in self.counted(over):
            return 0.0
        return self.weights.get(dataset, 1.0)

    def measured_on(self, datasets: Iterable[str]) -> list[Combination]:
        """Return the combinations that all samples of all these datasets answered."""
        needed = set(datasets)
        return [each for each, covered in self.coverage.items() if needed <= covered.keys()]

    def with_full_coverage(self, *sizes: int) -> list[Combination]:
        """Return the combinations that every dataset evaluated, of these sizes or of all."""
        return [
            combination
            for combination, datasets in self.coverage.items()
            if len(datasets) == len(self.datasets) and (not sizes or combination.size in sizes)
        ]

    @property
    def sizes(self) -> list[int]:
        """The sizes of which some combination was evaluated on every dataset."""
        return sorted({combination.size for combination in self.with_full_coverage()})

    def average(
        self, contrasts: Sequence[Weights], datasets: Iterable[str] | None = None
    ) -> list[MeanDrop]:
        """Average weighted sums of combinations' drops over the datasets that count.

        Over all datasets if none are named; one result per contrast. All combinations must have
        been evaluated on all the datasets. A contrast is taken on the samples that all of its
        combinations answered.
        """
        over = self.counted(self.datasets if datasets is None else datasets)
        combinations = list(dict.fromkeys(_all_keys(contrasts)))
        if len(contrasts) > 1 and not self._all_complete(combinations, over):
            return [self.average([contrast], over)[0] for contrast in contrasts]
        column_of = {combination: column for column, combination in enumerate(combinations)}
        weights = np.zeros((len(contrasts), len(combinations)))  # (contrasts, combinations)
        for row, contrast in enumerate(contrasts):
            for combination, weight in contrast.items():
                weights[row, column_of[combination]] = weight
        drops = [self.subset(dataset, combinations) for dataset in over]
        return _mean_drops(macro_contrasts(drops, [weights] * len(over), self.weights_of(over)))

    def average_of(
        self, contrasts: Mapping[str, Weights], constants: Mapping[str, float] | None = None
    ) -> MeanDrop:
        """Average a weighted sum over the datasets that count, each of which has one of its own.

        `constants`: what is added to each dataset's sum.
        """
        over = self.counted(contrasts)
        drops = []
        weights = []  # for each dataset (1, its combinations)
        for dataset in over:
            contrast = contrasts[dataset]
            drops.append(self.subset(dataset, list(contrast)))
            weights.append(np.array([list(contrast.values())]))
        added = [constants[dataset] for dataset in over] if constants else None
        (mean_drop,) = _mean_drops(macro_contrasts(drops, weights, self.weights_of(over), added))
        return mean_drop

    def tied_with_best(
        self, combinations: Sequence[Combination], datasets: Iterable[str]
    ) -> NDArray[np.bool_]:
        """Return which combinations may have the least mean drop: see the function of this name."""
        over = self.counted(datasets)
        drops = [self.subset(dataset, combinations) for dataset in over]
        return tied_with_best(drops, self.weights_of(over))

    def tied(self, size: int, datasets: Collection[str]) -> set[Combination]:
        """Return the combinations of a size, measured on all the datasets, that may be the best."""
        of_size = [each for each in self.measured_on(datasets) if each.size == size]
        tied: set[Combination] = set()
        if not of_size:
            return tied
        are_tied = self.tied_with_best(of_size, datasets)
        for combination, is_tied in zip(of_size, are_tied, strict=True):
            if is_tied:
                tied.add(combination)
        return tied

    def spread(self, combination: Combination, datasets: Iterable[str]) -> float | None:
        """Return how different the true drops on the datasets that count are: see `spread`."""
        means: list[float] = []
        variances: list[float] = []
        for dataset in self.counted(datasets):
            drops = self.subset(dataset, [combination])
            means += drops.means.tolist()
            variances += drops.sampling_variances().tolist()
        return spread(means, variances)

    def population_interval(
        self, combination: Combination, datasets: Iterable[str]
    ) -> tuple[float | None, float | None]:
        """Return the interval of the mean drop over datasets of this kind, None if not known."""
        over = self.counted(datasets)
        (mean,) = self.average([{combination: 1.0}], over)
        means: list[float] = []
        for dataset in over:
            means += self.values(dataset, [combination]).tolist()
        low, high = population_interval(
            means,
            low=_number(mean.low),
            high=_number(mean.high),
            weights=self.weights_of(over),
        )
        return none_if_nan(low), none_if_nan(high)

    def subset(self, dataset: str, combinations: Sequence[Combination]) -> Drops:
        """Return some combinations' drops on the samples of a dataset that all of them answered."""
        index = self.row_index[dataset]
        if self._all_complete(combinations, [dataset]):
            return self.drops[dataset].subset([index[each] for each in combinations])
        sums = _common_samples(self._all_sums(dataset), combinations)
        return self._clustered(sums, dataset, combinations)

    def _all_complete(self, combinations: Iterable[Combination], datasets: Iterable[str]) -> bool:
        needed = set(combinations)
        return all(needed <= self.row_index[dataset].keys() for dataset in datasets)

    def values(self, dataset: str, combinations: Sequence[Combination]) -> NDArray[np.float64]:
        """Return some combinations' drops on a dataset, in % or pp."""
        return self.subset(dataset, combinations).means

    def mean_drops(
        self, combinations: Sequence[Combination], datasets: Iterable[str]
    ) -> NDArray[np.float64]:
        """Return their macro-average over the datasets that count, without an interval."""
        over = self.counted(datasets)
        by_dataset = [self.values(dataset, combinations) for dataset in over]
        weights = self.weights_of(over)
        mean: NDArray[np.float64] = np.average(by_dataset, axis=0, weights=weights)
        return mean


def contrast(first: Combination, second: Combination) -> dict[Combination, float]:
    """Return the contrast that says how much more the first costs; empty for the same one."""
    return {} if first == second else {first: 1.0, second: -1.0}


def averages_if_measured(
    evidence: Evidence | None,
    dataset: str,
    combinations: Iterable[Combination],
    contrasts: Sequence[Weights],
) -> list[MeanDrop]:
    """Return `average` on one dataset, unknown where one of the combinations was not measured."""
    unknown = [MeanDrop.unknown()] * len(contrasts)
    if evidence is None:
        return unknown
    measured = evidence.row_index.get(dataset, {})
    if not set(combinations) <= measured.keys():
        return unknown
    return evidence.average(contrasts, [dataset])


def clustered_drops(
    sums: pl.DataFrame, combinations: Sequence[Combination | str], scale: Scale, max_change: float
) -> Drops:
    """Return drops in % or pp from sums by cluster; all must have the same samples.

    `max_change`: see `clustered_mean`.
    """
    wide = wide_sums(sums)
    names = [str(combination) for combination in combinations]
    lacking = [name for name in names if name not in wide.columns or wide[name].null_count()]
    if lacking:
        raise DataError(
            f"combination {lacking[0]} was not evaluated on the same samples as others;"
            " rerun its jobs"
        )
    drops = wide.select(names).to_numpy().T  # (combinations, clusters)
    relative = scale == "relative"
    return paired_drops(drops, wide["baseline"], wide["n"], relative, max_change).scaled(PERCENT)


def wide_sums(sums: pl.DataFrame) -> pl.DataFrame:
    """Return one row per cluster: its first split, `n`, `baseline`, a column per combination.

    `n` counts samples, `baseline` and the combinations' columns are sums of scores and of drops.
    """
    clusters = sums.group_by("combination", "cluster").agg(
        pl.min("split"), pl.sum("drop", "baseline", "n")
    )
    return clusters.sort("cluster").pivot(
        "combination",
        index=["cluster", "split", "n", "baseline"],
        values="drop",
        aggregate_function=None,
    )


def _common_samples(sums: pl.DataFrame, combinations: Sequence[Combination]) -> pl.DataFrame:
    """Keep the sums of the samples that all combinations answered: those of their common tiers."""
    names = [str(combination) for combination in combinations]
    rows = sums.filter(pl.col("combination").is_in(names))
    deepest_tiers = rows.group_by("combination").agg(pl.max("tier"))
    common_tier = deepest_tiers["tier"].min()
    return rows.filter(pl.col("tier") <= common_tier)


class EvidenceFiles(Protocol):
    """Where a run's evidence lies; the lists are empty for a table from elsewhere.

    `clusters`: sums by cluster, each file named by its dataset. `model` and `finalists` hold one
    file or none.
    """

    evaluations: str
    clusters: Sequence[str]
    beams: Sequence[str]
    model: Sequence[str]
    finalists: Sequence[str]


def read_evidence(files: EvidenceFiles, settings: AnalysisSpec) -> Evidence:
    """Read what a run left; DataError for a weight of a dataset that it does not have."""
    evaluations = pl.read_parquet(files.evaluations)
    datasets = evaluations["dataset"].unique().sort().to_list()
    for dataset in settings.weights:
        if dataset not in datasets:
            raise DataError(
                f"config: analysis.weights: no dataset {dataset!r} among the evaluations;"
                f" known: {', '.join(datasets)}"
            )
    num_blocks = None
    for model in files.model:
        num_blocks = read_description(model)["num_blocks"]
    choices: list[Choice] = []
    for finalists in files.finalists:
        choices = read_choices(Path(finalists))
    return Evidence(
        evaluations=evaluations,
        scale=settings.across_datasets,
        max_drop=settings.max_drop,
        sums={path.stem: pl.scan_parquet(path) for path in map(Path, files.clusters)},
        beams=read_beams(map(Path, files.beams)),
        num_blocks=num_blocks,
        choices=choices,
        weights=settings.weights,
    )


def read_beams(paths: Iterable[Path]) -> dict[str, dict[int, list[Combination]]]:
    """Read what beams kept, the best first, by scope (their folder) and size (their file)."""
    beams: dict[str, dict[int, list[Combination]]] = {}
    for path in paths:
        size = int(path.stem.removeprefix("remove"))
        beams.setdefault(path.parent.name, {})[size] = read_beam(path)
    return beams


def rows_of_role(evaluations: pl.DataFrame, role: Role) -> pl.DataFrame:
    """Select the evaluable rows of one role, checked; unknown numbers are null in them."""
    missing = [name for name in REQUIRED_COLUMNS if name not in evaluations.columns]
    if missing:
        raise DataError(
            f"evaluations table: columns missing: {', '.join(missing)}; add them to the table"
        )
    of_role = evaluations.filter(pl.col("role") == role, pl.col("not_evaluable").is_null())
    rows = with_derived(of_role).fill_nan(None)
    if rows.is_empty():
        raise DataError(
            f"evaluations table: no row has role {role}; evaluate samples of this role first"
        )
    faults = {
        "two rows": pl.struct("dataset", "combination").is_duplicated(),
        "no drop": pl.col("drop").is_null(),
    }
    for fault, is_faulty in faults.items():
        faulty = rows.filter(is_faulty)
        if not faulty.is_empty():
            dataset, combination = faulty.select("dataset", "combination").row(0)
            raise DataError(
                f"evaluations table: {fault} for dataset {dataset}, combination {combination},"
                f" role {role}; keep one row with its drop"
            )
    return rows


def _with_relative_drops(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the share of the baseline lost, with its interval, in place of the drop."""
    scaled = rows.filter(pl.col("relative").is_not_null(), pl.col("baseline") > 0)
    numbers = scaled.select("relative", "relative_se", "n_clusters").iter_rows()
    ends = [student_interval(mean, _number(se), num_clusters) for mean, se, num_clusters in numbers]
    return scaled.with_columns(
        drop="relative",
        se="relative_se",
        low=pl.Series([end.low for end in ends], dtype=pl.Float64),
        high=pl.Series([end.high for end in ends], dtype=pl.Float64),
    )


def _with_drops_in_points(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter("bounded").with_columns(low="ci_low", high="ci_high")


def _counts(rows: pl.DataFrame) -> dict[Combination, dict[str, int]]:
    """Return each combination's samples by dataset, by size and removed blocks."""
    ordered = rows.sort("size", "removed", "dataset")
    counts: dict[Combination, dict[str, int]] = {}
    for combination, dataset, n in ordered.select("combination", "dataset", "n").iter_rows():
        counts.setdefault(Combination.parse(combination), {})[dataset] = n
    return counts


def _all_keys(contrasts: Iterable[Weights]) -> Iterator[Combination]:
    for weights in contrasts:
        yield from weights


def _mean_drops(contrasts: Contrasts) -> list[MeanDrop]:
    p = p_values(contrasts.means, contrasts.se, contrasts.freedom)
    columns = (contrasts.means, contrasts.se, contrasts.low, contrasts.high, p)
    mean_drops = []
    # tolist() gives floats of Python, which documents can hold.
    for numbers in zip(*[column.tolist() for column in columns], strict=True):
        mean_drops.append(MeanDrop(*map(none_if_nan, numbers)))
    return mean_drops


def _number(value: float | None) -> float:
    return np.nan if value is None else value
