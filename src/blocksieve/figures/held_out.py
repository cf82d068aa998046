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
    names_axis,
    panel,
    sentence,
)
from blocksieve.figures.theme import FULL
from blocksieve.units import Scale, drop_title

TITLE = "Held out: do winners keep what they promised?"
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
    winners = pl.DataFrame(document["winners"])
    winners = winners.filter(scope=Scope.DATASET, method=RECOMMENDED)
    title = "Winners of each dataset's own beam, on that dataset"
    panels = [_scatter(winners, scale, title)]
    if document["finalists"]:
        finalists = pl.DataFrame(document["finalists"])
        title = "Finalists, averaged over the datasets"
        panels.append(_scatter(finalists, scale, title))
    by_size = pl.DataFrame(document["by_size"])
    panels.append(_optimism(by_size, scale))
    subtitle = (
        f"{document['search_samples']:,} search samples chose,"
        f" {document['holdout_samples']:,} holdout samples measured again;"
        " optimism: holdout drop minus search drop"
    )
    return figure(panels, TITLE, [subtitle])


def _scatter(rows: pl.DataFrame, scale: Scale, title: str) -> ChartType:
    """Draw the holdout drop of every combination, with its interval, against its search drop."""
    ends = extent(rows["search"], rows["holdout"])
    x = alt.X("search:Q", title=f"search: {drop_title(scale)}")
    x = x.axis(tickCount=6)
    y = alt.Y("holdout:Q", title=f"holdout: {drop_title(scale)}")
    y = y.axis(tickCount=6)
    size = alt.Shape("size:O", title="blocks removed", sort="ascending")

    line = diagonal(x, y, ("search", "holdout"), ends)
    with_interval = rows.drop_nulls("holdout_low")
    whiskers = alt.Chart(with_interval.select("search", "holdout_low", "holdout_high"))
    whiskers = whiskers.mark_rule(color=FULL, opacity=0.25).encode(
        x=x,
        y=alt.Y("holdout_low:Q"),
        y2="holdout_high:Q",
    )
    dots = alt.Chart(rows.select("search", "holdout", "size"))
    dots = dots.mark_point(size=34, color=FULL, opacity=0.8)
    layers = [line, whiskers, dots.encode(x=x, y=y, shape=size)]
    heading = f"{title} (n = {len(rows)}, 95 % intervals; dashed: equal)"
    return panel(layers, heading, height=240)


def _optimism(by_size: pl.DataFrame, scale: Scale) -> ChartType:
    scopes = pl.col("scope").replace_strict(SCOPES)
    rows = by_size.sort("scope", "method", "size").with_columns(
        value="optimism",
        low="optimism_low",
        high="optimism_high",
        row=pl.format("{} removed, {} {}", "size", scopes, "method"),
        about=pl.format("{} of {} still tied with the best", "still_tied", "winners"),
    )
    num_winners = int(by_size["winners"].sum())
    title = f"Optimism of {counted(num_winners, 'winner')}, 95 % interval"
    y = names_axis("row", rows["row"].to_list())
    return estimates(rows, drop_axis(scale, "optimism:"), y, title, "about")
