"""Draw whether the train and the validation split of a dataset agree on which blocks matter."""

from typing import Any

import altair as alt
import polars as pl

from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    UNITS,
    counted,
    ends,
    estimates,
    grid,
    panel_title,
    rows_axis,
    sentence,
    titled,
)
from blocksieve.figures.theme import FULL, SUBDUED

TITLE = "Splits: do train and validation samples agree on which blocks matter?"
AGREEMENT = 0.9
SIDE, COLUMNS = 150, 4


def draw(table: pl.DataFrame, scale: Scale) -> Any:
    """Draw the table of `split_agreement`, in % of the baseline or pp."""
    if table.is_empty():
        text = "No dataset has samples of two source splits here, so their agreement is not known."
        return titled(alt.vconcat(sentence("Agreement", text)), TITLE, [])
    named = table.with_columns(
        pair=pl.when(pl.struct("split_a", "split_b").n_unique() == 1)
        .then("dataset")
        .otherwise(pl.format("{} ({}/{})", "dataset", "split_a", "split_b"))
    )
    pairs = named.unique("pair", maintain_order=True).with_columns(
        value="spearman", low="spearman_low", high="spearman_high",
        about=pl.format("n = {} and {}", "samples_a", "samples_b"),
    )  # fmt: skip
    x = alt.X(
        "value:Q",
        title="Spearman's correlation over blocks, 95 % interval",
        scale=alt.Scale(domain=[-1, 1]),
    )
    title = "Agreement of the two orders of blocks; dashed: 0.9"
    known = pairs.drop_nulls("value")
    ranks = estimates(
        known, x.axis(tickCount=5), rows_axis("pair", pairs["pair"].to_list()), title, "about"
    )
    line = alt.Chart(pl.DataFrame({"value": [AGREEMENT]})).mark_rule(
        color=SUBDUED, strokeDash=[4, 3]
    )
    ranks.layer.append(line.encode(x=x))
    scatters = [
        _scatter(rows, str(name), scale)
        for (name,), rows in named.group_by("pair", maintain_order=True)
    ]
    subtitle = [
        f"importance: {UNITS[scale]} of removing a block alone; n counts samples of either split; no interval for 1"
    ]
    return titled(alt.vconcat(grid([ranks]), grid(scatters, COLUMNS), spacing=34), TITLE, subtitle)


def _scatter(rows: pl.DataFrame, name: str, scale: Scale) -> Any:
    first, second = rows.select("split_a", "split_b").row(0)
    line = ends(rows["drop_a"], rows["drop_b"])
    unit = "%" if scale == "relative" else "pp"
    same = alt.Scale(domain=[min(line[0], 0.0), max(line[1], 1.0)])
    x = alt.X("drop_a:Q", title=f"{first} (drop, {unit})", scale=same).axis(tickCount=4)
    y = alt.Y("drop_b:Q", title=f"{second} (drop, {unit})", scale=same).axis(tickCount=4)
    diagonal = alt.Chart(pl.DataFrame({"drop_a": line, "drop_b": line})).mark_line(
        color=SUBDUED, strokeDash=[4, 3]
    )
    dots = alt.Chart(rows.select("block", "drop_a", "drop_b")).mark_point(size=30, color=FULL)
    vital = rows.top_k(1, by=pl.max_horizontal("drop_a", "drop_b"))
    label = alt.Chart(vital).encode(x=x, y=y, text="block:N")
    text: dict[str, Any] = {"align": "right", "dx": -6, "fontSize": 9}
    return alt.layer(
        diagonal.encode(x=x, y=y),
        dots.encode(x=x, y=y),
        # A rim keeps the number apart from the line.
        label.mark_text(**text, stroke="white", strokeWidth=4),
        label.mark_text(**text),
        title=panel_title(f"{name}: {counted(len(rows), 'block')}"),
        width=SIDE,
        height=SIDE,
    )
