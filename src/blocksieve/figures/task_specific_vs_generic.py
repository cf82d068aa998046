"""Draw what the generic list, and the lists between, cost against each dataset's own."""

from typing import TypedDict

import altair as alt
import polars as pl
from altair.typing import ChartType

from blocksieve.choices import RECOMMENDED, Scope
from blocksieve.figures.parts import (
    drop_axis,
    estimates,
    figure,
    gain_to_loss_colour,
    names_axis,
    sentence,
)
from blocksieve.figures.regrets import MARKS_READ, regret_matrix
from blocksieve.units import UNITS, Scale
from blocksieve.verdicts import Verdict

TITLE = "One list for all, or one per dataset?"
# Scopes, in the order of rows.
LISTS = {
    Scope.TASK_TYPE: "task type's",
    Scope.GENERIC: "generic",
    Scope.LEFT_OUT_OF_CHOICE: "generic without it",
    Scope.SAME_TYPE: "type's without it",
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
        if rate["size"] is not None:
            rates.append(rate)
    if not rates:
        text = "No dataset has a list of its own beside a generic one."
        return figure([sentence("Lists", text)], TITLE, [])
    matches = pl.DataFrame(rates, infer_schema_length=None)
    subtitle = (
        "regret: how much more a list costs than the one chosen for the dataset, on the same"
        f" holdout samples ({document['samples']:,} in all)"
    )
    without = "without it: lists in whose choice the dataset had no part"
    measured = [row for row in document["rows"] if row["regret"] is not None]
    rows = [row for row in measured if row["method"] == RECOMMENDED]
    if not rows:
        text = f"What the lists cost on holdout samples is not known. {_same_lists(matches)}"
        return figure([sentence("Regret", text)], TITLE, [subtitle])
    means = [mean for mean in document["mean_regret"] if mean["method"] == RECOMMENDED]
    panels = [_mean_regrets(pl.DataFrame(means), matches, scale)]
    generic = [row for row in rows if row["list"] == Scope.GENERIC]
    if generic:
        panels.append(_regrets(pl.DataFrame(generic), scale))
    return figure(panels, TITLE, [subtitle, without, MARKS_READ])


def _same_lists(matches: pl.DataFrame) -> str:
    """Say how often the generic list is the dataset's own."""
    parts = []
    generic = matches.filter(list=Scope.GENERIC).sort("size", "method")
    for row in generic.iter_rows(named=True):
        parts.append(
            f"{row['matches']} of {row['configurations']} with {row['size']} removed"
            f" ({row['method']})"
        )
    return f"The generic list is the dataset's own: {'; '.join(parts)}."


def _mean_regrets(means: pl.DataFrame, matches: pl.DataFrame, scale: Scale) -> ChartType:
    scope = pl.col("list")
    places = {name: place for place, name in enumerate(LISTS)}
    same = matches.select("method", "list", "size", "matches", "noise_rate")
    rows = means.join(same, on=["method", "list", "size"], how="left", maintain_order="left")
    star = pl.col("verdict").replace_strict({Verdict.COSTS_MORE: " *"}, default="")
    number = pl.format("n = {}", "datasets")
    with_same = pl.format("n = {}, {} the same", "datasets", "matches")
    place = scope.replace_strict(places)
    rows = rows.sort("size", place).with_columns(
        pl.col("noise_rate").cast(pl.Float64),  # all null without samples
        value="regret",
        row=pl.format("{} removed: {}", "size", scope.replace_strict(LISTS)),
        about=with_same.fill_null(number) + star,
    )
    x = drop_axis(scale, "regret:")
    y = names_axis("row", rows["row"].to_list())
    title = "Mean regret over n datasets, 95 % interval"
    return estimates(rows, x, y, title, "about", tips={"noise_rate": "the same for two halves"})


def _regrets(rows: pl.DataFrame, scale: Scale) -> ChartType:
    """Draw the regret of the generic list of every size on every dataset."""
    sizes = rows["size"].unique().sort().to_list()
    x = alt.X("size:O", title="blocks removed").axis(labelAngle=0, grid=False)
    y = alt.Y("dataset:N", title=None)
    datasets = rows["dataset"].unique(maintain_order=True).to_list()
    y = y.scale(domain=datasets).axis(grid=False)
    shade = gain_to_loss_colour("regret", f"regret ({UNITS[scale]})", rows["regret"])
    titles = {"dataset": "dataset", "size": "blocks removed"}
    title = "Regret of the generic list by dataset"
    return regret_matrix(rows, x, y, shade, title, titles, len(sizes))
