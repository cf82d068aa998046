"""Draw how alike the datasets respond to a combination."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import bars, boxes, counted, figure, histogram, rows_axis, sentence

TITLE = "Consistency: how alike the datasets respond to a combination"
TOP = 15
CV = "coefficient of variation (spread / mean)"


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `consistency_analysis`."""
    unit = "%" if scale == "relative" else "pp"
    numbers = [pl.col(name).round(1) for name in ("mean", "low", "high")]
    interval = pl.format("{} [{}, {}] {}", *numbers, pl.lit(unit))
    known = table.drop_nulls("cv").with_columns(value="cv", about=interval)
    if known.is_empty():
        text = "No combination has a mean drop clearly above 0 on two datasets or more, so no variation is known."
        return figure([sentence("Consistency", text)], TITLE, [])
    subtitle = [
        f"{counted(len(known), 'combination')} of {len(table):,} whose mean drop is clearly above 0 (95 % interval);"
        " for the others a ratio to the mean says nothing",
    ]
    axis = alt.X("value:Q", title=CV).axis(tickCount=6)
    panels = [
        histogram(known["cv"], axis, "combinations", "Distribution"),
        _grouped(known, "coverage", "datasets", axis, "By number of datasets evaluated"),
        _most_consistent(known),
        _grouped(known, "size", "removed", axis, "By number of removed blocks"),
    ]
    return figure(panels, TITLE, subtitle)


def _most_consistent(known: pl.DataFrame) -> Any:
    full = known.filter("full").sort("cv", maintain_order=True)
    best = full.head(TOP)
    if best.is_empty():
        return sentence("Most consistent", "No such combination was evaluated on every dataset.")
    title = (
        f"Most consistent: {len(best)} of {len(full)} on every dataset; mean drop, 95 % interval"
    )
    return bars(
        best, "cv", CV, rows_axis("combination", best["combination"].to_list()), title, text="about"
    )


def _grouped(known: pl.DataFrame, key: str, word: str, axis: alt.X, title: str) -> Any:
    """Boxes of the coefficient, a row a value of the key."""
    groups = known.group_by(key).agg(drops="cv", about=pl.format("n = {}", pl.len())).sort(key)
    rows = groups.with_columns(name=pl.format("{} {}", key, pl.lit(word)))
    return boxes(rows, axis, rows_axis("name", rows["name"].to_list()), title, "about")
