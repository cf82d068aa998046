"""Draw whether the choice holds under other data."""

from collections.abc import Mapping
from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.figures.parts import (
    ROW_HEIGHT,
    WIDTH,
    figure,
    names_axis,
    panel,
    panel_title,
    sentence,
)
from blocksieve.figures.theme import CATEGORIES, CELL_BORDER, INK
from blocksieve.units import Scale

TITLE = "Stability: would other data choose the same?"
# Pixels; beyond so many blocks, cells are too small for numbers.
CELL, SMALL_CELL, MAX_NUMBERED = 30, 14, 20
SCHEMES = {
    "samples": "other samples (bootstrap)",
    "halves": "the other half",
    "datasets": "other datasets (bootstrap)",
}
COMPARISONS = {"same list": "same", "same or tied": "tied", "blocks in common": "overlap"}
SHADES = ["#ffffff", "#8fc1de"]


class Row(TypedDict):
    """What the draws of a scheme chose: the parts of a row of stability.json that are drawn."""

    method: str
    scope: str
    name: str
    size: int
    scheme: str
    draws: int
    same: float
    tied: float
    overlap: float
    removed: dict[str, float]


class Stability(TypedDict):
    """The parts of stability.json that are drawn."""

    samples: int
    rows: list[Row]


def draw(document: Stability, scale: Scale) -> ChartType:
    """Draw the document of `stability`."""
    rows = [row for row in document["rows"] if row["method"] == RECOMMENDED]
    if not rows:
        text = (
            "The evaluations were given as a table, without the samples that a choice under other"
            " data needs."
        )
        return figure([sentence("Stability", text)], TITLE, [])
    columns = ["scope", "name", "size", "scheme", "same", "tied", "overlap"]
    table = pl.DataFrame(rows, schema=columns)
    num_draws = max(row["draws"] for row in rows)
    subtitle = (
        f"the recommended list, chosen again among the combinations evaluated {num_draws} times"
        f" from {document['samples']:,} search samples; in common: the mean share of blocks"
    )
    panels = [
        _generic_choice(table.filter(scope=Scope.GENERIC)),
        _dataset_choices(table.filter(scope="dataset", scheme="samples")),
        _removed_blocks(_generic_blocks(rows)),
    ]
    return figure(panels, TITLE, [subtitle])


def _generic_choice(rows: pl.DataFrame) -> ChartType:
    """Draw how alike the generic choices of each size and scheme are."""
    schemes = _scheme_labels(rows["scheme"])
    places = {name: place for place, name in enumerate(schemes)}
    ordered = rows.sort("size", pl.col("scheme").replace_strict(places))
    labels = pl.col("scheme").replace_strict(schemes)
    named = ordered.with_columns(row=pl.format("{} removed: {}", "size", labels))
    shares = [
        named.select("row", what=pl.lit(what), share=column) for what, column in COMPARISONS.items()
    ]

    x = (
        alt.X("share:Q")
        .title("share of draws, or of blocks")
        .scale(domain=[0, 1])
        .axis(format="%", tickCount=5)
    )
    kinds = list(COMPARISONS)
    colour = alt.Color("what:N", title=None)
    shape = alt.Shape("what:N", title=None)
    dots = alt.Chart(pl.concat(shares)).mark_point(filled=True, size=48, opacity=1)
    chart: ChartType = dots.encode(
        x=x,
        y=names_axis("row", named["row"].to_list()),
        color=colour.scale(domain=kinds, range=CATEGORIES[1:4]),
        shape=shape.scale(domain=kinds, range=["circle", "square", "diamond"]),
    ).properties(title=panel_title("The generic choice"), width=WIDTH, height=alt.Step(ROW_HEIGHT))
    return chart


def _scheme_labels(schemes: pl.Series) -> Mapping[str, str]:
    """Return what each scheme is called, those of source splits last."""
    labels = dict(SCHEMES)
    for name in schemes.unique().sort():
        if name not in SCHEMES:
            labels[name] = f"the other split ({name.removeprefix('splits ')})"
    return labels


def _dataset_choices(rows: pl.DataFrame) -> ChartType:
    datasets = rows["name"].unique(maintain_order=True).to_list()
    x = alt.X("size:O", title="blocks removed")
    x = x.axis(labelAngle=0, grid=False)
    y = alt.Y("name:N", title=None)
    y = y.scale(domain=datasets).axis(grid=False)
    cells = rows.select("size", "name", share="same")
    title = "Each dataset's own choice: share of other samples with the same list"
    return _heatmap(cells, x, y, title, with_numbers=True)


def _generic_blocks(rows: list[Row]) -> pl.DataFrame:
    """Return how often the generic choice removes each block: a row per size and block."""
    cells = []
    for row in rows:
        if row["scope"] == Scope.GENERIC and row["scheme"] == "samples":
            for block, share in row["removed"].items():
                cell = {"size": row["size"], "block": int(block), "share": share}
                cells.append(cell)
    return pl.DataFrame(cells).sort("size", "block")


def _removed_blocks(cells: pl.DataFrame) -> ChartType:
    blocks = cells["block"].unique().sort().to_list()
    x = alt.X("block:O", title="block")
    x = x.scale(domain=blocks).axis(labelAngle=0, grid=False)
    y = alt.Y("size:O", title="blocks removed").axis(grid=False)
    title = "How often the generic choice removes a block, other samples; others never"
    with_numbers = len(blocks) <= MAX_NUMBERED
    return _heatmap(cells, x, y, title, with_numbers)


def _heatmap(cells: pl.DataFrame, x: alt.X, y: alt.Y, title: str, with_numbers: bool) -> ChartType:
    shade = (
        alt.Color("share:Q", title="share")
        .scale(domain=[0, 1], range=SHADES, interpolate="rgb")
        .legend(format="%")
    )
    base = alt.Chart(cells).encode(x=x, y=y)
    layers = [base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5).encode(color=shade)]
    if with_numbers:
        number = alt.Text("share:Q", format=".0%")
        layers.append(base.mark_text(fontSize=9, color=INK).encode(text=number))
    cell = CELL if with_numbers else SMALL_CELL
    return panel(layers, title, alt.Step(cell), alt.Step(22))
