"""One list for all or one per task: what either costs, on samples that chose neither."""

from collections.abc import Mapping, Sequence, Set
from typing import TypedDict

import numpy as np

from blocksieve.analysis.stability import StabilityDocument
from blocksieve.choices import Scope, match
from blocksieve.choosing import DatasetChoices, choices_by_dataset
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, averages_if_measured, contrast
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery_of_signs
from blocksieve.units import Scale
from blocksieve.verdicts import Verdict

LISTS = (Scope.TASK_TYPE, Scope.GENERIC, Scope.LEFT_OUT_OF_CHOICE, Scope.SAME_TYPE)
"""The scopes whose combination is compared with the dataset's."""
NoiseRates = Mapping[tuple[str, int, str], tuple[float, float]]
"""How often other samples choose the same, and up to ties, by method, size and dataset."""


class Judged(TypedDict):
    """How much more one combination costs than another, and what that shows."""

    regret: float | None
    p: float | None
    q: float | None
    verdict: str | None


class ComparedLists(Judged):
    """A dataset's combination (`own`) against that of another scope (`list`) at one size."""

    method: str
    size: int
    dataset: str
    task_type: str
    list: str
    own: str
    combination: str
    match: bool
    tied: bool
    overlap: float
    own_drop: float | None
    own_drop_low: float | None
    own_drop_high: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    regret_low: float | None
    regret_high: float | None


class MatchRate(TypedDict):
    """How often the combination is the dataset's; size None: over all sizes.

    `tied`, `tied_rate`: the same, or tied with it for the first place. `noise_*`: what a dataset's
    own choice from other samples gives.
    """

    method: str
    list: str
    size: int | None
    matches: int
    configurations: int
    rate: float
    noise_rate: float | None
    tied: int
    tied_rate: float
    noise_tied_rate: float | None


class MeanRegret(Judged):
    """The regret of a method, list and size, averaged over datasets."""

    method: str
    list: str
    size: int
    datasets: int
    low: float | None
    high: float | None


class ListsDocument(TypedDict):
    """Content of task_specific_vs_generic.json."""

    role: str
    measured: bool
    samples: int
    across_datasets: Scale
    unit: str
    match_rates: list[MatchRate]
    mean_regret: list[MeanRegret]
    rows: list[ComparedLists]


def analyse(evidence: Evidence, *, stability: StabilityDocument | None = None) -> ListsDocument:
    """Compare each dataset's combination with others; schema task_specific_vs_generic.schema.json.

    `rows`: for each method of choosing, size, dataset and other list (of its task type, of all
    datasets, of all but it, of its type's other datasets) both combinations, whether they match,
    and on holdout samples the drop of either in % or pp. `regret` is how much more the other list
    costs, on the same samples.
    The lists without the dataset are chosen from what the beams proposed, and these saw the
    dataset's search samples: for a dataset that no search has seen they are too good, in simulated
    searches by up to 0.5 % of the baseline.
    `match_rates` count equal sets of blocks over datasets and sizes, and beside them those that are
    tied for the first place on the dataset's search samples. `noise_rate` and `noise_tied_rate`:
    how often two halves of the dataset's samples choose the same, by `stability`, the document of
    that analysis. Where all datasets want one list, at least about that many match it. They are
    null without samples.
    `mean_regret` averages the regret over the datasets.
    `q` is adjusted over all rows, and over all means; lists that match differ in nothing and do not
    count. Without holdout samples there are lists, but no numbers.
    """
    holdout = evidence.holdout
    rows = _compared_lists(evidence)
    groups: dict[tuple[str, str], list[ComparedLists]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["list"]), []).append(row)
    noise = _match_rates_of_noise(stability) if stability else {}
    match_rates: list[MatchRate] = []
    mean_regrets: list[MeanRegret] = []
    for group in groups.values():
        match_rates += _match_rates(group, noise)
        if holdout is not None:
            mean_regrets += _mean_regrets(holdout, group)
    add_verdicts(rows)
    add_verdicts(mean_regrets)
    return {
        "role": "holdout",
        "measured": holdout is not None,
        "samples": sum(holdout.samples.values()) if holdout else 0,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "match_rates": match_rates,
        "mean_regret": mean_regrets,
        "rows": rows,
    }


def add_verdicts(rows: Sequence[Judged]) -> None:
    """Adjust p over the rows whose two lists differ, and add what each regret shows.

    What costs more and what costs less is adjusted apart.
    """
    tested = [row for row in rows if row["verdict"] != Verdict.SAME and row["p"] is not None]
    p = np.array([row["p"] for row in tested], dtype=np.float64)
    regrets = np.array([row["regret"] for row in tested], dtype=np.float64)
    adjusted = false_discovery_of_signs(p, regrets).tolist()
    for row, q in zip(tested, adjusted, strict=True):
        row["q"] = q
        row["verdict"] = _verdict(row["regret"], q)


