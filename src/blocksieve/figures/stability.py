"""Draw whether the choice holds under other data."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import ROW, WIDTH, figure, panel_title, rows_axis, sentence
from blocksieve.figures.theme import CATEGORIES, INK

TITLE = "Stability: would other data choose the same?"
METHOD = "beam"
CELL, SMALL_CELL, NUMBERS_UP_TO = 30, 14, 20
SCHEMES = {
    "samples": "other samples (bootstrap)",
    "halves": "the other half",
    "datasets": "other datasets (bootstrap)",
}


def draw(document: Mapping[str, Any], scale: Scale) -> Any:
    """Draw the document of `stability`."""
    rows = [row for row in document["rows"] if row["method"] == METHOD]
    if not rows:
        text = "The evaluations were given as a table, without the samples that a choice under other data needs."
        return figure([sentence("Stability", text)], TITLE, [])
    table = pl.DataFrame(
        [
            {key: value for key, value in row.items() if key not in ("top", "removed")}
            for row in rows
        ]
    )
    generic = [row for row in rows if row["scope"] == "generic" and row["scheme"] == "samples"]
    draws = max(row["draws"] for row in rows)
    subtitle = [
        f"the combination of least drop among those evaluated, chosen {draws} times from {document['samples']:,} search"
        " samples; in common: the mean share of blocks"
    ]
    panels = [
        _again(table.filter(scope="generic")),
        _datasets(table.filter(scope="dataset", scheme="samples")),
        _blocks(generic),
    ]
    return figure(panels, TITLE, subtitle)


def _again(rows: pl.DataFrame) -> Any:
    splits = [name for name in rows["scheme"].unique().sort() if name not in SCHEMES]
    words = SCHEMES | {name: f"the other split ({name.removeprefix('splits ')})" for name in splits}
    order = {name: place for place, name in enumerate(words)}
    ordered = rows.sort("size", pl.col("scheme").replace_strict(order))
    named = ordered.with_columns(
        row=pl.format("{} removed: {}", "size", pl.col("scheme").replace_strict(words))
    )
    long = pl.concat(
        named.select("row", what=pl.lit(what), share=column)
        for what, column in (("same list", "same"), ("blocks in common", "overlap"))
    )
    x = alt.X("share:Q", title="share of draws, or of blocks", scale=alt.Scale(domain=[0, 1])).axis(
        format="%", tickCount=5
    )
    kinds = ["same list", "blocks in common"]
    colour = alt.Color("what:N", title=None, scale=alt.Scale(domain=kinds, range=CATEGORIES[1:3]))
    shape = alt.Shape(
        "what:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "diamond"])
    )
    dots = alt.Chart(long).mark_point(filled=True, size=48, opacity=1)
    return dots.encode(
        x=x, y=rows_axis("row", named["row"].to_list()), color=colour, shape=shape
    ).properties(title=panel_title("The generic choice"), width=WIDTH, height=alt.Step(ROW))


def _datasets(rows: pl.DataFrame) -> Any:
    order = rows["name"].unique(maintain_order=True).to_list()
    x = alt.X("size:O", title="blocks removed").axis(labelAngle=0, grid=False)
    y = alt.Y("name:N", title=None, scale=alt.Scale(domain=order)).axis(grid=False)
    return _heat(
        rows.select("size", "name", share="same"),
        x,
        y,
        "Each dataset's own choice: share of other samples with the same list",
        True,
    )


def _blocks(rows: list[dict[str, Any]]) -> Any:
    cells = pl.DataFrame(
        [
            {"size": row["size"], "block": int(block), "share": share}
            for row in rows
            for block, share in row["removed"].items()
        ]
    ).sort("size", "block")
    blocks = cells["block"].unique().sort().to_list()
    x = alt.X("block:O", title="block", scale=alt.Scale(domain=blocks)).axis(
        labelAngle=0, grid=False
    )
    y = alt.Y("size:O", title="blocks removed").axis(grid=False)
    title = "How often the generic choice removes a block, other samples; others never"
    return _heat(cells, x, y, title, len(blocks) <= NUMBERS_UP_TO)


def _heat(cells: pl.DataFrame, x: alt.X, y: alt.Y, title: str, with_numbers: bool) -> Any:
    shade = alt.Color(
        "share:Q",
        title="share",
        scale=alt.Scale(domain=[0, 1], range=["#ffffff", "#8fc1de"], interpolate="rgb"),
    ).legend(format="%")
    base = alt.Chart(cells).encode(x=x, y=y)
    layers = [base.mark_rect(stroke="#cccccc", strokeWidth=0.5).encode(color=shade)]
    if with_numbers:
        layers.append(
            base.mark_text(fontSize=9, color=INK).encode(text=alt.Text("share:Q", format=".0%"))
        )
    cell = CELL if with_numbers else SMALL_CELL
    return alt.layer(*layers, title=panel_title(title), width=alt.Step(cell), height=alt.Step(22))
