"""The report of a run: what was run, every analysis as a table with intervals, key findings, what the numbers mean."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from blocksieve.analysis.power import GAPS
from blocksieve.evidence import Scale
from blocksieve.report.findings import findings
from blocksieve.report.lists import (
    held_out,
    scenarios,
    stability,
    task_specific_vs_generic,
    transfer,
)
from blocksieve.report.numbers import bracket, number
from blocksieve.report.routing import routing
from blocksieve.report.section import Section
from blocksieve.statistics import ROUNDING

TITLE = "blocksieve: comprehensive report"
TOP, TOP_INTERACTIONS, TOP_PAIRS = 15, 10, 5
SETTINGS = {
    "run": "run",
    "evaluations": "given table",
    "seed": "seed",
    "analysis": "analysis",
    "model": "model",
    "num_blocks": "decoder blocks",
    "dtype": "number format",
    "engine": "engine",
    "samples": "samples",
    "evaluation": "evaluation",
    "search": "search",
}
# All that can be said where the evaluations were not measured in this run but given.
GIVEN = ("run", "evaluations", "seed", "analysis")
UNITS: dict[Scale, str] = {"relative": "%", "points": "pp"}
RANKING_HEADER = (
    *(
        "rank",
        "combination",
        "drop %",
        "95 % interval",
        "spread",
        "drop pp",
        "95 % interval",
        "spread",
    ),
    *("coverage", "samples"),
)
NOTES = (
    "A combination is the set of removed blocks, counted from 0; its size is how many they are.",
    "A drop is the baseline score minus the score without the blocks, on the same samples. A negative drop is a gain.",
    "drop %: the share of the baseline score that is lost, averaged over the datasets with equal weight.",
    "drop pp: the drop in percentage points (100 x score), averaged over the datasets whose metric lies in [0, 1].",
    "95 % interval: how sure we are of that average, for these datasets. Samples of one image count as one cluster.",
    "spread: the standard deviation of the drop over the datasets, so how differently they respond. It does not shrink"
    " with more samples, and it is no interval.",
    "coverage: the number of datasets evaluated, of all in the run. Only combinations with every dataset are ranked.",
    "=: tied with the first: not shown to be worse on the same samples, allowing for the first having been picked.",
    "samples: all datasets together. More samples narrow the interval by the square root of their number.",
    "The first ranks were chosen among many for their small drop on the search samples, so their drop there is on"
    " average too small. The holdout samples, never used to choose, do not have this flaw.",
    "-: not known (no such dataset, or too few clusters or datasets).",
)


def compose(
    evaluations: pl.DataFrame, tables: Mapping[str, Any], run: Mapping[str, Any]
) -> list[Section]:
    """Put the report together, the same for the same input.

    `tables`: what every analysis gave, by its name. `run` says what was run, under the keys of `SETTINGS` (text, number
    or a group of settings), datasets ({name: {metric}}), jobs (the metadata of the shards) and seconds (of the jobs);
    what is missing has no line. With a given table of `evaluations`, the settings of a model and its search are left
    out. `across_datasets`: the scale of the analyses.
    """
    unit = UNITS[run["analysis"]["across_datasets"]]
    ranking = tables["rankings_by_num_removed"]
    return [
        _settings(run),
        _work(run.get("jobs", []), run.get("seconds")),
        _baselines(evaluations, run.get("datasets", {})),
        Section("Answers to be careful with", _cautions(evaluations)),
        Section("Key findings", findings(tables, unit)),
        *_recommendations(tables["pruning_recommendations"]),
        *scenarios(tables["pruning_recommendations"]),
        *_rankings(ranking),
        *held_out(tables["held_out"]),
        *task_specific_vs_generic(tables["task_specific_vs_generic"]),
        transfer(tables["transfer_matrix"]),
        stability(tables["stability"]),
        _task_types(tables["task_type_comparison"], unit),
        _task_types_by_size(tables["task_type_detailed_comparison"], unit),
        _blocks(tables["block_position_analysis"], unit),
        _positions(tables["block_position_analysis"], unit),
        *_interactions(tables["combination_vs_individual"], unit),
        _consistency(tables["consistency_analysis"], unit),
        _responses(tables["dataset_responses"], unit),
        _pairs(tables["dataset_pairwise_comparison"], unit),
        _splits(tables["split_agreement"]),
        *routing(tables["routing"]),
        _distributions(tables["drop_distributions"], unit),
        _power(tables["power"]),
        Section("What the numbers mean", NOTES),
    ]


def _settings(run: Mapping[str, Any]) -> Section:
    """One row a setting that is known."""
    run = (
        {**run, "model": _with_counted_kinds(run["model"])}
        if "kinds" in run.get("model", {})
        else run
    )
    known = [
        key
        for key in (SETTINGS if run.get("evaluations") is None else GIVEN)
        if run.get(key) is not None
    ]
    rows = [(SETTINGS[key], _setting(run[key])) for key in known]
    return Section("What was run", header=("setting", "value"), rows=rows, left=2)


def _with_counted_kinds(model: Mapping[str, Any]) -> dict[str, Any]:
    """The model's settings with its kinds of blocks counted."""
    kinds = Counter(model["kinds"])
    return {**model, "kinds": " and ".join(f"{count} {kind}" for kind, count in kinds.items())}


