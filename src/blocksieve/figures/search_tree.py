"""Draw the beam: which combinations each step of the search kept, and from which they came."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import Scope
from blocksieve.figures.parts import extent, figure, for_column, grid, panel, sentence, titled
from blocksieve.figures.theme import FULL, SUBDUED
from blocksieve.units import Scale, drop_title

TITLE = "Search: what each step kept"
PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 230, 190, 3
# The axis spans so many times what was kept, for the nearer ones of the candidates that were not.
HEADROOM = 2.5


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `search_tree`, a panel per scope, in % of the baseline or pp."""
    if table.is_empty():
        text = "The evaluations were given as a table, without the beams of a search."
        return figure([sentence("Search", text)], TITLE, [])
    panels = []
    for scope in _generic_first(table["scope"].unique().sort().to_list()):
        rows = table.filter(pl.col("scope") == scope)
        panels.append(_panel(rows, scope, scale))
    subtitle = [
        "lines: from a kept combination to the kept ones that extend it;"
        " grey: candidates not kept; the best of every size by name, with its 95 % interval",
        "candidates that cost more than the axis shows are counted in the panel's title",
    ]
    return titled(grid(panels, COLUMNS), TITLE, subtitle)


def _generic_first(scopes: list[str]) -> list[str]:
    return sorted(scopes, key=lambda scope: scope != Scope.GENERIC)


def _panel(rows: pl.DataFrame, scope: str, scale: Scale) -> ChartType:
    """Draw the candidates, the kept combinations, and the lines between them, of one scope."""
    kept = rows.filter("kept")
    candidates = rows.filter(~pl.col("kept"))
    best = kept.filter(pl.col("rank") == 1)

    low, _ = extent(rows["drop"], best["low"])
    _, highest_kept = extent(kept["drop"])
    height = max(highest_kept - low, 1.0) * HEADROOM
    bottom, top = low - 0.15 * height, low + height
    y = alt.Y("drop:Q", title=drop_title(scale))
    y = y.scale(domain=[bottom, top], nice=False).axis(tickCount=5)
    sizes = rows["size"].unique().sort().to_list()
    left, right = sizes[0] - 0.3, sizes[-1] + 0.7
    x = alt.X("size:Q", title="blocks removed")
    x = x.scale(domain=[left, right], nice=False)
    x = x.axis(values=sizes, format="d", grid=False)

    inside = candidates.filter(pl.col("drop") <= top)
    ticks = alt.Chart(inside.select("size", "drop"))
    ticks = ticks.mark_tick(color="#bbbbbb", orient="horizontal", width=14)
    layers = [ticks.encode(x=x, y=y), *_tree(kept, best, x, y)]
    title = f"{scope}: {len(kept)} of {len(rows)} kept"
    num_beyond = len(candidates) - len(inside)
    if num_beyond > 0:
        title += f", {num_beyond} beyond the axis"
    return panel(layers, title, PANEL_WIDTH, PANEL_HEIGHT)


def _tree(kept: pl.DataFrame, best: pl.DataFrame, x: alt.X, y: alt.Y) -> list[ChartType]:
    """Draw the kept combinations, and the name and the interval of the best of every size."""
    edges = alt.Chart(_edges(kept)).mark_rule(color=FULL, opacity=0.6)
    intervals = alt.Chart(best.select("size", "low", "high").drop_nulls())
    intervals = intervals.mark_rule(
        strokeWidth=2.5,
        opacity=0.35,
        color=FULL,
        clip=True,
    )
    dots = alt.Chart(kept.select("size", "drop"))
    dots = dots.mark_point(
        filled=True,
        size=34,
        opacity=1,
        color=FULL,
    )
    names = alt.Chart(best.select("size", "drop", "combination"))
    names = names.mark_text(
        align="left",
        dx=5,
        dy=11,
        fontSize=9,
        color=SUBDUED,
    )
    return [
        edges.encode(
            x=x,
            y=y,
            x2="to_size:Q",
            y2="to_drop:Q",
        ),
        intervals.encode(x=x, y=for_column(y, "low"), y2="high:Q"),
        dots.encode(x=x, y=y),
        names.encode(x=x, y=y, text="combination:N"),
    ]


def _edges(kept: pl.DataFrame) -> pl.DataFrame:
    """Return the lines from every kept combination to the kept ones that extend it."""
    children = kept.select("parents", to_size="size", to_drop="drop")
    children = children.explode("parents").drop_nulls("parents")
    parents = kept.select("size", "drop", "combination")
    return children.join(parents, left_on="parents", right_on="combination")
