"""The report of a run in plain text: what was run, the baselines, the rankings, and what the numbers mean."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import polars as pl

from blocksieve.analysis.rankings_by_num_removed import AcrossDatasets, analyse, block_importance

TOP = 15
WIDTH = 110
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
UNITS: dict[AcrossDatasets, str] = {"relative": "%", "points": "pp"}
RANKING_HEADER = (
    *("rank", "combination", "drop %", "95 % interval", "spread", "drop pp", "95 % interval", "spread"),
    *("coverage", "samples"),
)
NOTES = """\
A combination is the set of removed blocks, counted from 0; its size is how many they are.
A drop is the baseline score minus the score without the blocks, on the same samples. A negative drop is a gain.
drop %: the share of the baseline score that is lost, averaged over the datasets with equal weight.
drop pp: the drop in percentage points (100 x score), averaged over the datasets whose metric lies in [0, 1].
95 % interval: how sure we are of that average, for these datasets. Samples of one image count as one cluster.
spread: the standard deviation of the drop over the datasets, so how differently they respond. It does not shrink with
more samples, and it is no interval.
coverage: the number of datasets evaluated, of all in the run. Only combinations with every dataset are ranked.
samples: all datasets together. More samples narrow the interval by the square root of their number.
The first ranks were chosen among many for their small drop on the search samples, so their drop there is on average
too small. The holdout samples, never used to choose, do not have this flaw.
-: not known (no such dataset, or too few clusters or datasets)."""


def write_report(evaluations: pl.DataFrame, ranking: pl.DataFrame, run: Mapping[str, Any]) -> str:
    """Write the report as text, at most 120 characters wide, the same for the same input.

    `ranking` comes from `analyse` on these evaluations. `run` says what was run, under the keys of `SETTINGS` (text,
    number or a group of settings), datasets ({name: {metric}}) and jobs (the metadata of the shards); what is missing
    has no line. With a given table of `evaluations`, the settings of a model and its search are left out.
    """
    sections = [
        ("What was run", _settings(run)),
        ("Work of the evaluation jobs", _work(run.get("jobs", []))),
        ("Datasets and baseline scores", _baselines(evaluations, run.get("datasets", {}))),
        ("Answers to be careful with", _cautions(evaluations)),
        *_rankings(ranking),
        ("First of every size, measured again on samples never used to choose", _held_out(evaluations, ranking)),
        ("Least and most important block", _extreme_blocks(evaluations, ranking)),
        ("What the numbers mean", NOTES.splitlines()),
    ]
    lines = ["blocksieve: comprehensive report", "=" * WIDTH]
    for heading, body in sections:
        if body:
            lines += ["", heading, "-" * len(heading), *body]
    return "\n".join(lines) + "\n"


def _settings(run: Mapping[str, Any]) -> list[str]:
    """One entry a setting that is known, wrapped to the width of the page."""
    run = {**run, "model": _with_counted_kinds(run["model"])} if "kinds" in run.get("model", {}) else run
    known = [key for key in (SETTINGS if run.get("evaluations") is None else GIVEN) if run.get(key) is not None]
    entries = [f"{SETTINGS[key]:<16}{_setting(run[key])}" for key in known]
    return [line for entry in entries for line in wrap(entry, WIDTH, subsequent_indent=" " * 16)]


def _with_counted_kinds(model: Mapping[str, Any]) -> dict[str, Any]:
    """The model's settings with its kinds of blocks counted."""
    kinds = Counter(model["kinds"])
    return {**model, "kinds": " and ".join(f"{count} {kind}" for kind, count in kinds.items())}


def _setting(value: Any) -> str:
    """Spell a setting in words, a group of them as its keys and values."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items() if part is not None)
    return str(value)


def _work(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the jobs computed and what sharing saved, and how they answered."""
    computed = [job for job in jobs if "flops" in job]
    if not computed:
        return []
    flops = {name: sum(job["flops"][name] for job in computed) for name in ("done", "plain", "bound")}
    lines = [f"{len(computed)} of {len(jobs)} jobs had anything to compute that was not in the cache."]
    if flops["done"]:
        lines += [
            f"{'done':<16}{flops['done']:.3e} FLOPs",
            f"{'plain loop':<16}{flops['plain']:.3e} FLOPs to evaluate the same combinations one by one",
            f"{'saved':<16}{100 * (1 - flops['done'] / flops['plain']):.1f} % of the plain loop's work",
            f"{'distinct work':<16}{flops['bound']:.3e} FLOPs, the least that gives the same answers",
        ]
    ways = Counter((job["rung"], job["reason"]) for job in computed)
    return lines + [
        line
        for (rung, reason), count in sorted(ways.items())
        for line in wrap(f"{'rung':<16}{rung}: {count} jobs ({reason})", WIDTH, subsequent_indent=" " * 16)
    ]