def _setting(value: Any) -> str:
    """Spell a setting in words, a group of them as its keys and values."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key} {_setting(part)}" for key, part in value.items() if part is not None
        )
    return str(value)


def _work(jobs: Sequence[Mapping[str, Any]], seconds: float | None) -> Section:
    """What the jobs computed and what sharing saved, and how they answered."""
    computed = [job for job in jobs if "flops" in job]
    if not computed:
        return Section("Work of the evaluation jobs")
    flops = {
        name: sum(job["flops"][name] for job in computed) for name in ("done", "plain", "bound")
    }
    rows = [
        (
            "jobs",
            f"{len(computed)} of {len(jobs)} had anything to compute that was not in the cache",
        )
    ]
    if seconds is not None:
        rows.append(("time", f"{seconds:,.0f} s, all jobs together, loading the model included"))
    if flops["done"]:
        rows += [
            ("done", f"{flops['done']:.3e} FLOPs"),
            (
                "plain loop",
                f"{flops['plain']:.3e} FLOPs to evaluate the same combinations one by one",
            ),
            (
                "saved",
                f"{100 * (1 - flops['done'] / flops['plain']):.1f} % of the plain loop's work",
            ),
            ("distinct work", f"{flops['bound']:.3e} FLOPs, the least that gives the same answers"),
        ]
    ways = Counter((job["rung"], job["reason"]) for job in computed)
    rows += [
        ("rung", f"{rung}: {count} jobs ({reason})")
        for (rung, reason), count in sorted(ways.items())
    ]
    return Section("Work of the evaluation jobs", header=("what", "how much"), rows=rows, left=2)


def _cautions(evaluations: pl.DataFrame) -> list[str]:
    """Name what could not be evaluated, what gave no numbers, and how many answers hung on a rounding."""
    refused = evaluations.filter(pl.col("not_evaluable").is_not_null()).unique(
        ["combination", "not_evaluable"]
    )
    broken = evaluations.filter(pl.col("non_finite") > 0).sort("size", "removed", "dataset", "role")
    counted = (
        evaluations.group_by("dataset").agg(pl.sum("near_ties", "unparsable", "n")).sort("dataset")
    )
    lines = [
        f"Combination {combination} cannot be evaluated: {reason}."
        for combination, reason in refused.sort("size", "removed")
        .select("combination", "not_evaluable")
        .iter_rows()
    ]
    lines += [
        f"Combination {row['combination']} gave NaN or infinite logits on {row['non_finite']} of {row['n']} samples of"
        f" {row['dataset']} ({row['role']}); their scores count as they came out."
        for row in broken.iter_rows(named=True)
    ]
    lines += [
        f"{dataset}: {ties:,} of {n:,} answers hung on a difference below two steps of the number format; in batches of"
        " another size they could be others."
        for dataset, ties, _, n in counted.iter_rows()
        if ties
    ]
    lines += [
        f"{dataset}: {unread:,} of {n:,} answers could not be read as one of the choices; they count as wrong."
        for dataset, _, unread, n in counted.iter_rows()
        if unread
    ]
    return lines


def _baselines(evaluations: pl.DataFrame, described: Mapping[str, Mapping[str, str]]) -> Section:
    """List the baselines, a row a dataset and role, and a note on those without a relative drop."""
    rows = evaluations.filter(pl.col("size") == 0).sort(
        pl.col("role") != "search", "role", "dataset"
    )
    cells = [
        (
            *(
                row["dataset"],
                row["task_type"],
                described.get(row["dataset"], {}).get("metric", "-"),
                row["role"],
            ),
            *(f"{row['n']:,}", f"{row['n_clusters']:,}", f"{row['baseline']:.4f}"),
        )
        for row in rows.iter_rows(named=True)
    ]
    zero = rows.filter(pl.col("baseline") == 0)
    notes = [
        f"Baseline 0 on {dataset} ({role}): it has no relative drop and is left out of every drop %."
        for dataset, role in zero.select("dataset", "role").iter_rows()
    ]
    header = ("dataset", "task type", "metric", "role", "samples", "clusters", "baseline")
    return Section("Datasets and baseline scores", (), header, cells, 4, notes)


def _recommendations(chosen: Mapping[str, Any]) -> list[Section]:
    """Strategies, the best of every size, and the path."""
    unit = chosen["unit"]
    drop = (f"holdout {unit}", "95 % interval", f"search {unit}", "95 % interval")
    strategies = [
        (name, f"{entry['max_drop']:g}", entry["combination"], str(entry["size"]), *_drop(entry))
        for name, entry in chosen["strategies"].items()
    ]
    sizes = [
        (
            *(str(entry["size"]), entry["combination"], *_drop(entry), "*" * entry["robustness"]),
            f"{len(entry['tied'])} of {entry['candidates']}",
        )
        for entry in chosen["sizes"]
    ]
    path = [
        (
            *(
                str(len(step["removed"])),
                str(step["added_block"]),
                step["combination"],
                *_drop(step),
            ),
            *(number(step["increment"]), bracket(step["increment_low"], step["increment_high"])),
        )
        for step in chosen["path"]
    ]
    apart = (
        []
        if chosen["paired"]
        else ["Without samples, drops count as independent where combinations are compared."]
    )
    chosen_on = (
        f"Chosen on the {chosen['role']} samples, where drops of winners are on average too small."
    )
    if any(entry["holdout"] for entry in chosen["sizes"]):
        chosen_on += " Holdout samples were never used to choose."
    added = ("increment", "95 % interval")
    return [
        Section(
            "Recommendations: the largest size within a limit",
            ["The upper end of the interval must keep the limit.", chosen_on, *apart],
            *(("strategy", f"limit {unit}", "combination", "removed", *drop), strategies, 1),
        ),
        Section(
            "Recommendations: the best of every size",
            [f"Robustness: {chosen['robustness_rule']}."],
            *(("removed", "combination", *drop, "robustness", "tied with it"), sizes, 2),
        ),
        Section(
            "Recommendations: one block after the other",
            (),
            ("removed", "add", "combination", *drop, *added),
            path,
            3,
        ),
    ]


def _drop(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The drop on the holdout samples first."""
    again = entry["holdout"] or dict.fromkeys(("drop", "low", "high"))
    both = (again, entry)
    return tuple(
        text for one in both for text in (number(one["drop"]), bracket(one["low"], one["high"]))
    )


