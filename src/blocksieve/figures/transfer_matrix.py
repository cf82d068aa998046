"""Draw what the list chosen for one dataset costs on another."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED
from blocksieve.figures.parts import (
    count_range,
    counted,
    figure,
    gain_to_loss_colour,
    grid,
    sentence,
    titled,
)
from blocksieve.figures.regrets import MARKS_READ, MAX_NUMBERED, regret_matrix
from blocksieve.units import Scale, drop_title

TITLE = "Transfer: the list chosen for one dataset, used on another"


def draw(table: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the table of `transfer_matrix`, a panel per size, in % of the baseline or pp."""
    rows = table.filter(method=RECOMMENDED)
    if rows["source"].n_unique() < 2:
        text = (
            "Two datasets or more with lists measured on holdout samples are needed; there are"
            " none."
        )
        return figure([sentence("Transfer", text)], TITLE, [])
    datasets = rows.sort("source_place")["source"].unique(maintain_order=True).to_list()
    shade = gain_to_loss_colour("regret", f"regret: {drop_title(scale)}", rows["regret"])
    columns = 2 if len(datasets) <= MAX_NUMBERED else 1
    panels: list[ChartType] = []
    for (size,), size_rows in rows.group_by("size", maintain_order=True):
        # Panels of a row have the names of datasets in common.
        is_first = len(panels) % columns == 0
        panels.append(_panel(size_rows, int(size), datasets, shade, is_first))
    subtitle = [
        f"regret against the dataset's own list on the same {count_range(rows['n'])} holdout"
        " samples; datasets clustered by it",
        MARKS_READ + ";",
        f"= shown to cost less than {rows['limit'][0]:g} more, at the same rate",
    ]
    matrices = grid(panels, columns).resolve_scale(color="shared")
    return titled(matrices, TITLE, subtitle)


def _panel(
    rows: pl.DataFrame, size: int, datasets: list[str], shade: alt.Color, with_names: bool
) -> ChartType:
    x = alt.X("target:N", title="used on")
    x = x.scale(domain=datasets).axis(labelAngle=-40, grid=False)
    y = alt.Y("source:N", title="chosen for" if with_names else None)
    y = y.scale(domain=datasets).axis(
        grid=False,
        labels=with_names,
        ticks=with_names,
    )
    titles = {
        "source": "chosen for",
        "target": "used on",
        "n": "samples",
    }
    title = f"{counted(size, 'block')} removed"
    return regret_matrix(rows, x, y, shade, title, titles, len(datasets))
