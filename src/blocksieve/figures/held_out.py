"""Draw how much better combinations look on the samples that chose them than on others."""

from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.figures.parts import (
    counted,
    diagonal,
    drop_axis,
    estimates,
    extent,
    figure,
    grid,
    interval,
    names_axis,
    panel,
    sentence,
    symlog_between,
    titled,
    tooltip,
)
from blocksieve.figures.theme import FULL
from blocksieve.units import Scale, drop_title

TITLE = "Held out: do winners keep what they promised?"
# Pixels.
SIDE = 290
SCOPES = {Scope.DATASET: "datasets' own", Scope.GENERIC: "generic"}


class HeldOut(TypedDict):
    """The parts of held_out.json that are drawn; rows follow its schema."""

    search_samples: int
    holdout_samples: int
    by_size: list[dict[str, object]]
    winners: list[dict[str, object]]
    finalists: list[dict[str, object]]


def draw(document: HeldOut, scale: Scale) -> ChartType:
    """Draw the document of `held_out`, in % of the baseline or pp."""
    if not document["winners"]:
        text = "No winner was measured on samples that were never used to choose."
        return figure([sentence("Holdout", text)], TITLE, [])
    tables = [pl.DataFrame(document["winners"])]
    tables[0] = tables[0].filter(scope=Scope.DATASET, method=RECOMMENDED)
    titles = ["Winners of each dataset, on that dataset"]
    if document["finalists"]:
        tables.append(pl.DataFrame(document["finalists"]))
        titles.append("Finalists, averaged over the datasets")
    both = [table[column] for table in tables for column in ("search", "holdout")]
    ends = extent(*both)
    scatters = [
        _scatter(table, scale, ends, title) for table, title in zip(tables, titles, strict=True)
    ]
    side_by_side = grid(scatters).resolve_scale(shape="shared")
    by_size = pl.DataFrame(document["by_size"])
    optimism = _optimism(by_size, scale)
    optimism.width = 2 * SIDE
    subtitle = (
        f"{document['search_samples']:,} search samples chose,"
        f" {document['holdout_samples']:,} holdout samples measured again;"
        " optimism: holdout drop minus search drop"
    )
    panels = grid([side_by_side, optimism], columns=1)
    return titled(panels, TITLE, [subtitle])


def _scatter(rows: pl.DataFrame, scale: Scale, ends: tuple[float, float], title: str) -> ChartType:
    """Draw the holdout drop of every combination, with its interval, against its search drop.

    Both axes, and those of the other panel, span the same drops.
    """
    x = symlog_between(alt.X("search:Q", title=f"search: {drop_title(scale)}"), ends)
    y = symlog_between(alt.Y("holdout:Q", title=f"holdout: {drop_title(scale)}"), ends)
    size = alt.Shape("size:O", title="blocks removed", sort="ascending")
    points = rows.with_columns(interval=interval("holdout_low", "holdout_high"))
    said = {
        "combination": "blocks",
        "search": "search drop",
        "holdout": "holdout drop",
        "interval": "95 % interval",
    }
    if "name" in points.columns:
        said["name"] = "dataset"
    tip = tooltip(points, said)

    line = diagonal(x, y, ("search", "holdout"), ends)
    whiskers = alt.Chart(points.select(*said, "holdout_low", "holdout_high").drop_nulls())
    whiskers = whiskers.mark_rule(color=FULL, opacity=0.25, clip=True).encode(
        x=x,
        y=alt.Y("holdout_low:Q"),
        y2="holdout_high:Q",
        tooltip=tip,
    )
    dots = alt.Chart(points.select(*said, "size"))
    dots = dots.mark_point(size=34, color=FULL, opacity=0.8)
    dots = dots.encode(
        x=x,
        y=y,
        shape=size,
        tooltip=tip,
    )
    layers = [line, whiskers, dots]
    heading = f"{title} (n = {len(rows)}; dashed: equal)"
    return panel(layers, heading, SIDE, SIDE)


def _optimism(by_size: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the optimism of what is recommended; the report has that of the other methods."""
    scopes = pl.col("scope").replace_strict(SCOPES)
    recommended = by_size.filter(method=RECOMMENDED)
    rows = recommended.sort("scope", "size").with_columns(
        value="optimism",
        low="optimism_low",
        high="optimism_high",
        row=pl.format("{}, {} removed", scopes, "size"),
        about=pl.format("{} of {} still tied with the best", "still_tied", "winners"),
    )
    num_winners = int(recommended["winners"].sum())
    title = f"Optimism of {counted(num_winners, 'winner')}, 95 % interval"
    y = names_axis("row", rows["row"].to_list())
    return estimates(rows, drop_axis(scale, "optimism:"), y, title, "about")
