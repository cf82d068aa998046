"""What the list chosen for one dataset costs on another, and which datasets can share a list."""

from itertools import product
from typing import Any

import numpy as np
import polars as pl
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from blocksieve.analysis.task_specific_vs_generic import NOT_SHOWN, OWN, SAME, judge
from blocksieve.choices import lists_of
from blocksieve.evidence import Evidence, difference, measured

SHARED = "can share"
TABLE: dict[str, Any] = {
    "method": pl.String,
    "size": pl.UInt8,
    **dict.fromkeys(
        ("source", "target", "source_type", "target_type", "combination", "own"), pl.String
    ),
    **dict.fromkeys(("source_place", "target_place"), pl.UInt32),
    **dict.fromkeys(
        ("drop", "low", "high", "regret", "regret_low", "regret_high", "p", "q", "limit"),
        pl.Float64,
    ),
    "n": pl.UInt32,
    "verdict": pl.String,
}
PLACELESS = {name: kind for name, kind in TABLE.items() if not name.endswith("_place")}


def analyse(evidence: Evidence) -> pl.DataFrame:
    """Use the list chosen for `source` on `target`: its drop on holdout samples, and regret against the target's own.

    One row a method of choosing, size and ordered pair of datasets, in % or pp; none without holdout samples. Regret is
    on the same samples; `q` is adjusted over all pairs. `verdict`: same list; costs more, or less,
    at a 5 % false discovery rate; can share, where the interval's upper end keeps the conservative limit of
    `analysis.max_drop` (`limit`); else not shown to differ. `*_place` orders the datasets by average linkage of their
    mean regret in either direction, so that those that can share a list stand together.
    """
    limit = float(evidence.settings["max_drop"]["conservative"])
    lists: dict[tuple[str, int], dict[str, str]] = {}
    for method, size, dataset, own in lists_of(evidence):
        if OWN in own:
            lists.setdefault((method, size), {})[dataset] = own[OWN]
    rows = [
        row
        for (method, size), own in lists.items()
        for row in _pairs(evidence, method, size, own, limit)
    ]
    judge(rows)
    for row in rows:
        if (
            row["verdict"] == NOT_SHOWN
            and row["regret_high"] is not None
            and row["regret_high"] <= limit
        ):
            row["verdict"] = SHARED
    table = pl.DataFrame(rows, schema=PLACELESS).fill_nan(None).filter(pl.col("drop").is_not_null())
    places = {dataset: place for place, dataset in enumerate(_order(table))}
    numbered = {
        f"{end}_place": pl.col(end).replace_strict(places, default=None, return_dtype=pl.UInt32)
        for end in ("source", "target")
    }
    return (
        table.with_columns(**numbered)
        .sort("method", "size", "source_place", "target_place")
        .select(list(TABLE))
    )


def _pairs(
    evidence: Evidence, method: str, size: int, lists: dict[str, str], limit: float
) -> list[dict[str, Any]]:
    held_out, types, rows = evidence.held_out, evidence.task_types, []
    for (target, own), (source, combination) in product(lists.items(), repeat=2):
        contrasts = [{combination: 1.0}, difference(combination, own)]
        drop, regret = measured(held_out, target, [own, combination], contrasts)
        row: dict[str, Any] = {
            "method": method,
            "size": size,
            "source": source,
            "target": target,
            "limit": limit,
        }
        row |= {
            "source_type": types[source],
            "target_type": types[target],
            "combination": combination,
            "own": own,
        }
        row |= {
            "drop": drop["mean"],
            "low": drop["low"],
            "high": drop["high"],
            "regret": regret["mean"],
        }
        row |= {
            "regret_low": regret["low"],
            "regret_high": regret["high"],
            "p": regret["p"],
            "q": None,
        }
        row |= {"n": held_out.samples.get(target) if held_out else None}
        rows.append(row | {"verdict": SAME if combination == own else None})
    return rows


def _order(table: pl.DataFrame) -> list[str]:
    """The datasets, those with the least regret between them side by side."""
    mean = table.group_by("source", "target").agg(pl.mean("regret")).sort("source", "target")
    names = sorted({*mean["source"], *mean["target"]})
    if len(names) < 3:
        return names
    places = {name: place for place, name in enumerate(names)}
    regret = np.zeros((len(names), len(names)))
    for source, target, value in mean.iter_rows():
        regret[places[source], places[target]] = max(value, 0.0)
    distance = (regret + regret.T) / 2
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [names[place] for place in leaves_list(tree)]