def _rankings(ranking: pl.DataFrame) -> list[Section]:
    """Per size a section of the ranked, and one of the combinations of partial coverage."""
    if ranking.is_empty():
        return [Section("Rankings", ["No combination was evaluated."])]
    sections = []
    for (size,), group in ranking.group_by("size", maintain_order=True):
        blocks = "1 block removed" if size == 1 else f"{size} blocks removed"
        role, ranked_by = group.select("role", "ranked_by").row(0)
        for full, kind in (
            (True, f"by {ranked_by} drop, {role} samples"),
            (False, "partial coverage, not ranked"),
        ):
            found = group.filter(pl.col("full") == full)
            title = f"{blocks}, {kind}: {min(TOP, found.height)} of {found.height}"
            rows = [_ranking_cells(row) for row in found.head(TOP).iter_rows(named=True)]
            sections.append(Section(title, (), RANKING_HEADER, rows, 2))
    return sections


def _ranking_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    scales = [
        text
        for scale in UNITS
        for text in (
            number(row[f"{scale}_mean"]),
            _interval(row, scale),
            number(row[f"{scale}_spread"], sign=""),
        )
    ]
    place = "-" if row["rank"] is None else f"{row['rank']}{' =' if row['tied'] else ''}"
    return (
        place,
        row["combination"],
        *scales,
        f"{row['coverage']}/{row['num_datasets']}",
        f"{row['n_total']:,}",
    )


