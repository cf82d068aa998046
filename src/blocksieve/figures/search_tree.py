"""Draw the beam: which combinations each step of the search kept, and from which they came."""

from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import Scope
from blocksieve.combination import Combination
from blocksieve.figures.parts import (
    extent,
    figure,
    for_column,
    grid,
    interval,
    panel,
    rounded,
    sentence,
    titled,
    tooltip,
)
from blocksieve.figures.theme import FULL, INK, SUBDUED
from blocksieve.units import Scale, drop_title

TITLE = "Search: what each step kept"
# Pixels.
LETTER = 4.9
GAP = 40
ROW = 17
# Of a combination's name; a longer one gives way to the block that was added.
LETTERS = 20


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `search_tree`, a panel per scope, in % of the baseline or pp."""
    if table.is_empty():
        text = (
            "There are no beams to follow: the evaluations were given as a table, or the search"
            " did not extend combinations by a block."
        )
        return figure([sentence("Search", text)], TITLE, [])
    panels = []
    for scope in _generic_first(table["scope"].unique().sort().to_list()):
        rows = table.filter(pl.col("scope") == scope)
        panels.append(_panel(rows, scope))
    subtitle = [
        "lines: from a kept combination to the kept ones that extend it, the best of every size at"
        " the top",
        f"numbers: {drop_title(scale)} on search samples, of the best with its 95 % interval",
    ]
    return titled(grid(panels, columns=1), TITLE, subtitle)


def _generic_first(scopes: list[str]) -> list[str]:
    return sorted(scopes, key=lambda scope: scope != Scope.GENERIC)


def _panel(rows: pl.DataFrame, scope: str) -> ChartType:
    """Draw the kept combinations of one scope by name, a column per size, and what was not kept."""
    nodes = _nodes(rows.filter("kept"))
    num_rows = int(nodes["rank"].max())  # type: ignore[arg-type]
    columns = nodes.group_by("size").agg(pl.first("start")).sort("size")
    headings = columns.with_columns(
        rank=pl.lit(0),
        text=pl.format("{} removed", "size"),
    )
    candidates = rows.filter(~pl.col("kept"))
    others = candidates.group_by("size").agg(
        number=pl.len(),
        least=pl.min("drop"),
    )
    text = pl.format("{} not kept, from {}", "number", rounded("least", 1))
    footers = columns.join(others, on="size", maintain_order="left").with_columns(
        rank=pl.lit(num_rows + 1),
        text=text,
    )

    _, width = extent(nodes["end"])
    x = alt.X("start:Q", axis=None)
    x = x.scale(domain=[0, width], nice=False)
    y = alt.Y("rank:Q", axis=None)
    y = y.scale(
        domain=[-0.5, num_rows + 1.5],
        nice=False,
        reverse=True,
    )
    layers = [
        _edges(nodes).encode(
            x=for_column(x, "end"),
            x2="start:Q",
            y=y,
            y2="to_rank:Q",
        ),
        _text(headings, x, y, SUBDUED),
        _names(nodes, x, y),
        _text(footers, x, y, SUBDUED),
    ]
    title = f"{scope}: {len(nodes)} of {len(rows)} kept"
    return panel(layers, title, round(width), ROW * (num_rows + 2))


def _nodes(kept: pl.DataFrame) -> pl.DataFrame:
    """Return the kept combinations with labels, and where these start and end.

    Every size has a column as wide as its longest label.
    """
    is_short = pl.col("combination").str.len_chars() <= LETTERS
    added = kept.select(pl.struct("combination", "parents").map_elements(_added, pl.String))
    drop = rounded("drop", 1)
    ends = interval(decimals=1)
    nodes = kept.with_columns(
        name=pl.when(is_short).then("combination").otherwise(added.to_series()),
        interval=interval(),
    )
    best = pl.format("{}: {} ({})", "name", drop, ends)
    label = pl.format("{}: {}", "name", drop)
    is_best = pl.col("rank") == 1
    nodes = nodes.with_columns(label=pl.when(is_best).then(best).otherwise(label))

    length = LETTER * pl.col("label").str.len_chars()
    widths = nodes.group_by("size").agg(width=length.max() + GAP)
    ends_of_columns = pl.col("width").cum_sum()
    starts = widths.sort("size").select("size", start=ends_of_columns - pl.col("width"))
    nodes = nodes.join(starts, on="size", maintain_order="left")
    return nodes.with_columns(end=pl.col("start") + length)


def _added(node: dict[str, Any]) -> str:
    """Return the block that a combination has more than the first it extends, such as `+12`."""
    if not node["parents"]:
        return str(node["combination"])
    parent = Combination.parse(node["parents"][0])
    combination = Combination.parse(node["combination"])
    added = Combination.of(set(combination.sites) - set(parent.sites))
    return f"+{added}"


def _names(nodes: pl.DataFrame, x: alt.X, y: alt.Y) -> ChartType:
    said = {
        "combination": "blocks",
        "rank": "rank",
        "drop": "drop",
        "interval": "95 % interval",
        "size": "blocks removed",
    }
    bold_best = alt.ExprRef("datum.rank === 1 ? 'bold' : 'normal'")
    marks = alt.Chart(nodes.drop("parents")).mark_text(
        align="left", fontSize=9, fontWeight=bold_best, color=INK
    )
    chart: ChartType = marks.encode(x=x, y=y, text="label:N", tooltip=tooltip(nodes, said))
    return chart


def _text(rows: pl.DataFrame, x: alt.X, y: alt.Y, colour: str) -> ChartType:
    marks = alt.Chart(rows).mark_text(
        align="left",
        fontSize=9,
        color=colour,
    )
    chart: ChartType = marks.encode(
        x=x,
        y=y,
        text="text:N",
    )
    return chart


def _edges(nodes: pl.DataFrame) -> alt.Chart:
    """Draw the lines from every kept combination to the kept ones that extend it."""
    children = nodes.select("parents", "start", to_rank="rank")
    children = children.explode("parents").drop_nulls("parents")
    parents = nodes.select("end", "rank", "combination")
    lines = children.join(
        parents, left_on="parents", right_on="combination", maintain_order="left_right"
    )
    # Labels keep clear of the lines.
    lines = lines.with_columns(pl.col("end") + 4, pl.col("start") - 4)
    marks: alt.Chart = alt.Chart(lines).mark_rule(color=FULL, opacity=0.5, tooltip=None)
    return marks
