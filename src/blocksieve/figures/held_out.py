"""Draw how much better combinations look on the samples that chose them than on others."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    UNITS,
    WIDTH,
    counted,
    drop_axis,
    ends,
    estimates,
    figure,
    panel_title,
    rows_axis,
    sentence,
)
from blocksieve.figures.theme import FULL, SUBDUED

TITLE = "Held out: do winners keep what they promised?"
SCOPES = {"dataset": "datasets' own", "generic": "generic"}


def draw(document: Mapping[str, Any], scale: Scale) -> Any:
    """Draw the document of `held_out`, in % of the baseline or pp."""
    if not document["winners"]:
        text = "No winner was measured on samples that were never used to choose."
        return figure([sentence("Holdout", text)], TITLE, [])
    subtitle = [
        f"{document['search_samples']:,} search samples chose, {document['holdout_samples']:,} holdout samples measured"
        " again; optimism: holdout drop minus search drop"
    ]
    panels = [_scatter(pl.DataFrame(document["winners"]).filter(scope="dataset"), scale)]
    panels.append(_optimism(pl.DataFrame(document["by_size"]), scale))
    if document["finalists"]:
        panels.insert(1, _finalists(pl.DataFrame(document["finalists"]), scale))
    return figure(panels, TITLE, subtitle)


def _scatter(rows: pl.DataFrame, scale: Scale) -> Any:
    return _against(
        rows.filter(method="beam"),
        scale,
        "Winners of each dataset's own beam, on that dataset",
        "one a size",
    )


def _finalists(rows: pl.DataFrame, scale: Scale) -> Any:
    return _against(rows, scale, "Finalists, averaged over the datasets", "combination")


def _against(rows: pl.DataFrame, scale: Scale, title: str, what: str) -> Any:
    low, high = ends(rows["search"], rows["holdout"])
    line = pl.DataFrame({"search": [low, high], "holdout": [low, high]})
    x = alt.X("search:Q", title=f"search: {UNITS[scale]}").axis(tickCount=6)
    y = alt.Y("holdout:Q", title=f"holdout: {UNITS[scale]}").axis(tickCount=6)
    size = alt.Shape("size:O", title="blocks removed", sort="ascending")
    dots = alt.Chart(rows.select("search", "holdout", "size")).mark_point(
        size=34, color=FULL, opacity=0.8
    )
    diagonal = alt.Chart(line).mark_line(color=SUBDUED, strokeDash=[4, 3]).encode(x=x, y=y)
    bars = alt.Chart(rows.drop_nulls("holdout_low").select("search", "holdout_low", "holdout_high"))
    whiskers = bars.mark_rule(color=FULL, opacity=0.25).encode(
        x=x, y=alt.Y("holdout_low:Q"), y2="holdout_high:Q"
    )
    heading = panel_title(f"{title} (n = {len(rows)}, 95 % intervals; dashed: equal)")
    return alt.layer(
        diagonal,
        whiskers,
        dots.encode(x=x, y=y, shape=size),
        title=heading,
        width=WIDTH,
        height=240,
    )


def _optimism(by_size: pl.DataFrame, scale: Scale) -> Any:
    rows = by_size.with_columns(
        value="optimism", low="optimism_low", high="optimism_high",
        row=pl.format("{} removed, {} {}", "size", pl.col("scope").replace_strict(SCOPES), "method"),
        about=pl.format("{} of {} still tied with the best", "still_tied", "winners"),
    ).sort("scope", "method", "size")  # fmt: skip
    title = f"Optimism of {counted(int(by_size['winners'].sum()), 'winner')}, 95 % interval"
    return estimates(
        rows, drop_axis(scale, "optimism:"), rows_axis("row", rows["row"].to_list()), title, "about"
    )
