"""Draw proxies of blocks against their measured drops, and how far the two orders agree."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.figures.parts import (
    LOGARITHMIC,
    ZERO_LINE,
    count_range,
    counted,
    estimates,
    extent,
    grid,
    interval,
    names_axis,
    panel,
    sentence,
    symlog_between,
    titled,
    tooltip,
)
from blocksieve.figures.theme import SUBDUED
from blocksieve.units import Scale, drop_title

TITLE = "Proxies: does one pass over the whole model tell which blocks can go?"
HEADINGS = {
    "cosine": "cosine: how far a block turns the hidden states",
    "kl": "kl: what a block adds itself to the answer's tokens",
}
AXES = {
    "cosine": "1 - cosine of a block's input and output",
    "kl": "divergence without what it adds (nats)",
}
WIDTH, HEIGHT = 330, 260
# A logarithmic axis has no place for 0, which only rounding gives.
LEAST = 1e-9
TICKS = [step * 10.0**power for power in range(-9, 3) for step in (1, 3)]
# What an axis has beyond the least and the greatest drop, as a share of them.
MARGIN = 1.2
# From the first block to the last: of viridis, without its lightest yellow.
DEPTHS = alt.SchemeParams(name="viridis", extent=[0.0, 0.9])


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `proxies`, in % of the baseline or pp."""
    rows = table.drop_nulls("value")
    if rows.is_empty():
        text = (
            "No whole block was removed alone where proxies were measured. A table of your own"
            " comes without a model, and halves of blocks have no proxies."
        )
        return titled(alt.vconcat(sentence("Agreement", text)), TITLE, [])
    low, high = extent(rows["drop"])
    ends = (min(low, 0.0) * MARGIN, max(high, 0.0) * MARGIN)
    scatters = []
    correlations = []
    for proxy in HEADINGS:
        of_proxy = rows.filter(proxy=proxy)
        scatters.append(_scatter(of_proxy, proxy, scale, ends))
        correlations.append(_correlations(of_proxy))
    num_blocks = counted(rows["site"].n_unique(), "block")
    num_datasets = counted(rows["dataset"].n_unique(), "dataset")
    subtitle = [
        f"a circle per block and dataset: {num_blocks} removed alone on {num_datasets},"
        f" {count_range(rows['n'])} search samples each",
        "a proxy that tells what a block costs has its circles on a rising line, and a correlation"
        " near 1",
    ]
    return titled(grid([*scatters, *correlations]), TITLE, subtitle)


def _scatter(rows: pl.DataFrame, proxy: str, scale: Scale, ends: tuple[float, float]) -> ChartType:
    """Draw the measured drop of every block against a proxy."""
    block = pl.col("site").str.extract(r"(\d+)").cast(pl.UInt16)
    points = rows.with_columns(
        block=block,
        place=pl.max_horizontal("value", pl.lit(LEAST)),
        interval=interval(),
        shown=pl.format("{}", pl.col("value").round_sig_figs(3)),
    )
    x = alt.X("place:Q", title=f"{AXES[proxy]}, logarithmic")
    x = x.scale(type="log", nice=False, padding=8)
    x = x.axis(format="~g", values=TICKS, labelOverlap="greedy", labelSeparation=8)
    y = symlog_between(alt.Y("drop:Q", title=f"{drop_title(scale)}, {LOGARITHMIC}"), ends)
    colour = alt.Color("block:Q", title="block").scale(scheme=DEPTHS)
    colour = colour.legend(format="d", gradientLength=120)
    said = {
        "site": "block",
        "dataset": "dataset",
        "shown": proxy,
        "drop": "drop",
        "interval": "95 % interval",
        "n": "samples",
    }
    circles = alt.Chart(points).mark_point(filled=True, size=34, opacity=0.8)
    circles = circles.encode(x=x, y=y, color=colour, tooltip=tooltip(points, said))
    costliest = alt.Chart(points.top_k(1, by="drop")).encode(x=x, y=y, text="site:N")
    # A rim keeps the number apart from what lies behind it.
    rim = costliest.mark_text(align="right", dx=-7, fontSize=9, stroke="white", strokeWidth=4)
    number = costliest.mark_text(align="right", dx=-7, fontSize=9)
    zero = alt.Chart(pl.DataFrame({"drop": [0.0]})).mark_rule(color=SUBDUED).encode(y=y)
    return panel([zero, circles, rim, number], HEADINGS[proxy], WIDTH, HEIGHT)


def _correlations(rows: pl.DataFrame) -> ChartType:
    """Draw Spearman's correlation of a proxy and the drops on every dataset."""
    datasets = rows.unique("dataset", maintain_order=True)
    datasets = datasets.with_columns(
        value="spearman", low="spearman_low", high="spearman_high"
    ).drop_nulls("value")
    title = "Agreement with the order of the drops"
    if datasets.is_empty():
        return sentence(title, "All drops or all proxies are equal, so that neither has an order.")
    x = alt.X("value:Q").title("Spearman's correlation over blocks, 95 % interval")
    x = x.scale(domain=[-1, 1]).axis(tickCount=5, gridColor=ZERO_LINE)
    chart = estimates(datasets, x, names_axis("dataset", datasets["dataset"].to_list()), title)
    chart.width = WIDTH
    return chart
