"""Draw the rankings: a panel per number of removed blocks, the least drop at its top."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    counted,
    drop_axis,
    extent,
    figure,
    figure_title,
    for_column,
    interval,
    names_axis,
    sentence,
    symlog_drop_axis,
    tooltip,
)
from blocksieve.figures.theme import FULL, INK, SUBDUED
from blocksieve.units import Scale, drop_title

TOP = 15
COLUMNS = 2
PANEL_WIDTH = 270
PANEL_ROW_HEIGHT = 18
# The thin bar runs under the thick one, so that neither hides the other.
SPREAD_BELOW = 5.5
# Greys of combinations that few, or nearly all, datasets have.
LIGHTEST, DARKEST = 0xBB, 0x77
LABELS_IN_LEGEND = 4
HEADING_ROW = " "
PARTIAL_HEADING = "not evaluated on every dataset, unranked"
RACED_HEADING = "raced out, or not evaluated on every dataset, unranked"
INTERVAL = "95 % interval of the mean"
SPREAD = "± standard deviation over datasets"
HOLDOUT = "mean drop on holdout samples"
# Whether a combination costs more than the first of its size.
TIED = "tied with the first (not shown to be worse, on the same samples)"
WORSE = "shown to be worse than the first"
SHAPES = alt.Scale(
    domain=[TIED, WORSE, HOLDOUT],
    range=["circle", "triangle-right", "diamond"],
)
# Beyond this drop the axis is logarithmic.
STEEP = 25
TOOLTIPS = {
    "combination": "blocks",
    "mean": "mean drop",
    "holdout": HOLDOUT,
    "interval": INTERVAL,
    "spread": SPREAD,
    "covered": "datasets",
    "samples": "samples",
    "verdict": "verdict",
}
BAR_WIDTHS = alt.Scale(domain=[INTERVAL, SPREAD], range=[3, 1])


def draw(ranking: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `rankings_by_num_removed`: up to 15 combinations of every size.

    A dot is the mean over datasets, in % of the baseline or in pp; its thick bar is the 95 %
    interval of that mean, its thin bar the mean plus and minus the standard deviation over
    datasets. An open diamond is the mean on holdout samples, where these were evaluated.
    Combinations not evaluated on every dataset, or raced out on some, follow apart, as grey open
    dots. A dot without bars has an unknown interval or one dataset. All panels have the
    same x axis.
    """
    rows = _rows_to_draw(ranking, scale)
    if rows.is_empty():
        note = sentence("Rankings", "No combination was evaluated.")
        return figure([note], "Block combinations", [])
    colour = _coverage_colour(rows)
    x = _axis(rows, scale)
    panels = []
    for (size,), panel_rows in rows.group_by("size", maintain_order=True):
        ranked = ranking.filter(pl.col("size") == size)
        panels.append(_panel(panel_rows, ranked, colour, x))
    chart = alt.concat(
        *panels,
        columns=COLUMNS,
        spacing={"column": 45, "row": 28},
        title=_title(ranking),
    )
    chart = chart.resolve_scale(
        x="shared",
        y="independent",
        color="shared",
        shape="shared",
        strokeWidth="shared",
    )
    with_legend: ChartType = chart.configure_legend(
        orient="bottom",
        direction="horizontal",
        titleOrient="left",
    )
    return with_legend


