"""Draw the beam: which combinations each step of the search kept, and from which they came."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.analysis.search_tree import GENERIC
from blocksieve.evidence import Scale
from blocksieve.figures.parts import UNITS, ends, grid, like, panel_title, sentence, titled
from blocksieve.figures.theme import FULL, SUBDUED

TITLE = "Search: what each step kept"
PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 230, 190, 3
# The axis spans so many times what was kept, for the nearer ones of the candidates that were not.
HEADROOM = 2.5


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `search_tree`, a panel a scope, in % of the baseline or pp."""
    if table.is_empty():
        text = "The evaluations were given as a table, without the beams of a search."
        return titled(grid([sentence("Search", text)]), TITLE, [])
    scopes = sorted(table["scope"].unique(), key=lambda scope: (scope != GENERIC, scope))
    panels = [_panel(table.filter(pl.col("scope") == scope), scope, scale) for scope in scopes]
    subtitle = [
        "lines: from a kept combination to the kept ones that extend it; grey: candidates not kept; the best of every"
        " size by name, with its 95 % interval",
        "candidates that cost more than the axis shows are counted in the panel's title",
    ]
    return titled(grid(panels, COLUMNS), TITLE, subtitle)


def _panel(rows: pl.DataFrame, scope: str, scale: Scale) -> Any:
    kept, rest = rows.filter("kept"), rows.filter(~pl.col("kept"))
    best = kept.filter(pl.col("rank") == 1)
    low, high = ends(rows["drop"], best["low"])[0], ends(kept["drop"])[1]
    height = max(high - low, 1.0) * HEADROOM
    top = low + height
    inside = rest.filter(pl.col("drop") <= top)
    sizes = rows["size"].unique().sort().to_list()
    beyond = len(rest) - len(inside)
    heading = f"{scope}: {len(kept)} of {len(rows)} kept" + (
        f", {beyond} beyond the axis" if beyond else ""
    )
    span = alt.Scale(domain=[sizes[0] - 0.3, sizes[-1] + 0.7], nice=False)
    x = alt.X("size:Q", title="blocks removed", scale=span).axis(
        values=sizes, format="d", grid=False
    )
    y = alt.Y(
        "drop:Q", title=UNITS[scale], scale=alt.Scale(domain=[low - 0.15 * height, top], nice=False)
    ).axis(tickCount=5)
    return alt.layer(
        alt.Chart(inside.select("size", "drop"))
        .mark_tick(color="#bbbbbb", orient="horizontal", width=14)
        .encode(x=x, y=y),
        alt.Chart(_edges(kept))
        .mark_rule(color=FULL, opacity=0.6)
        .encode(x=x, y=y, x2="to_size:Q", y2="to_drop:Q"),
        alt.Chart(best.select("size", "low", "high").drop_nulls())
        .mark_rule(strokeWidth=2.5, opacity=0.35, color=FULL, clip=True)
        .encode(x=x, y=like(y, "low"), y2="high:Q"),
        alt.Chart(kept.select("size", "drop"))
        .mark_point(filled=True, size=34, opacity=1, color=FULL)
        .encode(x=x, y=y),
        alt.Chart(best.select("size", "drop", "combination"))
        .mark_text(align="left", dx=5, dy=11, fontSize=9, color=SUBDUED)
        .encode(x=x, y=y, text="combination:N"),
        title=panel_title(heading),
        width=PANEL_WIDTH,
        height=PANEL_HEIGHT,
    )


def _edges(kept: pl.DataFrame) -> pl.DataFrame:
    """From every kept combination to the kept ones that extend it."""
    ends = (
        kept.select("parents", to_size="size", to_drop="drop")
        .explode("parents")
        .drop_nulls("parents")
    )
    return ends.join(
        kept.select("size", "drop", "combination"), left_on="parents", right_on="combination"
    )
