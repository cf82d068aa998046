"""Draw the rankings: one panel a number of removed blocks, the combinations that cost least at its top."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import LABEL_PADDING, SHOWN, sentence
from blocksieve.figures.theme import FULL, GRID, INK, SUBDUED

TOP = 15
COLUMNS = 2
PANEL_WIDTH = 270
ROW_HEIGHT = 18
# The thin bar runs under the thick one, so that neither hides the other.
SPREAD_BELOW = 5.5
HEADING_ROW = " "
PARTIAL_HEADING = "not evaluated on every dataset, unranked"
INTERVAL, SPREAD = "95 % interval of the mean", "± standard deviation over datasets"
UNITS = {
    "relative": "mean relative drop (% of baseline)",
    "points": "mean drop (percentage points)",
}
BARS = alt.Scale(domain=[INTERVAL, SPREAD], range=[3, 1])


def draw(ranking: pl.DataFrame, across_datasets: Scale) -> alt.ConcatChart:
    """Draw a ranking as made by `analyse`: the up to 15 first combinations of every size, on one of the two scales.

    A dot is the mean over datasets, in % of the baseline or in pp; its thick bar is the 95 % interval of that mean, its
    thin bar the mean plus and minus the standard deviation over datasets. Combinations not evaluated on every dataset
    follow apart, as grey open dots. A dot without bars has an unknown interval or one dataset. Every panel has its own
    x axis.
    """
    shown = _shown(ranking, across_datasets)
    if shown.is_empty():
        return alt.concat(sentence("Rankings", "No combination was evaluated."))
    coverages = shown.select("coverage", "full").unique().sort("coverage", descending=True)
    colour = _coverage_colour(coverages, shown["num_datasets"][0])
    panels = [
        _panel(panel, ranking.filter(pl.col("size") == size), colour, across_datasets)
        for (size,), panel in shown.group_by("size", maintain_order=True)
    ]
    figure: alt.ConcatChart = (
        alt.concat(
            *panels, columns=COLUMNS, spacing={"column": 45, "row": 28}, title=_title(ranking)
        )
        .resolve_scale(x="independent", y="independent", color="shared", strokeWidth="shared")
        .configure_legend(orient="bottom", direction="horizontal", titleOrient="left")
    )
    return figure


def _shown(ranking: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Select the rows to draw, in their order, with the columns of the scale under plain names."""
    return (
        ranking.filter(pl.col(f"{scale}_mean").is_not_null())
        .group_by("size", maintain_order=True)
        .head(TOP)
        .select(
            *("size", "combination", "full", "coverage", "num_datasets"),
            mean=f"{scale}_mean",
            low=f"{scale}_ci_low",
            high=f"{scale}_ci_high",
            spread_low=pl.col(f"{scale}_mean") - pl.col(f"{scale}_spread"),
            spread_high=pl.col(f"{scale}_mean") + pl.col(f"{scale}_spread"),
            covered=pl.format("{}/{}", "coverage", "num_datasets"),
            beside=pl.format(
                "{}/{}{}",
                "coverage",
                "num_datasets",
                pl.when("tied").then(pl.lit(" =")).otherwise(pl.lit("")),
            ),
        )
    )


def _coverage_colour(coverages: pl.DataFrame, num_datasets: int) -> alt.Color:
    """Blue for all datasets, for fewer a grey that lightens with their number."""
    labels = [f"{coverage}/{num_datasets}" for coverage in coverages["coverage"]]
    levels = [
        0x77 + round(0x44 * (1 - coverage / num_datasets)) for coverage in coverages["coverage"]
    ]
    colours = [
        FULL if full else f"#{level:02x}{level:02x}{level:02x}"
        for full, level in zip(coverages["full"], levels, strict=True)
    ]
    ends = labels if len(labels) <= 4 else [*labels[:2], labels[-1]]
    return alt.Color("covered:N", scale=alt.Scale(domain=labels, range=colours)).legend(
        title="datasets evaluated (at the right of each row)",
        values=ends,
        symbolType="circle",
        symbolSize=60,
    )