def _verdict(regret: float | None, q: float) -> Verdict:
    """Return what a regret shows at a 5 % false discovery rate."""
    if regret is None or q > FALSE_DISCOVERY_RATE:
        return Verdict.NOT_SHOWN
    if regret > 0:
        return Verdict.COSTS_MORE
    return Verdict.COSTS_LESS


def _compared_lists(evidence: Evidence) -> list[ComparedLists]:
    rows = []
    tied: dict[tuple[int, str], set[Combination]] = {}
    for choices in choices_by_dataset(evidence):
        key = (choices.size, choices.dataset)
        if key not in tied:  # the methods share it
            tied[key] = evidence.tied(choices.size, [choices.dataset])
        for scope in LISTS:
            if {Scope.DATASET, scope} <= choices.combinations.keys():
                rows.append(_compared(evidence, choices, scope, tied[key]))
    return rows


def _compared(
    evidence: Evidence, choices: DatasetChoices, scope: Scope, tied: Set[Combination]
) -> ComparedLists:
    """Compare a dataset's combination with that of another scope, before any verdict."""
    dataset = choices.dataset
    for_dataset = choices.combinations[Scope.DATASET]
    combination = choices.combinations[scope]
    dataset_drop, drop, regret = averages_if_measured(
        evidence.holdout,
        dataset,
        [for_dataset, combination],
        [{for_dataset: 1.0}, {combination: 1.0}, contrast(combination, for_dataset)],
    )
    is_same = for_dataset == combination
    return {
        "method": choices.method,
        "size": choices.size,
        "dataset": dataset,
        "task_type": evidence.task_types[dataset],
        "list": scope,
        "own": str(for_dataset),
        "combination": str(combination),
        "match": is_same,
        "tied": match(for_dataset, combination, tied),
        "overlap": for_dataset.overlap(combination),
        "own_drop": dataset_drop.mean,
        "own_drop_low": dataset_drop.low,
        "own_drop_high": dataset_drop.high,
        "drop": drop.mean,
        "drop_low": drop.low,
        "drop_high": drop.high,
        "regret": regret.mean,
        "regret_low": regret.low,
        "regret_high": regret.high,
        "p": regret.p,
        "q": None,
        "verdict": Verdict.SAME if is_same else None,
    }


def _match_rates_of_noise(stability: StabilityDocument) -> NoiseRates:
    """Return for each method, size and dataset how often two halves of its samples agree."""
    rates = {}
    for row in stability["rows"]:
        if row["scope"] == Scope.DATASET and row["scheme"] == "halves":
            rates[row["method"], row["size"], row["name"]] = (row["same"], row["tied"])
    return rates


def _match_rates(rows: Sequence[ComparedLists], noise: NoiseRates) -> list[MatchRate]:
    """Return the rates of one method and list: by size, then over all sizes."""
    sizes = sorted({row["size"] for row in rows})
    rates = []
    for size in sizes:
        of_size = [row for row in rows if row["size"] == size]
        rates.append(_match_rate(size, of_size, noise))
    return [*rates, _match_rate(None, rows, noise)]


def _match_rate(size: int | None, rows: Sequence[ComparedLists], noise: NoiseRates) -> MatchRate:
    matches = sum(row["match"] for row in rows)
    num_tied = sum(row["tied"] for row in rows)
    same_by_noise: float | None = None
    tied_by_noise: float | None = None
    keys = [(row["method"], row["size"], row["dataset"]) for row in rows]
    if noise.keys() >= set(keys):
        means = np.mean([noise[key] for key in keys], axis=0)  # (same, tied)
        same_by_noise, tied_by_noise = means.tolist()
    return {
        "method": rows[0]["method"],
        "list": rows[0]["list"],
        "size": size,
        "matches": matches,
        "configurations": len(rows),
        "rate": matches / len(rows),
        "noise_rate": same_by_noise,
        "tied": num_tied,
        "tied_rate": num_tied / len(rows),
        "noise_tied_rate": tied_by_noise,
    }


def _mean_regrets(holdout: Evidence, rows: Sequence[ComparedLists]) -> list[MeanRegret]:
    """Average the regrets of one method and list by size, over the datasets that measured both."""
    contrasts: dict[int, dict[str, Mapping[Combination, float]]] = {}
    for row in rows:
        if row["regret"] is not None:
            combination = Combination.parse(row["combination"])
            for_dataset = Combination.parse(row["own"])
            by_dataset = contrasts.setdefault(row["size"], {})
            by_dataset[row["dataset"]] = contrast(combination, for_dataset)
    means: list[MeanRegret] = []
    for size, by_dataset in sorted(contrasts.items()):
        mean = holdout.average_of(by_dataset)
        differ = any(by_dataset.values())
        means.append(
            {
                "method": rows[0]["method"],
                "list": rows[0]["list"],
                "size": size,
                "datasets": len(holdout.counted(by_dataset)),
                "regret": mean.mean,
                "low": mean.low,
                "high": mean.high,
                "p": mean.p,
                "q": None,
                "verdict": None if differ else Verdict.SAME,
            }
        )
    return means
