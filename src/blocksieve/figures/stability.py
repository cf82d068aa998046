"""Draw whether the choice holds under other data."""

from collections.abc import Mapping
from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.combination import Site
from blocksieve.figures.parts import (
    figure,
    grid,
    panel,
    sentence,
    tooltip,
)
from blocksieve.figures.theme import CELL_BORDER, INK
from blocksieve.units import Scale

TITLE = "Stability: would other data choose the same?"
# Pixels; beyond so many blocks, cells are too small for numbers.
CELL, SMALL_CELL, MAX_NUMBERED = 30, 14, 20
SCHEMES = {
    "samples": "the samples resampled",
    "halves": "the other half",
    "datasets": "the datasets resampled",
}
COMPARISONS = {
    "Generic choice: the same": "same",
    "Same or tied": "tied",
    "Blocks in common": "overlap",
}
# So many sizes leave room for panels side by side.
SIDE_BY_SIDE = 6
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
    columns = ["scope", "name", "size", "scheme", "draws", "same", "tied", "overlap"]
    table = pl.DataFrame(rows, schema=columns)
    num_draws = max(row["draws"] for row in rows)
    subtitle = (
        f"the recommended list, chosen again among the combinations evaluated {num_draws} times"
        f" from {document['samples']:,} search samples; in common: the mean share of blocks"
    )
    limits = (
        "among near ties resampling repeats the run's choice more often than other samples would;"
        " halves, of half as many samples, agree less often"
    )
    own = _dataset_choices(table.filter(scope="dataset", scheme="halves"))
    blocks = _removed_blocks(_generic_blocks(rows))
    panels = [_generic_choice(table.filter(scope=Scope.GENERIC)), grid([own, blocks])]
    return figure(panels, TITLE, [subtitle, limits], columns=1)


def _generic_choice(rows: pl.DataFrame) -> ChartType:
    """Draw how alike the generic choices of each size and scheme are."""
    schemes = _scheme_labels(rows["scheme"])
    cells = rows.with_columns(name=pl.col("scheme").replace_strict(schemes))
    present = set(cells["name"])
    names = [label for label in schemes.values() if label in present]
    num_sizes = rows["size"].n_unique()
    columns = len(COMPARISONS) if num_sizes <= SIDE_BY_SIDE else 1
    panels: list[ChartType] = []
    for heading, column in COMPARISONS.items():
        with_names = len(panels) % columns == 0
        y = alt.Y("name:N", title=None)
        y = y.scale(domain=names).axis(
            grid=False,
            labels=with_names,
            ticks=with_names,
        )
        shares = cells.with_columns(share=column)
        panels.append(_heatmap(shares, _sizes_axis(), y, heading, with_numbers=True))
    return grid(panels, columns)


def _sizes_axis() -> alt.X:
    x = alt.X("size:O", title="blocks removed")
    return x.axis(labelAngle=0, grid=False)


def _scheme_labels(schemes: pl.Series) -> Mapping[str, str]:
    """Return what each scheme is called, those of source splits last."""
    labels = dict(SCHEMES)
    for name in schemes.unique().sort():
        if name not in SCHEMES:
            labels[name] = f"the other split ({name.removeprefix('splits ')})"
    return labels


def _dataset_choices(rows: pl.DataFrame) -> ChartType:
    datasets = rows["name"].unique(maintain_order=True).to_list()
    y = alt.Y("name:N", title=None)
    y = y.scale(domain=datasets).axis(grid=False)
    cells = rows.with_columns(share="same")
    title = "Own choices: the same, the other half"
    return _heatmap(cells, _sizes_axis(), y, title, with_numbers=True)


def _generic_blocks(rows: list[Row]) -> pl.DataFrame:
    """Return how often the generic choice removes each site: a row per size and site.

    `block` holds numbers, or texts where halves of blocks are among the sites.
    """
    cells = []
    for row in rows:
        if row["scope"] == Scope.GENERIC and row["scheme"] == "halves":
            for block, share in row["removed"].items():
                cell = {
                    "size": row["size"],
                    "block": block,
                    "share": share,
                    "draws": row["draws"],
                }
                cells.append(cell)
    cells.sort(key=lambda cell: (cell["size"], Site.parse(str(cell["block"]))))
    table = pl.DataFrame(cells)
    numbers = table["block"].cast(pl.Int64, strict=False)
    return table if numbers.has_nulls() else table.with_columns(numbers)


def _removed_blocks(cells: pl.DataFrame) -> ChartType:
    blocks = sorted(cells["block"].unique(), key=lambda block: Site.parse(str(block)))
    x = alt.X("block:O", title="block")
    x = x.scale(domain=blocks).axis(labelAngle=0, grid=False)
    y = alt.Y("size:O", title="blocks removed").axis(grid=False)
    title = "How often the generic choice of a half has a block"
    with_numbers = len(blocks) <= MAX_NUMBERED
    return _heatmap(cells, x, y, title, with_numbers)


def _heatmap(cells: pl.DataFrame, x: alt.X, y: alt.Y, title: str, with_numbers: bool) -> ChartType:
    shade = alt.Color("share:Q", legend=None)
    shade = shade.scale(domain=[0, 1], range=SHADES, interpolate="rgb")
    said = {
        "size": "blocks removed",
        "share": "share",
        "draws": "draws",
    }
    rows = "block" if "block" in cells.columns else "name"
    tip = tooltip(cells, {rows: rows} | said)
    base = alt.Chart(cells).encode(x=x, y=y, tooltip=tip)
    layers = [base.mark_rect(stroke=CELL_BORDER, strokeWidth=0.5).encode(color=shade)]
    if with_numbers:
        number = alt.Text("share:Q", format=".0%")
        layers.append(base.mark_text(fontSize=9, color=INK).encode(text=number))
    cell = CELL if with_numbers else SMALL_CELL
    return panel(layers, title, alt.Step(cell), alt.Step(22))