def _panel(panel: pl.DataFrame, ranked: pl.DataFrame, colour: alt.Color, scale: Scale) -> Any:
    """One size: dots and bars, the coverage at the right, the partly covered combinations apart under a heading."""
    full, partial = panel.filter("full"), panel.filter(~pl.col("full"))
    rows = full["combination"].to_list()
    if not partial.is_empty():
        rows += [HEADING_ROW, *partial["combination"]]
    y = alt.Y("combination:N", title=None, scale=alt.Scale(domain=rows)).axis(
        ticks=False, domain=False, grid=False, labelPadding=LABEL_PADDING
    )
    dots: dict[str, Any] = {"size": 36, "opacity": 1, "strokeWidth": 1.5}
    return alt.layer(
        _bars(panel, "spread_low", "spread_high", SPREAD, colour, y, scale),
        _bars(panel, "low", "high", INTERVAL, colour, y, scale),
        alt.Chart(full).mark_point(filled=True, **dots).encode(x="mean:Q", y=y, color=colour),
        alt.Chart(partial).mark_point(fill="white", **dots).encode(x="mean:Q", y=y, color=colour),
        alt.Chart(panel)
        .mark_text(align="left", fontSize=10, color=SUBDUED)
        .encode(x=alt.value(PANEL_WIDTH + 8), y=y, text="beside:N"),
        *([_heading(y)] if not partial.is_empty() else []),
        title=alt.TitleParams(_panel_title(panel, ranked), frame="group"),
        width=PANEL_WIDTH,
        height=ROW_HEIGHT * len(rows),
    )


def _bars(
    panel: pl.DataFrame,
    low: str,
    high: str,
    meaning: str,
    colour: alt.Color,
    y: alt.Y,
    scale: Scale,
) -> alt.Chart:
    """Horizontal bars of one meaning; a row whose ends are unknown has none."""
    x = alt.X(
        f"{low}:Q", title=f"{UNITS[scale]}, 95 % interval", scale=alt.Scale(domain=SHOWN)
    ).axis(
        gridColor={"condition": {"test": "datum.value === 0", "value": SUBDUED}, "value": GRID},
        tickCount=6,
    )
    width = alt.StrokeWidth("bar:N", scale=BARS).legend(
        title=None, symbolStrokeColor=INK, symbolSize=400
    )
    bars: alt.Chart = (
        alt.Chart(panel.drop_nulls([low, high]).with_columns(bar=pl.lit(meaning)))
        .mark_rule(opacity=1, yOffset=0 if meaning == INTERVAL else SPREAD_BELOW)
        .encode(x=x, x2=high, y=y, color=colour, strokeWidth=width)
    )
    return bars


def _heading(y: alt.Y) -> alt.Chart:
    heading: alt.Chart = (
        alt.Chart(pl.DataFrame({"combination": [HEADING_ROW]}))
        .mark_text(
            align="left", fontSize=10, fontStyle="italic", color=SUBDUED, text=PARTIAL_HEADING
        )
        .encode(x=alt.value(4), y=y)
    )
    return heading


def _panel_title(panel: pl.DataFrame, ranked: pl.DataFrame) -> str:
    """Count what is shown of the ranked combinations, and those of partial coverage."""
    shown, total, size = panel["full"].sum(), ranked["full"].sum(), panel["size"][0]
    selection = (
        f"top {shown} of {total:,}"
        if shown < total
        else f"all {total}"
        if total
        else "none on every dataset"
    )
    partly = f", {len(ranked) - total:,} partly covered" if total < len(ranked) else ""
    return f"{size} block{'' if size == 1 else 's'} removed: {selection}{partly}"


def _title(ranking: pl.DataFrame) -> alt.TitleParams:
    """Say what is shown, and how many samples stand behind it."""
    low, high = ranking.select(pl.min("n_min"), pl.max("n_total")).row(0)
    role, ranked_by, num_datasets = ranking.select("role", "ranked_by", "num_datasets").row(0)
    datasets = "dataset" if num_datasets == 1 else "datasets"
    samples = (
        f"{role} samples: {low:,} or more per dataset, {high:,} in all; {num_datasets} {datasets}"
    )
    order = f"ranked by {UNITS[ranked_by]}; = tied with the first (not shown to be worse, on the same samples)"
    if ranking["size"].n_unique() > 1:
        order += "; every panel has its own axis"
    return alt.TitleParams(
        "Block combinations by number of removed blocks, least drop first",
        subtitle=[samples, order],
        fontSize=13,
        offset=14,
    )