def _task_types(table: pl.DataFrame, unit: str) -> Section:
    cells = [(row["task_type"], *_type_cells(row)) for row in table.to_dicts()]
    return Section(
        "Task types",
        [
            "Over the combinations that every dataset has; std, min, median and max describe these combinations."
        ],
        *(("task type", *_type_header(unit)), cells, 1),
    )


def _task_types_by_size(table: pl.DataFrame, unit: str) -> Section:
    cells = [(str(row["size"]), row["task_type"], *_type_cells(row)) for row in table.to_dicts()]
    return Section(
        "Task types by number of removed blocks",
        (),
        ("removed", "task type", *_type_header(unit)),
        cells,
        2,
    )


def _type_header(unit: str) -> tuple[str, ...]:
    return (
        f"mean {unit}",
        "95 % interval",
        "std",
        "combinations",
        "min",
        "max",
        "median",
        "evaluated",
        "samples",
    )


def _type_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        *(
            number(row["mean"]),
            bracket(row["low"], row["high"]),
            number(row["std"], ""),
            f"{row['combinations']:,}",
        ),
        *(number(row[name]) for name in ("min", "max", "median")),
        *(f"{row['evaluated']:,}", f"{row['samples']:,}"),
    )


def _blocks(table: pl.DataFrame, unit: str) -> Section:
    """Single blocks, the least important first."""
    rows = table.filter(level="combination", size=1).sort("mean", maintain_order=True)
    cells = [
        (
            str(place),
            row["combination"],
            row["position"],
            number(row["mean"]),
            bracket(row["low"], row["high"]),
        )
        for place, row in enumerate(rows.to_dicts(), 1)
    ]
    none = [] if cells else ["No single block was removed on every dataset."]
    header = ("place", "block", "position", f"drop {unit}", "95 % interval")
    return Section("Least to most important block", none, header, cells, 3)


def _positions(table: pl.DataFrame, unit: str) -> Section:
    cells = [
        (
            *(str(row["size"]), row["position"], row["blocks"], f"{row['combinations']:,}"),
            *(number(row["mean"]), bracket(row["low"], row["high"])),
        )
        for row in table.filter(level="position").to_dicts()
    ]
    header = ("removed", "position", "blocks", "combinations", f"mean {unit}", "95 % interval")
    return Section("Positions", (), header, cells, 3)


def _interactions(table: pl.DataFrame, unit: str) -> list[Section]:
    """The strongest synergies and antagonisms among the combinations that every dataset has."""
    full = table.filter("full").sort("interaction", maintain_order=True)
    sections = []
    for title, found in (
        (
            "Synergies: combinations that cost less than the sum of their blocks",
            full.filter(pl.col("interaction") < -ROUNDING),
        ),
        (
            "Antagonisms: combinations that cost more",
            full.reverse().filter(pl.col("interaction") > ROUNDING),
        ),
    ):
        cells = [
            (
                *(
                    row["combination"],
                    number(row["measured"]),
                    number(row["summed"]),
                    number(row["interaction"]),
                ),
                *(bracket(row["low"], row["high"]), number(row["q"], "", 3), row["label"]),
            )
            for row in found.head(TOP_INTERACTIONS).to_dicts()
        ]
        header = (
            "combination",
            f"measured {unit}",
            f"summed {unit}",
            "interaction",
            "95 % interval",
            "q",
            "label",
        )
        sections.append(Section(f"{title}: {len(cells)} of {len(found)}", (), header, cells))
    return sections if len(full) else []


def _consistency(table: pl.DataFrame, unit: str) -> Section:
    known = table.drop_nulls("cv")
    rows = known.filter("full").sort("cv", maintain_order=True).head(TOP)
    cells = [
        (
            row["combination"],
            number(row["cv"], ""),
            number(row["mean"]),
            bracket(row["low"], row["high"]),
        )
        + (number(row["spread"], ""), f"{row['coverage']}/{row['num_datasets']}")
        for row in rows.to_dicts()
    ]
    said = f"{len(known)} of {len(table)} combinations have a mean drop clearly above 0, and so a CV (spread / mean)."
    header = ("combination", "CV", f"mean {unit}", "95 % interval", "spread", "coverage")
    return Section("Consistency over datasets, the most consistent first", [said], header, cells)