def _rows_to_draw(ranking: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Select the first rows of every size, with the columns of the scale under plain names."""
    mean, spread = pl.col(f"{scale}_mean"), pl.col(f"{scale}_spread")
    covered = pl.format("{}/{}", "coverage", "num_datasets")
    verdict = pl.when("tied").then(pl.lit(TIED)).otherwise(pl.lit(WORSE))
    rows = ranking.filter(mean.is_not_null()).group_by("size", maintain_order=True).head(TOP)
    return rows.select(
        "size",
        "combination",
        "full",
        "coverage",
        "num_datasets",
        raced_out=pl.col("datasets").list.len() > pl.col("coverage"),
        mean=mean,
        low=f"{scale}_ci_low",
        high=f"{scale}_ci_high",
        holdout=f"{scale}_holdout_mean",
        spread_low=mean - spread,
        spread_high=mean + spread,
        covered=covered,
        beside=pl.when("full").then(pl.lit("")).otherwise(covered),
        verdict=pl.when("full").then(verdict),
        samples="n_total",
    )


def _axis(rows: pl.DataFrame, scale: Scale) -> alt.X:
    low, high = extent(rows["mean"], rows["low"], rows["high"], rows["holdout"])
    if max(abs(low), high) > STEEP:
        return symlog_drop_axis(scale)
    return drop_axis(scale)


def _coverage_colour(rows: pl.DataFrame) -> alt.Color:
    """Return blue for all datasets, for fewer a grey that lightens with their number."""
    num_datasets = rows["num_datasets"][0]
    coverages = rows.select("coverage", "full").unique().sort("coverage", descending=True)
    labels = []
    colours = []
    for coverage, full in coverages.iter_rows():
        labels.append(f"{coverage}/{num_datasets}")
        missing = 1 - coverage / num_datasets
        level = DARKEST + round((LIGHTEST - DARKEST) * missing)
        colours.append(FULL if full else f"#{level:02x}{level:02x}{level:02x}")
    in_legend = labels
    if len(labels) > LABELS_IN_LEGEND:
        in_legend = [labels[0], labels[1], labels[-1]]
    colour = alt.Color("covered:N", scale=alt.Scale(domain=labels, range=colours))
    if len(labels) == 1:
        return colour.legend(None)
    return colour.legend(
        title="datasets evaluated",
        values=in_legend,
        symbolType="circle",
        symbolSize=60,
    )


def _panel(rows: pl.DataFrame, ranked: pl.DataFrame, colour: alt.Color, x: alt.X) -> alt.LayerChart:
    """Draw one size: dots and bars, partly covered combinations apart, their coverage beside.

    `rows` are drawn; `ranked` are all combinations of the size.
    """
    full = rows.filter("full")
    partial = rows.filter(~pl.col("full"))
    names = full["combination"].to_list()
    if not partial.is_empty():
        names += [HEADING_ROW, *partial["combination"]]
    y = names_axis("combination", names)
    shape = alt.Shape("verdict:N", title=None, scale=SHAPES)

    filled_dots = alt.Chart(full).mark_point(
        filled=True,
        size=36,
        opacity=1,
        strokeWidth=1.5,
    )
    open_dots = alt.Chart(partial).mark_point(
        fill="white",
        size=36,
        opacity=1,
        strokeWidth=1.5,
    )
    with_holdout = full.drop_nulls("holdout").with_columns(verdict=pl.lit(HOLDOUT))
    diamonds = alt.Chart(with_holdout).mark_point(
        fill="white",
        size=50,
        opacity=1,
        strokeWidth=1.2,
        color=INK,
    )
    coverages = alt.Chart(rows).mark_text(align="left", fontSize=10, color=SUBDUED)
    layers = [
        _bars(rows, ("spread_low", "spread_high"), SPREAD, colour, y, x),
        _bars(rows, ("low", "high"), INTERVAL, colour, y, x),
        filled_dots.encode(x="mean:Q", y=y, color=colour, shape=shape),
        open_dots.encode(x="mean:Q", y=y, color=colour),
        diamonds.encode(x="holdout:Q", y=y, shape=shape),
        coverages.encode(x=alt.value(PANEL_WIDTH + 8), y=y, text="beside:N"),
    ]
    if not partial.is_empty():
        text = RACED_HEADING if partial["raced_out"].any() else PARTIAL_HEADING
        layers.append(_heading(text, y))
    return alt.LayerChart(
        layer=layers,
        title=alt.TitleParams(_panel_title(rows, ranked), frame="group"),
        width=PANEL_WIDTH,
        height=PANEL_ROW_HEIGHT * len(names),
    )


def _bars(
    rows: pl.DataFrame,
    ends: tuple[str, str],
    meaning: str,
    colour: alt.Color,
    y: alt.Y,
    axis: alt.X,
) -> alt.Chart:
    """Draw horizontal bars of one meaning; a row whose ends are unknown has none."""
    low, high = ends
    x = for_column(axis, low).title(f"mean {axis['title']}")
    width = alt.StrokeWidth("bar:N", scale=BAR_WIDTHS)
    width = width.legend(title=None, symbolStrokeColor=INK, symbolSize=400)
    with_ends = rows.drop_nulls([low, high]).with_columns(
        bar=pl.lit(meaning), interval=interval(), spread=interval("spread_low", "spread_high")
    )
    offset = SPREAD_BELOW if meaning == SPREAD else 0
    bars: alt.Chart = (
        alt.Chart(with_ends)
        .mark_rule(opacity=1, yOffset=offset)
        .encode(
            x=x,
            x2=high,
            y=y,
            color=colour,
            strokeWidth=width,
            tooltip=tooltip(with_ends, TOOLTIPS),
        )
    )
    return bars


def _heading(heading_text: str, y: alt.Y) -> alt.Chart:
    """Write the heading over the partly covered combinations."""
    row = pl.DataFrame({"combination": [HEADING_ROW]})
    text = alt.Chart(row).mark_text(
        align="left",
        fontSize=10,
        fontStyle="italic",
        color=SUBDUED,
        text=heading_text,
    )
    heading: alt.Chart = text.encode(x=alt.value(4), y=y)
    return heading


def _panel_title(rows: pl.DataFrame, ranked: pl.DataFrame) -> str:
    """Count what is shown of the ranked combinations, and those of partial coverage."""
    num_shown = rows["full"].sum()
    num_full = ranked["full"].sum()
    num_partial = len(ranked) - num_full
    if num_shown < num_full:
        selection = f"top {num_shown} of {num_full:,}"
    elif num_full > 0:
        selection = f"all {num_full}"
    else:
        selection = "none on every dataset"
    title = f"{counted(rows['size'][0], 'block')} removed: {selection}"
    if num_partial > 0:
        title += f", {num_partial:,} partly covered"
    return title


def _title(ranking: pl.DataFrame) -> alt.TitleParams:
    """Say what is shown, and how many samples stand behind it."""
    fewest, total = ranking.select(pl.min("n_min"), pl.max("n_total")).row(0)
    role, ranked_by, num_datasets = ranking.select("role", "ranked_by", "num_datasets").row(0)
    datasets = counted(num_datasets, "dataset")
    samples = f"{role} samples: {fewest:,} or more per dataset, {total:,} in all; {datasets}"
    order = (
        f"ranked by {drop_title(ranked_by, 'mean')}; chosen and measured on these samples, so that"
        " the first of each size look too good there"
    )
    title = "Block combinations by number of removed blocks, least drop first"
    return figure_title(title, [samples, order])
