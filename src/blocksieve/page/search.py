"""The search on the page: what every step of a beam kept, as a tree that unfolds."""

from typing import Any, TypedDict

import polars as pl

from blocksieve.choices import Scope
from blocksieve.page.measurements import Interval


class Kept(TypedDict):
    """A combination that a step kept.

    `under`: the best of those it extends, None at size 1; `also`: the others. `drop`: on search
    samples, with half its interval.
    """

    name: str
    size: int
    drop: Interval
    under: str | None
    also: list[str]


class NotKept(TypedDict):
    """How many candidates of a size a step dropped, and what the best of them cost."""

    size: int
    number: int
    least: float


class Search(TypedDict):
    """The search for one dataset, or for all of them: what was kept, the best of a size first."""

    scope: str
    kept: list[Kept]
    not_kept: list[NotKept]


def searches(table: pl.DataFrame) -> list[Search]:
    """Return what each beam kept, the generic one first; `table`: of `search_tree`."""
    scopes = sorted(table["scope"].unique(), key=lambda scope: (scope != Scope.GENERIC, scope))
    return [_search(scope, table.filter(scope=scope)) for scope in scopes]


def _search(scope: str, rows: pl.DataFrame) -> Search:
    kept = rows.filter("kept").sort("size", "rank")
    ranks = dict(kept.select("combination", "rank").iter_rows())
    others = rows.filter(~pl.col("kept")).group_by("size")
    steps = others.agg(
        number=pl.len(),
        least=pl.min("drop"),
    )
    return {
        "scope": scope,
        "kept": [_kept(row, ranks) for row in kept.iter_rows(named=True)],
        "not_kept": [
            {"size": size, "number": number, "least": least}
            for size, number, least in steps.sort("size").iter_rows()
        ],
    }


def _kept(row: dict[str, Any], ranks: dict[str, int]) -> Kept:
    under, *also = sorted(row["parents"], key=ranks.__getitem__) or [None]
    half = None if row["high"] is None else row["high"] - row["drop"]
    return {
        "name": row["combination"],
        "size": row["size"],
        "drop": (row["drop"], half),
        "under": under,
        "also": also,
    }
