"""What the combination chosen for one dataset costs on another, and who can share one."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from blocksieve.analysis.task_specific_vs_generic import Judged, add_verdicts
from blocksieve.choices import Method, Scope
from blocksieve.choosing import choices_by_dataset
from blocksieve.combination import Combination
from blocksieve.evidence import Evidence, MeanDrop, averages_if_measured, contrast
from blocksieve.statistics import FALSE_DISCOVERY_RATE, false_discovery
from blocksieve.verdicts import Verdict

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "method": pl.String,
    "size": pl.UInt8,
    "source": pl.String,
    "target": pl.String,
    "source_type": pl.String,
    "target_type": pl.String,
    "combination": pl.String,
    "own": pl.String,
    "source_place": pl.UInt32,
    "target_place": pl.UInt32,
    "drop": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "regret": pl.Float64,
    "regret_low": pl.Float64,
    "regret_high": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "limit": pl.Float64,
    "limit_p": pl.Float64,
    "limit_q": pl.Float64,
    "weight": pl.Float64,
    "n": pl.UInt32,
    "verdict": pl.String,
}


class Transfer(Judged):
    """What the combination chosen for `source` costs on `target`, whose combination is `own`."""

    method: str
    size: int
    source: str
    target: str
    source_type: str
    target_type: str
    combination: str
    own: str
    drop: float | None
    low: float | None
    high: float | None
    regret_low: float | None
    regret_high: float | None
    limit: float
    limit_p: float | None
    limit_q: float | None
    weight: float
    n: int | None


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Use the combination chosen for `source` on `target`: its drop on holdout samples, and regret.

    One row per method of choosing, size and ordered pair of datasets, in % or pp; none without
    holdout samples. Regret is against the target's combination on the same samples; `q` is adjusted
    over all pairs.
    `verdict`: same list; costs more, or less, at a 5 % false discovery rate; can share, where at
    that rate it costs less than the conservative limit of `analysis.max_drop` more (`limit`;
    `limit_p` is one-sided, `limit_q` adjusted over all pairs); else not shown to differ.
    `weight`: of the target in means over datasets, 0 where it is left out of them.
    `*_place` orders the datasets by average linkage of their mean regret in either direction, so
    that datasets that can share a combination stand together.
    """
    transfers = _transfers(evidence)
    add_verdicts(transfers)
    _add_who_can_share(transfers)
    table = pl.DataFrame(transfers, schema=SCHEMA).fill_nan(None)
    return _placed(table.filter(pl.col("drop").is_not_null()))


def _add_who_can_share(transfers: Sequence[Transfer]) -> None:
    """Adjust p of the limit over the transfers whose two lists differ, and say who can share."""
    tested = [transfer for transfer in transfers if transfer["limit_p"] is not None]
    p = np.array([transfer["limit_p"] for transfer in tested], dtype=np.float64)
    for transfer, q in zip(tested, false_discovery(p).tolist(), strict=True):
        transfer["limit_q"] = q
        if transfer["verdict"] == Verdict.NOT_SHOWN and q <= FALSE_DISCOVERY_RATE:
            transfer["verdict"] = Verdict.CAN_SHARE


def _transfers(evidence: Evidence) -> list[Transfer]:
    by_method_and_size: dict[tuple[Method, int], dict[str, Combination]] = {}
    for choices in choices_by_dataset(evidence):
        if Scope.DATASET in choices.combinations:
            by_dataset = by_method_and_size.setdefault((choices.method, choices.size), {})
            by_dataset[choices.dataset] = choices.combinations[Scope.DATASET]
    transfers = []
    for (method, size), by_dataset in by_method_and_size.items():
        for target, source in product(by_dataset, repeat=2):
            transfer = _transfer(evidence, method, size, by_dataset, source, target)
            transfers.append(transfer)
    return transfers


def _transfer(
    evidence: Evidence,
    method: Method,
    size: int,
    by_dataset: dict[str, Combination],
    source: str,
    target: str,
) -> Transfer:
    """Measure a transfer, before any verdict."""
    holdout = evidence.holdout
    combination, for_target = by_dataset[source], by_dataset[target]
    difference = contrast(combination, for_target)
    drop, regret = averages_if_measured(
        holdout, target, [for_target, combination], [{combination: 1.0}, difference]
    )
    limit = float(evidence.limits.conservative)
    limit_p = None
    if holdout is not None and difference and regret.p is not None:
        beyond_limit = holdout.average_of({target: difference}, {target: -limit})
        limit_p = _p_below(beyond_limit)
    return {
        "method": method,
        "size": size,
        "source": source,
        "target": target,
        "source_type": evidence.task_types[source],
        "target_type": evidence.task_types[target],
        "combination": str(combination),
        "own": str(for_target),
        "drop": drop.mean,
        "low": drop.low,
        "high": drop.high,
        "regret": regret.mean,
        "regret_low": regret.low,
        "regret_high": regret.high,
        "p": regret.p,
        "q": None,
        "limit": limit,
        "limit_p": limit_p,
        "limit_q": None,
        "weight": evidence.weight_in_means(target, evidence.datasets),
        "n": holdout.samples.get(target) if holdout else None,
        "verdict": Verdict.SAME if combination == for_target else None,
    }


def _p_below(mean: MeanDrop) -> float | None:
    """Return the one-sided p of a mean that is 0 or more, against one below 0."""
    if mean.mean is None or mean.p is None:
        return None
    return mean.p / 2 if mean.mean < 0 else 1 - mean.p / 2


def _placed(table: pl.DataFrame) -> pl.DataFrame:
    """Number sources and targets in the order of `_order`, and sort by these places."""
    order = _order(table)
    places = dict(zip(order, range(len(order)), strict=True))
    numbered = table.with_columns(
        source_place=pl.col("source").replace_strict(places, return_dtype=pl.UInt32),
        target_place=pl.col("target").replace_strict(places, return_dtype=pl.UInt32),
    )
    return numbered.sort("method", "size", "source_place", "target_place")


def _order(table: pl.DataFrame) -> Sequence[str]:
    """Return the datasets so that those with the least regret between them stand side by side."""
    means = table.group_by("source", "target").agg(pl.mean("regret")).sort("source", "target")
    datasets = sorted({*means["source"], *means["target"]})
    if len(datasets) < 3:
        return datasets
    index = {dataset: row for row, dataset in enumerate(datasets)}
    regret = np.zeros((len(datasets), len(datasets)))  # (sources, targets)
    for source, target, mean in means.iter_rows():
        regret[index[source], index[target]] = max(mean, 0.0)
    distance = (regret + regret.T) / 2
    np.fill_diagonal(distance, 0)
    # The distances of pairs, (pairs,), as linkage takes them.
    condensed = squareform(distance, checks=False)
    tree = linkage(condensed, "average", optimal_ordering=True)
    return [datasets[leaf] for leaf in leaves_list(tree)]
