"""One list for all or one a task: what either costs, measured on samples that chose neither."""

from typing import Any

from blocksieve.choices import lists_of, overlap
from blocksieve.evidence import Evidence, difference, measured
from blocksieve.statistics import false_discovery

OWN = "dataset"
LISTS = ("task_type", "generic", "leave_one_out", "same_type")
FALSE_DISCOVERY_RATE = 0.05
SAME, NOT_SHOWN = "same list", "not shown to differ"
Rows = list[dict[str, Any]]


def analyse(evidence: Evidence) -> dict[str, Any]:
    """Compare every dataset's own list with others at every size; schema task_specific_vs_generic.schema.json.

    `rows`: for each method of choosing, size, dataset and other list (of its task type, of all datasets, of all but it,
    of its type's other datasets) both combinations, whether they match, and on holdout samples the drop of either in %
    or pp. `regret` is how much more the other list costs, on the same samples. `match_rates` count equal sets of blocks
    over datasets and sizes, as the study does. `mean_regret` averages the regret over the datasets. `q` is adjusted
    over all rows, and over all means; lists that match differ in nothing and do not count. Without holdout samples
    there are lists, but no numbers.
    """
    held_out = evidence.held_out
    rows = [
        about | {"list": other} | _compared(held_out, dataset, lists[OWN], lists[other])
        for method, size, dataset, lists in lists_of(evidence)
        for about in [
            {
                "method": method,
                "size": size,
                "dataset": dataset,
                "task_type": evidence.task_types[dataset],
            }
        ]
        for other in LISTS
        if OWN in lists and other in lists
    ]
    rates, means = [], []
    for method, other in dict.fromkeys((row["method"], row["list"]) for row in rows):
        about = {"method": method, "list": other}
        own = [row for row in rows if (row["method"], row["list"]) == (method, other)]
        rates += [about | rate for rate in _match_rates(own)]
        means += [about | mean for mean in _mean_regrets(held_out, own)]
    judge(rows)
    judge(means)
    return {
        "role": "holdout",
        "measured": held_out is not None,
        "samples": sum(held_out.samples.values()) if held_out else 0,
        "across_datasets": evidence.scale,
        "unit": evidence.unit,
        "match_rates": rates,
        "mean_regret": means,
        "rows": rows,
    }


def _compared(held_out: Evidence | None, dataset: str, own: str, other: str) -> dict[str, Any]:
    contrasts = {"own_drop": {own: 1.0}, "drop": {other: 1.0}, "regret": difference(other, own)}
    found = measured(held_out, dataset, [own, other], list(contrasts.values()))
    row = {"own": own, "combination": other, "match": own == other, "overlap": overlap(own, other)}
    for name, estimate in zip(contrasts, found, strict=True):
        row |= {
            name: estimate["mean"],
            f"{name}_low": estimate["low"],
            f"{name}_high": estimate["high"],
        }
    return row | {"p": found[-1]["p"], "q": None, "verdict": SAME if own == other else None}


def judge(rows: Rows) -> None:
    """Adjust p over rows of a `regret` between lists that are not the same, and say what each shows."""
    tested = [row for row in rows if row["verdict"] != SAME and row["p"] is not None]
    for row, q in zip(tested, false_discovery([row["p"] for row in tested]).tolist(), strict=True):
        row |= {"q": q, "verdict": verdict(row["regret"], q)}


def verdict(regret: float, q: float) -> str:
    """What a regret shows at a 5 % false discovery rate."""
    if q > FALSE_DISCOVERY_RATE:
        return NOT_SHOWN
    return "costs more" if regret > 0 else "costs less"


def _match_rates(rows: Rows) -> Rows:
    """By size, then over all sizes."""
    groups = {
        size: [row for row in rows if row["size"] == size]
        for size in sorted({row["size"] for row in rows})
    }
    counts = [
        (size, sum(row["match"] for row in group), len(group))
        for size, group in {**groups, None: rows}.items()
    ]
    return [
        {"size": size, "matches": matches, "configurations": count, "rate": matches / count}
        for size, matches, count in counts
    ]


def _mean_regrets(held_out: Evidence | None, rows: Rows) -> Rows:
    """By size, over the datasets where both lists were measured."""
    if held_out is None:
        return []
    contrasts: dict[int, Any] = {}
    for row in rows:
        if row["regret"] is not None:
            contrasts.setdefault(row["size"], {})[row["dataset"]] = difference(
                row["combination"], row["own"]
            )
    means = []
    for size, by_dataset in sorted(contrasts.items()):
        found = held_out.average_of(by_dataset)
        mean = {"size": size, "datasets": len(by_dataset), "regret": found.pop("mean")}
        means.append(mean | {key: found[key] for key in ("low", "high", "p")} | {"q": None})
        means[-1]["verdict"] = None if any(by_dataset.values()) else SAME
    return means