def _cautions(evaluations: pl.DataFrame) -> list[str]:
    """Name what could not be evaluated, what gave no numbers, and how many answers hung on a rounding."""
    refused = evaluations.filter(pl.col("not_evaluable").is_not_null()).unique(["combination", "not_evaluable"])
    broken = evaluations.filter(pl.col("non_finite") > 0).sort("size", "removed", "dataset", "role")
    close = (
        evaluations.group_by("dataset").agg(pl.sum("near_ties", "n")).filter(pl.col("near_ties") > 0).sort("dataset")
    )
    lines = [
        f"Combination {combination} cannot be evaluated: {reason}."
        for combination, reason in refused.sort("size", "removed").select("combination", "not_evaluable").iter_rows()
    ]
    lines += [
        f"Combination {row['combination']} gave NaN or infinite logits on {row['non_finite']} of {row['n']} samples of"
        f" {row['dataset']} ({row['role']}); their scores count as they came out."
        for row in broken.iter_rows(named=True)
    ]
    lines += [
        f"{dataset}: {ties:,} of {n:,} answers hung on a difference below two steps of the number format; in batches of"
        " another size they could be others."
        for dataset, ties, n in close.iter_rows()
        if ties
    ]
    return [line for text in lines for line in wrap(text, WIDTH)]


def _baselines(evaluations: pl.DataFrame, described: Mapping[str, Mapping[str, str]]) -> list[str]:
    """List the baselines, a row a dataset and role, and a note on those without a relative drop."""
    rows = evaluations.filter(pl.col("size") == 0).sort(pl.col("role") != "search", "role", "dataset")
    cells = [
        (
            *(row["dataset"], row["task_type"], described.get(row["dataset"], {}).get("metric", "-"), row["role"]),
            *(f"{row['n']:,}", f"{row['n_clusters']:,}", f"{row['baseline']:.4f}"),
        )
        for row in rows.iter_rows(named=True)
    ]
    table = _table(("dataset", "task type", "metric", "role", "samples", "clusters", "baseline"), cells, left=4)
    zero = rows.filter(pl.col("baseline") == 0)
    return table + [
        f"Baseline 0 on {dataset} ({role}): it has no relative drop and is left out of every drop %."
        for dataset, role in zero.select("dataset", "role").iter_rows()
    ]


def _rankings(ranking: pl.DataFrame) -> list[tuple[str, list[str]]]:
    """Per size a section of the ranked, and one of the combinations of partial coverage."""
    sections = []
    for (size,), group in ranking.group_by("size", maintain_order=True):
        blocks = "1 block removed" if size == 1 else f"{size} blocks removed"
        role, ranked_by = group.select("role", "ranked_by").row(0)
        for full, kind in ((True, f"by {ranked_by} drop, {role} samples"), (False, "partial coverage, not ranked")):
            found = group.filter(pl.col("full") == full)
            title = f"{blocks}, {kind}: {min(TOP, found.height)} of {found.height}"
            rows = [_ranking_cells(row) for row in found.head(TOP).iter_rows(named=True)]
            if rows:
                sections.append((title, _table(RANKING_HEADER, rows, left=2)))
    return sections


def _ranking_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    scales = [
        text
        for scale in UNITS
        for text in (_number(row[f"{scale}_mean"]), _interval(row, scale), _number(row[f"{scale}_spread"], sign=""))
    ]
    rank = "-" if row["rank"] is None else str(row["rank"])
    return (rank, row["combination"], *scales, f"{row['coverage']}/{row['num_datasets']}", f"{row['n_total']:,}")


def _held_out(evaluations: pl.DataFrame, ranking: pl.DataFrame) -> list[str]:
    """Set the winners of the search role beside their holdout drop; no lines where the run has no holdout samples."""
    winners = ranking.filter(pl.col("rank") == 1, pl.col("role") == "search")
    if winners.is_empty() or "holdout" not in evaluations["role"]:
        return []
    scale = winners["ranked_by"][0]
    held_out = analyse(evaluations, scale, "holdout").filter("full")
    numbers = ("mean", "ci_low", "ci_high")
    again = held_out.select("combination", *(pl.col(f"{scale}_{name}").alias(f"again_{name}") for name in numbers))
    cells = [
        (
            *(str(row["size"]), row["combination"]),
            *(_number(row[f"{scale}_mean"]), _interval(row, scale)),
            *(_number(row["again_mean"]), _interval(row, "again")),
        )
        for row in winners.join(again, on="combination", how="left", maintain_order="left").iter_rows(named=True)
    ]
    unit = UNITS[scale]
    header = ("size", "combination", f"search {unit}", "95 % interval", f"holdout {unit}", "95 % interval")
    return _table(header, cells, left=2)


def _extreme_blocks(evaluations: pl.DataFrame, ranking: pl.DataFrame) -> list[str]:
    """Name the two ends of the order of single blocks on the ranking's own scale and role."""
    if ranking.is_empty():
        return ["No combination was evaluated."]
    role, scale = ranking.select("role", "ranked_by").row(0)
    blocks = block_importance(evaluations, scale, role)
    if blocks.is_empty():
        return ["No single block was removed on every dataset."]
    ends = (("least important", blocks.row(0, named=True)), ("most important", blocks.row(-1, named=True)))
    return [
        f"{label:<16}block {row['combination']:>3}: {scale} drop {_number(row[f'{scale}_mean'])} {UNITS[scale]},"
        f" 95 % interval {_interval(row, scale)}, {row['n_total']:,} samples"
        for label, row in ends
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[str]:
    """Lines of aligned columns: the first `left` at their left edge, numbers at their right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _interval(row: Mapping[str, Any], prefix: str) -> str:
    low, high = row[f"{prefix}_ci_low"], row[f"{prefix}_ci_high"]
    return "-" if low is None else f"[{_number(low)}, {_number(high)}]"


def _number(value: float | None, sign: str = "+") -> str:
    return "-" if value is None else f"{value:{sign}.2f}"