def _responses(table: pl.DataFrame, unit: str) -> Section:
    cells = [
        (
            *(
                row["dataset"],
                row["task_type"],
                number(row["mean"]),
                bracket(row["low"], row["high"]),
            ),
            *(number(row["std"], ""), *(number(row[name]) for name in ("min", "median", "max"))),
            *(f"{row['combinations']:,}", f"{row['samples']:,}"),
        )
        for row in table.to_dicts()
    ]
    header = (
        "dataset",
        "task type",
        f"mean {unit}",
        "95 % interval",
        "std",
        "min",
        "median",
        "max",
        "combinations",
        "samples",
    )
    return Section(
        "Dataset responses, over the combinations that every dataset has", (), header, cells, 2
    )


def _pairs(table: pl.DataFrame, unit: str) -> Section:
    """The most and the least correlated pairs."""
    known = table.drop_nulls("pearson").sort(
        "pearson", "dataset_a", "dataset_b", descending=[True, False, False]
    )
    shown = (
        known
        if len(known) <= 2 * TOP_PAIRS
        else pl.concat([known.head(TOP_PAIRS), known.tail(TOP_PAIRS)])
    )
    cells = [
        (
            *(row["dataset_a"], row["dataset_b"], "same" if row["same_task_type"] else "different"),
            *(number(row["pearson"]), bracket(row["pearson_low"], row["pearson_high"])),
            *(number(row["spearman"]), bracket(row["spearman_low"], row["spearman_high"])),
            *(number(row["mean_difference"], ""), f"{row['combinations']:,}"),
        )
        for row in shown.to_dicts()
    ]
    header = (
        *("dataset", "and", "task type", "Pearson", "95 % interval", "Spearman", "95 % interval"),
        *(f"difference {unit}", "combinations"),
    )
    title = f"Pairs of datasets, the most and the least correlated: {len(shown)} of {len(table)}"
    return Section(title if len(table) else "Pairs of datasets", (), header, cells, 3)


def _splits(table: pl.DataFrame) -> Section:
    rows = table.unique(["dataset", "split_a", "split_b"], maintain_order=True)
    cells = [
        (
            *(
                row["dataset"],
                f"{row['split_a']}/{row['split_b']}",
                f"{row['samples_a']:,}/{row['samples_b']:,}",
            ),
            *(number(row["spearman"]), bracket(row["spearman_low"], row["spearman_high"])),
        )
        for row in rows.to_dicts()
    ]
    header = ("dataset", "splits", "samples", "Spearman", "95 % interval")
    return Section("Agreement of the source splits on the order of blocks", (), header, cells, 3)


def _distributions(table: pl.DataFrame, unit: str) -> Section:
    names = ("mean", "std", "min", "lower_quartile", "median", "upper_quartile", "max")
    cells = [
        (
            *(str(row["size"]), f"{row['drops_measured']:,}", f"{row['combinations']:,}"),
            *(number(row[name]) for name in names),
            f"{100 * row['negative']:.1f}",
        )
        for row in table.to_dicts()
    ]
    header = (
        "removed",
        "drops",
        "combinations",
        *(name.replace("_", " ") for name in names),
        "below 0 %",
    )
    return Section(
        f"All drops measured, in {unit}, one a dataset and combination", (), header, cells
    )


def _power(table: pl.DataFrame) -> Section:
    cells = [
        (
            *(
                row["dataset"],
                f"{row['n']:,}",
                f"{row['n_clusters']:,}",
                number(100 * (row["discordant"] or 0), "", 1),
            ),
            *(number(row["se"], ""), number(row["detectable"], "")),
            *("-" if (n := row[f"n_for_{gap:g}_pp"]) is None else f"{n:,}" for gap in GAPS),
        )
        for row in table.to_dicts()
    ]
    wanted = [f"n for {gap:g} pp" for gap in GAPS]
    header = ("dataset", "samples", "clusters", "discordant %", "se pp", "detectable pp", *wanted)
    said = (
        "At the median standard error of its combinations: the drop that a two-sided 5 % test would find with 80 %"
        " probability, and the samples that smaller drops would need. discordant: samples whose score changes. For a"
        " metric not in [0, 1], such as CIDEr, pp is 100 x its score."
    )
    return Section("Power: what these samples can tell", [said], header, cells)


def _interval(row: Mapping[str, Any], prefix: str) -> str:
    return bracket(row[f"{prefix}_ci_low"], row[f"{prefix}_ci_high"])
