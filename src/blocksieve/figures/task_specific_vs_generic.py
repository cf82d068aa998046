"""Draw what the generic list, and other lists, cost against each dataset's own."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from blocksieve.analysis.task_specific_vs_generic import LISTS, NOT_SHOWN, SAME
from blocksieve.evidence import Scale
from blocksieve.figures.parts import (
    ROW,
    WIDTH,
    counted,
    drop_axis,
    estimates,
    grid,
    panel_title,
    rows_axis,
    sentence,
    titled,
)
from blocksieve.figures.theme import INK

TITLE = "One list for all, or one a dataset?"
METHOD = "beam"
NAMES = {
    "task_type": "task type's list",
    "generic": "generic list",
    "leave_one_out": "generic list without the dataset",
    "same_type": "list of the type's other datasets",
}
VERDICTS = {
    "costs more": "triangle-right",
    "costs less": "triangle-left",
    NOT_SHOWN: "circle",
    SAME: "cross",
}


def draw(document: Mapping[str, Any], scale: Scale) -> Any:
    """Draw the document of `task_specific_vs_generic`, in % of the baseline or pp."""
    rates = [
        rate
        for rate in document["match_rates"]
        if rate["list"] == "generic" and rate["size"] is not None
    ]
    if not rates:
        return titled(
            grid([sentence("Lists", "No dataset has a list of its own beside a generic one.")]),
            TITLE,
            [],
        )
    panels = [_matches(rates)]
    rows = [
        row for row in document["rows"] if row["method"] == METHOD and row["regret"] is not None
    ]
    subtitle = [
        "regret: how much more a list costs than the one chosen for the dataset, on the same holdout samples"
        f" ({document['samples']:,} in all)"
    ]
    if not rows:
        text = "The lists were not measured on holdout samples, so what either costs is not known."
        return titled(grid([*panels, sentence("Regret", text)]), TITLE, subtitle)
    panels.append(
        _means([mean for mean in document["mean_regret"] if mean["method"] == METHOD], scale)
    )
    generic = pl.DataFrame([row for row in rows if row["list"] == "generic"])
    sizes = [
        _regrets(own, int(size), scale)
        for (size,), own in generic.group_by("size", maintain_order=True)
    ]
    return titled(alt.vconcat(grid(panels), grid(sizes), spacing=34), TITLE, subtitle)


def _matches(rates: list[dict[str, Any]]) -> Any:
    rows = pl.DataFrame(rates).with_columns(
        row=pl.format("{} removed, by {}", "size", "method"), about=pl.format("{} of {}", "matches", "configurations"),
    ).sort("size", "method")  # fmt: skip
    y = rows_axis("row", rows["row"].to_list())
    x = alt.X(
        "rate:Q",
        title="share of datasets whose own list is the generic one",
        scale=alt.Scale(domain=[0, 1]),
    )
    base = alt.Chart(rows).encode(y=y)
    layers = (
        base.mark_bar(color="#9fb8c8", height=11).encode(x=x.axis(format="%", tickCount=5)),
        base.mark_text(align="left", dx=4, fontSize=9, color=INK).encode(x=x, text="about:N"),
    )
    title = panel_title("Match rate: the same set of blocks")
    return alt.layer(*layers, title=title, width=WIDTH, height=alt.Step(ROW))


def _means(means: list[dict[str, Any]], scale: Scale) -> Any:
    rows = pl.DataFrame(means).with_columns(
        value="regret",
        row=pl.format("{} removed: {}", "size", pl.col("list").replace_strict(NAMES)),
        about=pl.format("n = {}{}", "datasets", pl.col("verdict").replace_strict({"costs more": " *"}, default="")),
    ).sort("size", pl.col("list").replace_strict({name: place for place, name in enumerate(LISTS)}))  # fmt: skip
    title = "Mean regret over datasets, 95 % interval; * costs more"
    return estimates(
        rows, drop_axis(scale, "regret:"), rows_axis("row", rows["row"].to_list()), title, "about"
    )


def _regrets(rows: pl.DataFrame, size: int, scale: Scale) -> Any:
    drawn = rows.rename(
        {"regret": "value", "regret_low": "low", "regret_high": "high"}
    ).with_columns(about=pl.format("{} for {}", "combination", "own"))
    shape = alt.Shape(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=list(VERDICTS), range=list(VERDICTS.values())),
    )
    title = f"{counted(size, 'block')} removed: regret of the generic list (named, for the own)"
    y = rows_axis("dataset", drawn["dataset"].to_list())
    return estimates(
        drawn,
        drop_axis(scale, "regret:"),
        y,
        title,
        "about",
        shape=shape.legend(orient="bottom", columns=4),
    )
