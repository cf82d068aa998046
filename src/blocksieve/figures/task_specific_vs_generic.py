"""Draw what the generic list, and the lists between, cost against each dataset's own."""

from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.figures.parts import (
    BAR_HEIGHT,
    counted,
    drop_axis,
    estimates,
    figure,
    grid,
    names_axis,
    panel,
    sentence,
    titled,
)
from blocksieve.figures.theme import BAR_INK, INK
from blocksieve.units import Scale
from blocksieve.verdicts import Verdict

TITLE = "One list for all, or one a dataset?"
# Scopes, in the order of rows.
LISTS = {
    Scope.TASK_TYPE: "task type's list",
    Scope.GENERIC: "generic list",
    Scope.LEFT_OUT_OF_CHOICE: "generic list, dataset not in the choice",
    Scope.SAME_TYPE: "type's list, dataset not in the choice",
}
VERDICT_SHAPES = {
    Verdict.COSTS_MORE: "triangle-right",
    Verdict.COSTS_LESS: "triangle-left",
    Verdict.NOT_SHOWN: "circle",
    Verdict.SAME: "cross",
}


class ListsDocument(TypedDict):
    """The parts of task_specific_vs_generic.json that are drawn; rows follow its schema."""

    samples: int
    match_rates: list[dict[str, object]]
    mean_regret: list[dict[str, object]]
    rows: list[dict[str, object]]


def draw(document: ListsDocument, scale: Scale) -> ChartType:
    """Draw the document of `task_specific_vs_generic`, in % of the baseline or pp."""
    rates = []
    for rate in document["match_rates"]:
        # The rate over all sizes has no size.
        if rate["list"] == Scope.GENERIC and rate["size"] is not None:
            rates.append(rate)
    if not rates:
        text = "No dataset has a list of its own beside a generic one."
        return figure([sentence("Lists", text)], TITLE, [])
    matches = _matches(pl.DataFrame(rates))
    subtitle = (
        "regret: how much more a list costs than the one chosen for the dataset, on the same"
        f" holdout samples ({document['samples']:,} in all)"
    )
    measured = [row for row in document["rows"] if row["regret"] is not None]
    rows = [row for row in measured if row["method"] == RECOMMENDED]
    if not rows:
        text = "What the lists cost on holdout samples is not known."
        return figure([matches, sentence("Regret", text)], TITLE, [subtitle])
    means = [mean for mean in document["mean_regret"] if mean["method"] == RECOMMENDED]
    upper = grid([matches, _mean_regrets(pl.DataFrame(means), scale)])
    generic = pl.DataFrame([row for row in rows if row["list"] == Scope.GENERIC])
    by_size = []
    for (size,), size_rows in generic.group_by("size", maintain_order=True):
        by_size.append(_regrets(size_rows, int(size), scale))
    return titled(alt.vconcat(upper, grid(by_size), spacing=34), TITLE, [subtitle])


def _matches(rates: pl.DataFrame) -> ChartType:
    rows = rates.with_columns(
        row=pl.format("{} removed, by {}", "size", "method"),
        about=pl.format("{} of {}", "matches", "configurations"),
    ).sort("size", "method")
    title = "share of datasets whose own list is the generic one"
    rows = rows.with_columns(pl.col("noise_rate").cast(pl.Float64))  # all null without samples
    x = alt.X("rate:Q", title=title, scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(rows).encode(y=names_axis("row", rows["row"].to_list()))
    bars = base.mark_bar(color=BAR_INK, height=BAR_HEIGHT)
    counts = base.mark_text(
        align="left",
        dx=4,
        fontSize=9,
        color=INK,
    )
    ticks = base.mark_tick(color=INK, thickness=2)
    layers = [
        bars.encode(x=x.axis(format="%", tickCount=5)),
        ticks.encode(x=alt.X("noise_rate:Q")),
        counts.encode(x=x, text="about:N"),
    ]
    return panel(layers, "Match rate: the same set of blocks; |: by noise alone")


def _mean_regrets(means: pl.DataFrame, scale: Scale) -> ChartType:
    scope = pl.col("list")
    places = {name: place for place, name in enumerate(LISTS)}
    star = pl.col("verdict").replace_strict({Verdict.COSTS_MORE: " *"}, default="")
    rows = means.sort("size", scope.replace_strict(places))
    rows = rows.with_columns(
        value="regret",
        row=pl.format("{} removed: {}", "size", scope.replace_strict(LISTS)),
        about=pl.format("n = {}{}", "datasets", star),
    )
    x = drop_axis(scale, "regret:")
    y = names_axis("row", rows["row"].to_list())
    return estimates(rows, x, y, "Mean regret over datasets, 95 % interval; * costs more", "about")


def _regrets(rows: pl.DataFrame, size: int, scale: Scale) -> ChartType:
    """Draw the regret of the generic list of one size on every dataset."""
    drawn = rows.rename({"regret": "value", "regret_low": "low", "regret_high": "high"})
    drawn = drawn.with_columns(about=pl.format("{} for {}", "combination", "own"))
    shapes = alt.Scale(domain=list(VERDICT_SHAPES), range=list(VERDICT_SHAPES.values()))
    shape = alt.Shape("verdict:N", title=None, scale=shapes)
    return estimates(
        drawn,
        drop_axis(scale, "regret:"),
        names_axis("dataset", drawn["dataset"].to_list()),
        f"{counted(size, 'block')} removed: regret of the generic list (named, for the own)",
        "about",
        shape=shape.legend(orient="bottom", columns=4),
    )
